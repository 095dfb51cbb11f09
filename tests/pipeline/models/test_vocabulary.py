"""Emoji as tokens: nothing unknown, nothing else changed, sensible first rows, and every loading route agrees."""

from __future__ import annotations

from pathlib import Path

import emoji
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoTokenizer,
    BertForMaskedLM,
    BertTokenizer,
    BertTokenizerFast,
    PreTrainedTokenizerFast,
    pipeline,
)

from pipeline.models import loading, vocabulary
from pipeline.text import emoji as emojis
from tests.toys import KINDS, SENTENCES, toy_tokenizer


@pytest.fixture(scope="module")
def grown(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, int]:
    """Folder of the toy, folder of the toy with emoji, first new row."""
    folder = tmp_path_factory.mktemp("grown")
    torch.manual_seed(0)
    model, tokenizer = loading.load_masked_lm(toy_model), loading.load_tokenizer(toy_model)
    with torch.no_grad():
        model.cls.predictions.bias.copy_(torch.linspace(-1, 1, len(tokenizer)))
    first = len(tokenizer)
    tokens = vocabulary.add_tokens(tokenizer, vocabulary.compositional_tokens())
    vocabulary.grow(model, tokenizer, first)
    rows = {first + place: token for place, token in enumerate(tokens)}
    vocabulary.name_rows(model, tokenizer, rows, emojis.name_words, noise=0.1, seed=0)
    loading.save(model, tokenizer, folder, emoji="all")
    return toy_model, folder, first


