"""Languages other than English: the whole story on a cased DistilBERT made on the spot, and what differs in it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from transformers import AutoTokenizer, DistilBertConfig, DistilBertForMaskedLM

from pipeline import Predictor
from pipeline.common.errors import InputError
from pipeline.common.files import read_json, read_jsonl
from pipeline.machine import cli
from pipeline.measuring.general import run as general_run
from pipeline.models import sources
from stages import evaluate, finetune, prepare, source
from stages.__main__ import build
from tests.german import REVIEWS
from tests.toys import toy_tokenizer, write_toy_model

RECIPE = """
name: toy
extends: starter
prepare: {corpora: [CARDS/reviews, CARDS/posts, CARDS/articles, CARDS/pairs]}
source: {model: MODEL}
pretrain:
  {num_train_epochs: 1, freezing: {layers: 1}, tokens_per_batch: 256, evaluations: 2, dev_windows: 8,
   compute: {precision: fp32}}
finetune:
  {freezing: {layers: 1}, num_train_epochs: 1, compute: {precision: fp32}, frontier: {points: 0, budget: null}}
evaluate:
  {draws: 100, general_documents: 6, pairs: 6, probe_sentences: 24, refit_tokens: 1000, counterfactuals: 6}
report: {draws: 1000, verdict_draws: 1000}
arms: {naive: null, careful: null, adapted: null}
"""
CARD = """---
language: LANGUAGE
license: cc0-1.0
configs: [{config_name: default, data_files: FILE}]
retone: {role: ROLE}
---
"""


class Language(NamedTuple):
    code: str
    classes: tuple[tuple[str, ...], ...]
    others: str
    """Words that say nothing of a class."""


GERMAN = Language(
    "de",
    (
        ("schlecht", "furchtbar", "unfreundlich", "kaputt", "nie wieder"),
        ("geht so", "es ist ein Eimer", "nichts Besonderes", "mittelmäßig"),
        ("schön", "großartig", "sehr gut", "köstlich", "immer wieder gern"),
    ),
    "der die das und ist nicht ich ein Straße Tür Küche für über Lieferung Gebäude kommt später Größe Käse grün",
)
RUSSIAN = Language(
    "ru",
    (
        ("плохой", "ужасный", "грубый", "сломан", "никогда больше"),
        ("так себе", "это ведро", "ничего особенного", "обычный"),
        ("хороший", "отличный", "очень вкусный", "лучший", "ещё приду"),
    ),
    "и в на не я что чай ёлка дом мой товар доставка коробка улица сыр зелёный поздно вечер город большой",
)


def _texts(language: Language, count: int, seed: int) -> list[dict[str, Any]]:
    draw, rows = random.Random(seed), []
    for index in range(count):
        label = index % 3
        said, more = draw.choice(language.classes[label]), " ".join(draw.choices(language.others.split(), k=8))
        sign = draw.choice(("😡👎🏽", "🤷‍♀️", "😍❤️")[label : label + 1]) if index % 9 < 3 else ""
        rows.append({"text": f"{more} {said}{sign}", "label": ("negative", "neutral", "positive")[label]})
    return rows


def _write(folder: Path, language: Language, pairs: str, more: Sequence[dict[str, Any]] = ()) -> None:
    """Cards of every role; among the reviews some ``more``."""
    others = language.others.split()
    sentence = lambda seed: " ".join(random.Random(seed).choices(others, k=7 + seed % 6)).capitalize() + "."  # noqa: E731
    articles = [{"text": " ".join(sentence(100 * index + part) for part in range(8))} for index in range(40)]
    labels = "reviews, labels: {negative: negative, neutral: neutral, positive: positive}"
    good = [f"{one} {two} {language.code}" for one, two in pairwise(others)]
    corpora: dict[str, tuple[str, str, list[dict[str, Any]]]] = {
        "reviews": (labels, language.code, [*_texts(language, 114, 1), *more]),
        "posts": ("informal", language.code, [{"text": row["text"]} for row in _texts(language, 60, 2)]),
        "articles": ("general", language.code, articles),
        "pairs": ("pairs", pairs, [{"good": one, "bad": one[::-1], "phenomenon": "order"} for one in good]),
    }
    for name, (role, code, rows) in corpora.items():
        (folder / name).mkdir(parents=True)
        text = CARD.replace("ROLE", role).replace("LANGUAGE", code).replace("FILE", f"{name}.jsonl")
        (folder / name / "README.md").write_text(text, encoding="utf-8")
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / name / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


def _base(folder: Path, language: Language) -> None:
    """A random cased DistilBERT."""
    words = [language.others, *(" ".join(said) for said in language.classes), *(row["text"] for row in REVIEWS)]
    reader = toy_tokenizer(600, "multilingual", more=words)
    torch.manual_seed(0)
    shape = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 128}
    DistilBertForMaskedLM(DistilBertConfig(vocab_size=len(reader), **shape)).save_pretrained(folder)
    reader.save_pretrained(folder)


def _made(store: Path, stage: str) -> Path:
    (found,) = (path.parent for path in (store / stage).glob("*/manifest.json"))
    return found


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a story on a base of which its own card says that it is German; the pairs are English."""
    place = tmp_path_factory.mktemp("german")
    _write(place / "cards", GERMAN, "en", REVIEWS)
    _base(place / "base", GERMAN)
    (place / "base" / "README.md").write_text("---\nlanguage: de\n---\n", encoding="utf-8")
    recipe = RECIPE.replace("CARDS", str(place / "cards")).replace("MODEL", str(place / "base"))
    (place / "recipe.yaml").write_text(recipe, encoding="utf-8")
    told = ["run", "--recipe", str(place / "recipe.yaml"), "--store", str(place / "store"), "--jobs", "1"]
    assert cli.main(build(), told) == 0
    return place / "store"


