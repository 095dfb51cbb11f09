"""The exam: same questions for all models, answers remembered by weights, other numberings refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.common.errors import InputError
from pipeline.measuring.general import ask as general_ask
from pipeline.measuring.general.ask import Exam, ask_models, exam_of, store
from pipeline.measuring.masks import choose_fixed_masks
from pipeline.models import loading
from tests import toys

PAIRS = [
    {"id": str(place), "good": good, "bad": " ".join(reversed(good.split())), "phenomenon": "order"}
    for place, good in enumerate(toys.SENTENCES)
]


@pytest.fixture(scope="module")
def folders(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """base; adapted = base with three new rows, untrained; tuned = a classifier on the adapted encoder."""
    root = tmp_path_factory.mktemp("exam")
    model, tokenizer = loading.load_masked_lm(toy_model), loading.load_tokenizer(toy_model)
    tokenizer.add_tokens(["😂", "😡", "👍"])
    torch.manual_seed(0)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    loading.save(model, tokenizer, root / "adapted", emoji="all")
    loading.save(loading.load_classifier(root / "adapted"), tokenizer, root / "tuned", emoji="all")
    return {"base": toy_model, "adapted": root / "adapted", "tuned": root / "tuned"}


@pytest.fixture(scope="module")
def exam(toy_model: Path) -> Exam:
    tokenizer = loading.load_tokenizer(toy_model)
    documents = [(str(place), text) for place, text in enumerate(toys.SENTENCES)]
    masks = choose_fixed_masks(
        tokenizer, documents, mlm_probability=0.15, max_length=32, windows_per_document=2, seed=0
    )
    return Exam(tokenizer, masked={"wiki": masks}, shift={"posts": masks}, pairs={"pairs": PAIRS})


class Memory:
    """Remembers in a dict and counts what had to be worked out."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}
        self.asked: list[str] = []

    def __call__(self, questions: Sequence[tuple[Any, Callable[[], Any]]]) -> list[Any]:
        for key, compute in questions:
            if str(key) not in self.known:
                self.asked.append(key[1])
                self.known[str(key)] = compute()
        return [self.known[str(key)] for key, _ in questions]


def test_new_rows_alone_cost_nothing_and_tuning_nothing_either(exam: Exam, folders: dict[str, Path]) -> None:
    answers = ask_models(exam, folders, tokens_per_batch=512, remember=Memory())
    base, adapted, tuned = (answers[name]["masked"]["wiki"] for name in ("base", "adapted", "tuned"))
    assert [row["nats"] for row in adapted] == pytest.approx([row["nats"] for row in base], abs=2e-4)
    assert all(new["nats_full"] > old["nats_full"] for new, old in zip(adapted, base, strict=True))
    assert tuned == adapted
    for name in ("good", "bad"):
        scores = {model: [row[name] for row in answers[model]["pairs"]["pairs"]] for model in answers}
        assert scores["adapted"] == pytest.approx(scores["base"], abs=2e-4)
        assert scores["tuned"] == scores["adapted"]


def test_the_tuned_model_is_not_asked_about_shift(exam: Exam, folders: dict[str, Path]) -> None:
    answers = ask_models(exam, folders, tokens_per_batch=512, remember=Memory())
    assert {model: sorted(kinds) for model, kinds in answers.items()} == {
        "base": ["masked", "pairs", "shift"],
        "adapted": ["masked", "pairs", "shift"],
        "tuned": ["masked", "pairs"],
    }