def golden() -> list[str]:
    """500 texts: emoji alone, glued to words, in rows; selectors, joiners, skin tones, flags, keycaps; and none."""
    every = list(emoji.EMOJI_DATA)
    glued = [f"great{one}the food{one}{one}" for one in every[::14]][:374]
    return [
        *glued,
        *every[7::60][:60],
        *SENTENCES * 7,
        "👍🏽👍🏽 i❤️it",
        "i❤it",
        "👨‍👩‍👧 🇺🇸 #️⃣ 1️⃣",
        "✨amazing✨",
        "Ⓜ️ ™ ©",
        "",
        " ",
        "x" * 300,
        "a\u200db",
        "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    ]


def test_no_emoji_is_unknown_and_none_swallows_a_word(grown: tuple[Path, Path, int]) -> None:
    tokenizer = loading.load_tokenizer(grown[1])
    encoded = tokenizer([f"good{one}food" for one in emoji.EMOJI_DATA], add_special_tokens=False)["input_ids"]
    assert len(encoded) > 5000
    assert not [one for one, ids in zip(emoji.EMOJI_DATA, encoded, strict=True) if tokenizer.unk_token_id in ids]
    plain = loading.load_tokenizer(grown[0])
    assert plain.tokenize("great😂") == ["[UNK]"]  # what it is all about
    assert tokenizer.tokenize("great😂")[-1] == "😂"


def test_one_token_for_what_looks_like_one(grown: tuple[Path, Path, int]) -> None:
    tokenizer = loading.load_tokenizer(grown[1])
    assert tokenizer.tokenize("👍🏽") == ["👍", "🏽"]
    assert len(tokenizer.tokenize("👨‍👩‍👧")) == 3
    assert len(tokenizer.tokenize("🇺🇸")) == 2
    assert len(tokenizer.tokenize("1️⃣")) == 1
    assert tokenizer("❤️")["input_ids"] == tokenizer("❤")["input_ids"]


def test_text_without_emoji_is_read_as_before(grown: tuple[Path, Path, int]) -> None:
    before, after = (loading.load_tokenizer(folder) for folder in grown[:2])
    texts = [*SENTENCES, "naïve café — “quotes” … #1 *star*", "1 2 3 # *", "a\u200db"]
    assert before(texts)["input_ids"] == after(texts)["input_ids"]


def test_every_loading_route_reads_the_golden_texts_alike(grown: tuple[Path, Path, int]) -> None:
    texts = golden()
    assert len(texts) == 500
    routes = [AutoTokenizer, BertTokenizer, BertTokenizerFast]
    read = [route.from_pretrained(grown[1])(texts)["input_ids"] for route in routes]
    assert read[0] == read[1] == read[2] == loading.load_tokenizer(grown[1])(texts)["input_ids"]


def test_a_plain_pipeline_sees_emoji(grown: tuple[Path, Path, int], tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, tokenizer = loading.load_classifier(grown[1]), loading.load_tokenizer(grown[1])
    loading.save(model, tokenizer, tmp_path, emoji="all")
    plain = pipeline("text-classification", model=str(tmp_path), truncation=True)
    scores = [plain(text, top_k=None) for text in ("great", "great😂", "great😡", "word " * 2000)]
    assert {row["label"] for row in scores[0]} == {"negative", "neutral", "positive"}
    assert scores[0] != scores[1] != scores[2]


def test_old_rows_stay_and_new_ones_differ_at_the_typical_norm(grown: tuple[Path, Path, int]) -> None:
    before, after = (BertForMaskedLM.from_pretrained(folder) for folder in grown[:2])
    first = grown[2]
    rows = after.get_input_embeddings().weight
    assert torch.equal(rows[:first], before.get_input_embeddings().weight)
    typical = rows[:first].norm(dim=1).median()
    torch.testing.assert_close(rows[first:].norm(dim=1), typical.expand(len(rows) - first), rtol=1e-4, atol=0)
    alike = torch.nn.functional.cosine_similarity(rows[first:-1], rows[first + 1 :])
    assert alike.max() < 0.9999
    assert torch.allclose(after.cls.predictions.bias[first:], torch.linspace(-1, 1, first).quantile(0.05))
    assert after.cls.predictions.decoder.weight.data_ptr() == rows.data_ptr()


def test_a_row_starts_at_the_mean_of_its_names_pieces(toy_model: Path) -> None:
    model, tokenizer = loading.load_masked_lm(toy_model), loading.load_tokenizer(toy_model)
    first = len(tokenizer)
    tokenizer.add_tokens(["🐈"])
    vocabulary.grow(model, tokenizer, first)
    vocabulary.name_rows(model, tokenizer, {first: "🐈"}, lambda _: "the cat", noise=0.0, seed=0)
    rows = model.get_input_embeddings().weight.detach()
    mean = rows[tokenizer("the cat", add_special_tokens=False)["input_ids"]].mean(dim=0)
    assert float(torch.nn.functional.cosine_similarity(rows[first], mean, dim=0)) == pytest.approx(1.0, abs=1e-5)


def test_growing_twice_adds_nothing(grown: tuple[Path, Path, int]) -> None:
    tokenizer = loading.load_tokenizer(grown[1])
    assert vocabulary.add_tokens(tokenizer, vocabulary.compositional_tokens()) == []


def test_every_new_token_has_a_name() -> None:
    assert all(emojis.name_words(token).strip() for token in vocabulary.compositional_tokens())
    assert len(vocabulary.compositional_tokens()) > 1400


GOLDEN = {
    "I ❤️ it": "I ❤ it",
    "I❤it": "I ❤ it",
    "good❤️food": "good ❤ food",
    "👍🏽👍🏽👎🏿": "👍 🏽 👍 🏽 👎 🏿",
    "👩🏽‍💻": "👩 🏽 💻",
    "👨‍👩‍👧‍👦 👨‍❤️‍👨": "👨 👩 👧 👦 👨 ❤ 👨",
    "🏳️‍🌈 ❤️‍🔥": "🏳 🌈 ❤ 🔥",
    "🇩🇪🇺🇸": "🇩 🇪 🇺 🇸",
    "🏴󠁧󠁢󠁥󠁮󠁧󠁿": "🏴",
    "1️⃣#️⃣*️⃣": "1⃣ #⃣ *⃣",
    "1⃣ 2 #": "1⃣ 2 #",
    "Ⓜ️ ℹ️ ‼️ 〰️ ㊗️ ™️": "Ⓜ ℹ ‼ 〰 ㊗ ™",
    "good ❤\ufe0e ☺\ufe0e✌\ufe0eok": "good ❤ ☺ ✌ ok",
    "☕great☕": "☕ great ☕",
    "♥️the♥": "♥ the ♥",
    "a\u200db": "ab",
}
"""Texts, and what is read of them: words with their pieces joined, emoji as tokens."""
IN_OTHER_LANGUAGES = {
    "Straße😍schön❤️": "Straße 😍 schön ❤",
    "чай😍ёлка🤮": "чай 😍 ёлка 🤮",
    "好吃😍很差👎🏽": "好 吃 😍 很 差 👎 🏽",
    "élégante🙂ça": "élégante 🙂 ça",
}


def read(tokenizer: BertTokenizer, text: str) -> str:
    return " ".join(tokenizer.tokenize(text)).replace(" ##", "")


@pytest.mark.parametrize("kind", KINDS)
def test_emoji_are_read_alike_by_tokenizers_of_every_kind(kind: str, tmp_path: Path) -> None:
    """Also by those that keep accents, and with them the selector; and where a vocabulary holds some signs itself."""
    base = toy_tokenizer(500, kind, more=["a cup of ☕ and a ♥"])
    held = {name: base.get_vocab()[name] for name in "☕♥"}
    assert not {"##☕", "##♥"} & base.get_vocab().keys()
    assert read(base, "great☕") == "[UNK]"
    first = len(base)
    tokenizer = vocabulary.without_invisible(base)
    new = vocabulary.add_tokens(tokenizer, vocabulary.compositional_tokens())
    assert len(tokenizer) == first + len(new)
    assert {name: tokenizer.get_vocab()[name] for name in "☕♥"} == held
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    asked = GOLDEN | (IN_OTHER_LANGUAGES if kind == "multilingual" else {})
    folded = base.backend_tokenizer.normalizer.normalize_str
    expected = {text: " ".join(folded(said).split()) for text, said in asked.items()}
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    for each in (tokenizer, loaded):
        assert {text: read(each, text) for text in asked} == expected
    plain = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))  # as an exported model does
    assert [plain.encode(text).ids for text in asked] == [loaded(text)["input_ids"] for text in asked]
    every = {one: read(loaded, f"good{one}food") for one in emoji.EMOJI_DATA}
    assert not [one for one, said in every.items() if not said.startswith("good ") or "[UNK]" in said]