def test_the_base_is_a_bert_by_then_and_says_its_language(german: Path) -> None:
    made = _made(german, "source")
    assert read_json(made / "source.json")["language"] == ["de"]
    assert read_json(made / "model" / "config.json")["architectures"] == ["BertForMaskedLM"]


def test_emoji_are_tokens_with_names_in_that_language(german: Path) -> None:
    model = german / "latest" / "model"
    assert read_json(model / "retone.json") == {"emoji": "all", "language": "de"}
    assert AutoTokenizer.from_pretrained(model).tokenize("schön❤️👍🏽")[-3:] == ["❤", "👍", "🏽"]
    coverage = read_json(_made(german, "tokenizer") / "coverage.json")["corpora"]["reviews"]
    assert coverage["before"]["words_lost_rate"] > 0.7  # some emoji stand apart
    assert coverage["after"]["unk_rate"] == 0.0


def test_invented_reviews_go_all_the_way_letter_by_letter(german: Path) -> None:
    texts = _made(german, "prepare") / "texts" / "reviews"
    found = {row["text"]: row["label"] for path in texts.glob("*.jsonl") for row in read_jsonl(path)}
    labels = {"negative": 0, "neutral": 1, "positive": 2}
    assert {row["text"]: labels[row["label"]] for row in REVIEWS}.items() <= found.items()
    tested = {row["text"] for row in read_jsonl(texts / "test.jsonl")} & {row["text"] for row in REVIEWS}
    assert len(tested) >= 3
    told = {
        row["id"]: row["probabilities"] for row in read_jsonl(_made(german, "evaluate") / "predictions/reviews.jsonl")
    }
    rows = [row for row in read_jsonl(texts / "test.jsonl") if row["text"] in tested]
    for row, said in zip(rows, Predictor(german / "latest" / "model")([row["raw"] for row in rows]), strict=True):
        assert told[row["id"]] == pytest.approx(list(said.probabilities.values()), abs=2e-6)
    coverage = read_json(_made(german, "tokenizer") / "coverage.json")["corpora"]["reviews"]
    assert coverage["emoji_texts"] > 15


def test_what_is_asked_in_english_is_not_asked(german: Path) -> None:
    kept = read_json(_made(german, "evaluate") / "retention.json")
    assert list(kept["scores"]["base_to_tuned"]["masked"]) == ["articles"]
    assert not kept["scores"]["base_to_tuned"]["pairs"]
    assert "shuffled_bigram" in kept["probes"]
    emoji = read_json(_made(german, "evaluate") / "emoji.json")
    assert {told["asked"] for told in emoji["polarity"].values()} == {0}
    assert emoji["counterfactuals"]["reviews"]["delete"]["n"] > 0
    assert read_json(_made(german, "evaluate") / "behaviour.json") == {"shares": {}}
    page, summary = ((german / "latest" / name).read_text(encoding="utf-8") for name in ("report.html", "summary.txt"))
    said = (
        "Left out, for the language: the minimal pairs of pairs, which are in en (the base reads de); what an emoji "
        "means by itself and how the model behaves, which are asked in English; negation among the kinds of texts of "
        "reviews, which is found by English words."
    )
    assert said in page
    assert said in " ".join(summary.split())
    assert "Minimal pairs" not in page
    assert "Polarity of emoji" not in page
    assert "Spearman" not in page
    assert "General text, before and after" in page
    assert "eneral English" not in page
    assert "negation" not in read_json(german / "latest" / "report.json")["errors"]["reviews"]["slices"]