def test_what_was_answered_is_not_asked_again(
    exam: Exam, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = Memory()
    first = ask_models(exam, folders, tokens_per_batch=512, remember=memory)
    assert sorted(memory.asked) == sorted(["masked", "shift", "pairs"] * 2 + ["masked", "pairs"])
    monkeypatch.setattr(loading, "load_masked_lm", lambda _: pytest.fail("no model needs to be loaded"))
    assert ask_models(exam, folders, tokens_per_batch=512, remember=memory) == first


def test_heads_on_one_encoder_share_its_states(
    exam: Exam, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an unadapted arm: the base is the adapted model, and its states are worked out once for both of its heads."""
    read = []
    states = general_ask.masked_states
    monkeypatch.setattr(general_ask, "masked_states", lambda *given, **how: read.append(0) or states(*given, **how))
    refitting = replace(exam, study=exam.masked["wiki"])
    found = ask_models(refitting, {**folders, "base": folders["adapted"]}, tokens_per_batch=512, remember=Memory())
    assert set(found) == {"base", "adapted", "tuned", "adapted_refitted", "tuned_refitted"}
    assert len(read) == 2  # two encoders, one text


def test_another_arm_asks_its_own_models_only(exam: Exam, folders: dict[str, Path], tmp_path: Path) -> None:
    memory = Memory()
    ask_models(exam, folders, tokens_per_batch=512, remember=memory)
    memory.asked.clear()
    classifier = loading.load_classifier(folders["adapted"])
    with torch.no_grad():
        classifier.bert.encoder.layer[1].output.dense.weight.add_(0.01)
    loading.save(classifier, loading.load_tokenizer(folders["adapted"]), tmp_path / "tuned", emoji="all")
    ask_models(exam, {**folders, "tuned": tmp_path / "tuned"}, tokens_per_batch=512, remember=memory)
    assert memory.asked == ["masked", "pairs"]


def test_another_numbering_is_refused(exam: Exam, folders: dict[str, Path], tmp_path: Path) -> None:
    other = toys.toy_tokenizer(vocabulary_size=150)
    model = loading.MaskedLM(toys.toy_config(len(other)))
    loading.save(model, other, tmp_path / "other", emoji="none")
    with pytest.raises(InputError, match="numbers tokens otherwise"):
        ask_models(exam, {**folders, "adapted": tmp_path / "other"}, tokens_per_batch=512, remember=Memory())


@pytest.fixture(scope="module")
def whole(toy_model: Path) -> Exam:
    """Set as the stage does it, with text to refit heads on."""
    texts = [(str(place), text) for place, text in enumerate(toys.SENTENCES)]
    return exam_of(
        loading.load_tokenizer(toy_model),
        general={"wiki": texts, "empty": []},
        shift={"posts": texts[:4]},
        pairs={"pairs": [*PAIRS, {**PAIRS[0], "id": "again"}]},
        training=[(f"train-{name}", text) for name, text in texts],
        refit_tokens=1000,
        seed=0,
        mlm_probability=0.15,
        max_length=32,
        windows_per_document=2,
    )


def test_good_sentences_are_a_slice_of_general_text(whole: Exam) -> None:
    assert list(whole.masked) == ["wiki", "pairs-sentences"]
    assert len({window.id for window in whole.masked["pairs-sentences"].windows}) == len(toys.SENTENCES)  # once each
    assert [window.input_ids for window in whole.masked["pairs-sentences"].windows] == [
        window.input_ids for window in whole.masked["wiki"].windows
    ]
    assert list(whole.shift) == ["posts"]


def test_refitted_models_answer_general_text_alone_and_once(
    whole: Exam, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = Memory()
    answers = ask_models(whole, folders, tokens_per_batch=512, remember=memory)
    for name in ("adapted_refitted", "tuned_refitted"):
        assert {kind: list(found) for kind, found in answers[name].items()} == {"masked": ["wiki", "pairs-sentences"]}
    assert answers["tuned_refitted"] == answers["adapted_refitted"]  # the tuned encoder is the adapted one
    store(whole, answers, tmp_path)
    assert {path.name for path in tmp_path.glob("*_refitted.jsonl")} == {
        "adapted_refitted.jsonl",
        "tuned_refitted.jsonl",
    }
    monkeypatch.setattr(loading, "load_masked_lm", lambda _: pytest.fail("no model needs to be loaded"))
    assert ask_models(whole, folders, tokens_per_batch=512, remember=memory) == answers