def test_emoji_are_tokens_where_pieces_are_of_bytes(tmp_path: Path) -> None:
    names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    base = Tokenizer(models.BPE())
    base.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=[*names.values()], initial_alphabet=alphabet, show_progress=False
    )
    base.train_from_iterator(SENTENCES, trainer)
    base.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=base, **{f"{name}_token": token for name, token in names.items()}
    )
    plain = tokenizer.tokenize("a good 2 schön")
    tokenizer = vocabulary.without_invisible(tokenizer)
    vocabulary.add_tokens(tokenizer, vocabulary.compositional_tokens())
    assert tokenizer.tokenize("a good 2 schön") == plain
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    ours = set(vocabulary.compositional_tokens())
    for text, said in GOLDEN.items():
        pieces = loaded.tokenize(text)
        assert [piece for piece in pieces if piece in ours] == [one for one in said.split() if one in ours]
        assert "".join(pieces).replace("Ġ", "") == said.replace(" ", "")


SIGNS_BESIDE_LETTERS = {
    "ℹ": ["ℹ"],
    "nice™": ["▁nice", "™"],
    "MomⓂMom": ["▁Mom", "Ⓜ", "▁Mom"],
    "is‼!!": ["▁is", "‼", "▁", "!", "!"],
    "㊗祝": ["㊗", "▁祝"],
    "nice👍🏽": ["▁nice", "👍", "🏽"],
    "1️⃣ℹ️": ["1⃣", "ℹ"],
}


def test_signs_that_a_normaliser_makes_letters_of_take_no_letters(tmp_path: Path) -> None:
    """XLM-R's and CamemBERT's kind: pieces of a Unigram model, NFKC before, which writes ℹ as i and ™ as TM."""
    names = {"pad": "<pad>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"}
    words = ("▁Mom", "▁this", "▁is", "▁nice", "▁TM", "▁祝", "▁", *"abcdefghijklmnopqrstuvwxyzTMI!?祝")
    pieces = [(name, 0.0) for name in names.values()] + [(word, -float(len(words) - len(word))) for word in words]
    base = Tokenizer(models.Unigram(pieces, unk_id=1))
    base.normalizer, base.pre_tokenizer = normalizers.NFKC(), pre_tokenizers.Metaspace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=base, **{f"{name}_token": token for name, token in names.items()}
    )
    texts = ["Mom this is nice!!", "is this nice!? I is TM", "祝 Mom"]
    before = [tokenizer.tokenize(text) for text in texts]
    assert before[0] == ["▁Mom", "▁this", "▁is", "▁nice", "!", "!"]
    first, tokenizer = len(tokenizer), vocabulary.without_invisible(tokenizer)
    new = vocabulary.add_tokens(tokenizer, vocabulary.compositional_tokens())
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    for each in (tokenizer, loaded):
        assert [each.tokenize(text) for text in texts] == before
        assert {text: each.tokenize(text) for text in SIGNS_BESIDE_LETTERS} == SIGNS_BESIDE_LETTERS
        read = each([f"Mom{token}!!" for token in new], add_special_tokens=False)["input_ids"]
        assert [[row for row in ids if row >= first] for ids in read] == [[first + at] for at in range(len(new))]


def test_rows_that_started_new_are_those_beyond_the_bases(tmp_path: Path) -> None:
    tokenizer = toy_tokenizer(500, more=["a cup of ☕ and a ♥"])
    first = len(tokenizer)
    new = vocabulary.add_tokens(tokenizer, vocabulary.compositional_tokens())
    tokenizer.save_pretrained(tmp_path)
    assert loading.emoji_rows(tmp_path) == list(range(first, first + len(new)))


@pytest.mark.parametrize(("text", "lost"), [("хлеб☂и", 1.0), ("☂", 0.0), ("ж☂", 0.0)])
def test_words_of_any_script_can_be_lost(text: str, lost: float) -> None:
    assert vocabulary.measure(toy_tokenizer(), [text], [True])["words_lost_rate"] == lost