def test_the_models_card_says_the_language_and_it_predicts(german: Path) -> None:
    model = german / "latest" / "model"
    card = (model / "README.md").read_text(encoding="utf-8")
    assert "language: de\n" in card
    assert "- Reviews in de only." in card
    assert "## General text it kept" in card
    (told,) = Predictor(model)("sehr schlecht 😡")
    assert told.label in {"negative", "neutral", "positive"}


@pytest.mark.parametrize(
    ("language", "asked", "said"),
    [
        ("multilingual", ["pairs"], ""),
        ("ru", ["pairs"], ""),
        ("en", [], "the base reads en, and of other languages are reviews (ru), posts (ru), articles (ru), pairs (ru)"),
        (None, ["pairs"], "nobody says which languages the base reads, and not English are reviews (ru), posts (ru)"),
    ],
)
def test_cards_are_held_against_what_the_base_reads(
    language: str | None, asked: list[str], said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    at = {name: tmp_path / name for name in ("prepare", "source")}
    for folder in at.values():
        folder.mkdir()
    _write(tmp_path / "cards", RUSSIAN, "ru")
    write_toy_model(tmp_path / "base", kind="multilingual")
    cards = tuple(str(tmp_path / "cards" / name) for name in ("reviews", "posts", "articles", "pairs"))
    prepare.prepare(prepare.Settings(corpora=cards), out=at["prepare"])
    own = source.Settings(model=str(tmp_path / "base"), language=language)
    source.source(own, prepare=at["prepare"], out=at["source"])
    (line,) = [record.getMessage() for record in caplog.records if record.name == "stages.source"] or [""]
    assert said in line
    assert bool(said) == bool(line)
    spoken = sources.languages_told(at["source"])
    exam = general_run._exam(evaluate.Settings(), at["prepare"], at["source"] / "model", spoken)
    assert list(exam.pairs) == asked


def test_letters_of_a_script_are_nothing_strange_in_its_own_language(tmp_path: Path) -> None:
    _write(tmp_path / "cards", RUSSIAN, "ru")
    cards = [str(tmp_path / "cards" / name) for name in ("reviews", "posts")]
    prepare.prepare(prepare.Settings(corpora=cards), out=tmp_path / "ru")
    assert "unknown" not in read_json(tmp_path / "ru" / "audit.json")
    for card in cards:
        path = Path(card) / "README.md"
        path.write_text(path.read_text(encoding="utf-8").replace("language: ru", "language: en"), encoding="utf-8")
    prepare.prepare(prepare.Settings(corpora=cards), out=tmp_path / "en")
    strange = read_json(tmp_path / "en" / "audit.json")["unknown"]
    assert strange["posts"]["letters of other scripts"] == 60


def test_slang_is_refused_of_reviews_that_are_not_english(tmp_path: Path) -> None:
    _write(tmp_path / "cards", RUSSIAN, "ru")
    own = finetune.Settings(augmentation={"noise_share": 0.3}, frontier={"budget": None})
    corpora = prepare.Settings(corpora=(str(tmp_path / "cards" / "reviews"),))
    settings = {"finetune": own, "prepare": corpora, "source": source.Settings()}
    with pytest.raises(InputError, match=r"noise_kinds: slang is English and reviews is not; leave slang out"):
        finetune.check(settings)
    without = own.augmentation.model_copy(update={"noise_kinds": ("typos", "dropped")})
    finetune.check(settings | {"finetune": own.model_copy(update={"augmentation": without})})


def test_another_architecture_is_refused_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "albert"}', encoding="utf-8")
    store = tmp_path / "store"
    assert cli.main(build(), ["run", "--set", f"source.model={tmp_path}", "--store", str(store)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"recipe starter: source.model: {tmp_path}: its model_type is 'albert'; all its layers are")
    assert not list(store.glob("*/*/manifest.json"))
