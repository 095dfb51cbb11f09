"""Polarity in a model, against worked-out numbers and a naive full softmax."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from pipeline.measuring.emoji import ask as emoji_ask
from pipeline.models import loading, vocabulary

EMOJI = ["😂", "😡", "👍"]
ITSELF = {one: one for one in [*EMOJI, "🎉"]}
BUDGET = {"tokens_per_batch": 256}


@pytest.fixture(scope="module")
def grown(toy_model: Path):  # type: ignore[no-untyped-def]
    tokenizer = loading.load_tokenizer(toy_model)
    vocabulary.add_tokens(tokenizer, EMOJI)
    return tokenizer


class Counting(nn.Module):
    """Odds of a class are 3 to 1 for each of its token in the text."""

    def __init__(self, negative: int, positive: int) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))
        self.tokens = {0: negative, 2: positive}

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        logits = torch.zeros(len(input_ids), 3)
        for label, token in self.tokens.items():
            logits[:, label] = ((input_ids == token) * attention_mask).sum(1) * torch.log(torch.tensor(3.0))
        return SimpleNamespace(logits=logits)


def test_a_classifier_that_counts_tokens_by_hand(grown) -> None:  # type: ignore[no-untyped-def]
    ids = {one: grown(one, add_special_tokens=False)["input_ids"][0] for one in EMOJI}
    model = Counting(negative=ids["😡"], positive=ids["👍"])
    found = emoji_ask.in_classifier(model, grown, ITSELF, **BUDGET)
    assert found == {"emoji": {"😂": 0.0, "😡": -0.4, "👍": 0.4}, "asked": 4, "unknown": 1}, "(3 - 1) / (1 + 1 + 3)"
    twice = emoji_ask.in_classifier(model, grown, {"👍👍": "👍 👍"}, **BUDGET)
    assert twice["emoji"] == {"👍👍": pytest.approx((9 - 1) / 11, abs=1e-4)}


def test_an_emoji_that_the_model_gets_in_words_has_the_polarity_of_the_words(grown) -> None:  # type: ignore[no-untyped-def]
    good = grown("good", add_special_tokens=False)["input_ids"]
    assert len(good) == 1
    found = emoji_ask.in_classifier(Counting(negative=0, positive=good[0]), grown, {"🎉": "good"}, **BUDGET)
    assert found == {"emoji": {"🎉": 0.4}, "asked": 1, "unknown": 0}


def test_no_emoji_known_or_asked_is_no_error(toy_model: Path) -> None:
    tokenizer = loading.load_tokenizer(toy_model)
    model = loading.load_masked_lm(toy_model)
    assert emoji_ask.in_masked_lm(model, tokenizer, ITSELF, **BUDGET)["unknown"] == 4
    assert emoji_ask.in_classifier(Counting(0, 0), tokenizer, {}, **BUDGET)["emoji"] == {}


def test_a_masked_lm_gives_what_a_softmax_over_the_base_vocabulary_gives(toy_model: Path, grown) -> None:  # type: ignore[no-untyped-def]
    base = len(loading.load_tokenizer(toy_model))
    model = emoji_ask.newborn(toy_model, grown, None)
    torch.manual_seed(0)
    with torch.no_grad():  # a fresh toy hardly looks at its context: make every weight tell
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.2)
    found = emoji_ask.in_masked_lm(model, grown, ITSELF, **BUDGET)
    known = grown.get_vocab()
    sides = [[known[word] for word in words if word in known] for words in (emoji_ask.PRAISE, emoji_ask.BLAME)]
    assert found["words"] == [len(side) for side in sides]
    assert min(found["words"]) > 0

    def lean(text: str) -> float:
        inputs = grown(text, return_tensors="pt")
        with torch.inference_mode():
            logits = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits[0]
        place = inputs["input_ids"][0].tolist().index(grown.mask_token_id)
        nats = logits[place, :base].log_softmax(-1)
        return float(nats[sides[0]].mean() - nats[sides[1]].mean())

    frames = [cloze.format("[MASK]") for cloze in emoji_ask.CLOZES]
    for one in EMOJI:
        expected = sum(lean(f"{frame} {one}") - lean(frame) for frame in frames) / len(frames)
        assert found["emoji"][one] == pytest.approx(expected, abs=2e-4)
        assert abs(expected) > 1e-3, "else nothing was tested"


def test_without_words_of_blame_nothing_has_a_polarity(
    monkeypatch: pytest.MonkeyPatch,
    toy_model: Path,
    grown,  # type: ignore[no-untyped-def]
) -> None:
    monkeypatch.setattr(emoji_ask, "BLAME", ("not-one-piece",))
    found = emoji_ask.in_masked_lm(emoji_ask.newborn(toy_model, grown, None), grown, ITSELF, **BUDGET)
    assert (found["emoji"], found["asked"], found["unknown"], found["words"][1]) == ({}, 4, 1, 0)


def test_newborn_rows_are_those_of_the_tokenizer_stage(toy_model: Path, grown) -> None:  # type: ignore[no-untyped-def]
    first = len(loading.load_tokenizer(toy_model))
    torch.manual_seed(4)
    expected = loading.load_masked_lm(toy_model)
    vocabulary.grow(expected, grown, first)
    names = {"😂": "good", "😡": "bad", "👍": "great"}
    vocabulary.name_rows(expected, grown, {first + n: one for n, one in enumerate(EMOJI)}, names.get, noise=0.1, seed=4)  # type: ignore[arg-type]
    found = emoji_ask.newborn(toy_model, grown, names.__getitem__, noise=0.1, seed=4)
    for name, weight in expected.state_dict().items():
        assert torch.equal(found.state_dict()[name], weight), name


def test_the_librarys_rows_are_nearly_alike_and_the_old_ones_stay(toy_model: Path, grown) -> None:  # type: ignore[no-untyped-def]
    first = len(loading.load_tokenizer(toy_model))
    old = loading.load_masked_lm(toy_model).get_input_embeddings().weight
    before = torch.random.get_rng_state()
    rows = emoji_ask.newborn(toy_model, grown, None).get_input_embeddings().weight
    assert torch.equal(rows[:first], old)
    assert torch.allclose(rows[first:], old.mean(0), atol=1e-3)
    assert torch.equal(torch.random.get_rng_state(), before), "nobody else's random numbers change"
    assert torch.equal(rows, emoji_ask.newborn(toy_model, grown, None).get_input_embeddings().weight)
