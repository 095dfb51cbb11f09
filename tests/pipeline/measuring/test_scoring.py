"""Forward passes that score, against naive one-at-a-time versions and known answers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.measuring.masks import FixedMasks, choose_fixed_masks
from pipeline.measuring.scoring import class_probabilities, masked_nats, pseudo_log_likelihoods
from pipeline.models import loading
from pipeline.models.reader import Reader
from tests import toys

DOCUMENTS = [(f"general:{place}", text) for place, text in enumerate(toys.SENTENCES)]
MASKING = {"mlm_probability": 0.15, "max_length": 32, "windows_per_document": 4, "seed": 0}


@pytest.fixture(scope="module")
def tokenizer(toy_model: Path):  # type: ignore[no-untyped-def]
    return loading.load_tokenizer(toy_model)


@pytest.fixture
def model(toy_model: Path):  # type: ignore[no-untyped-def]
    found = loading.load_masked_lm(toy_model)
    torch.manual_seed(0)
    with torch.no_grad():  # a fresh toy hardly looks at its context: make every weight tell
        for weight in found.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.2)
    return found


@pytest.fixture(scope="module")
def masks(tokenizer) -> FixedMasks:  # type: ignore[no-untyped-def]
    return choose_fixed_masks(tokenizer, DOCUMENTS, **MASKING)


def test_masks_are_identical_on_two_calls(tokenizer, masks: FixedMasks) -> None:  # type: ignore[no-untyped-def]
    again = choose_fixed_masks(tokenizer, DOCUMENTS, **MASKING)
    assert again == masks
    assert again.digest == masks.digest
    assert choose_fixed_masks(tokenizer, DOCUMENTS, **MASKING | {"seed": 1}).digest != masks.digest


def test_masks_of_a_document_do_not_depend_on_the_others(tokenizer, masks: FixedMasks) -> None:  # type: ignore[no-untyped-def]
    alone = choose_fixed_masks(tokenizer, DOCUMENTS[3:4], **MASKING)
    assert alone.windows == tuple(window for window in masks.windows if window.id == "general:3")


def test_masks_hide_the_share_asked_for_and_never_special_tokens(tokenizer) -> None:  # type: ignore[no-untyped-def]
    text = "the cat sat on the mat. " * 40 + "☃☃☃ "
    found = choose_fixed_masks(tokenizer, [("a", text), ("☃ only", "☃")], **MASKING | {"windows_per_document": 50})
    assert {window.id for window in found.windows} == {"a"}, "[UNK] alone cannot be asked about"
    for window in found.windows:
        assert window.input_ids[0] == tokenizer.cls_token_id
        assert window.input_ids[-1] == tokenizer.sep_token_id
        assert len(window.input_ids) <= 32
        hidden = [window.input_ids[place] for place in window.masked]
        assert not set(hidden) & set(tokenizer.all_special_ids)
    whole = [window for window in found.windows if len(window.input_ids) == 32]
    assert {len(window.masked) for window in whole} == {round(0.15 * 30)}


def test_windows_cut_a_document_without_loss(tokenizer) -> None:  # type: ignore[no-untyped-def]
    text = " ".join(toys.SENTENCES)
    found = choose_fixed_masks(tokenizer, [("a", text)], **MASKING | {"windows_per_document": 100})
    pieces = [piece for window in found.windows for piece in window.input_ids[1:-1]]
    assert pieces == tokenizer(text, add_special_tokens=False)["input_ids"]
    shorter = choose_fixed_masks(tokenizer, [("a", text)], **MASKING | {"windows_per_document": 2})
    assert len(shorter.windows) == 2


def test_bytes_are_those_of_the_masked_text(tokenizer) -> None:  # type: ignore[no-untyped-def]
    whole = MASKING | {"mlm_probability": 0.999}
    text = "good food and great service"
    (window,) = choose_fixed_masks(tokenizer, [("a", text)], **whole).windows
    assert window.bytes == len(text.replace(" ", "").encode())


def naive_nats(model, masks: FixedMasks, size: int) -> dict[str, float]:  # type: ignore[no-untyped-def]
    """One window at a time, all logits, log-softmax in float64."""
    found: dict[str, float] = {}
    for window in masks.windows:
        ids = torch.tensor([window.input_ids])
        for place in window.masked:
            ids[0, place] = masks.mask_id
        with torch.no_grad():
            scores = model(ids).logits[0, :, :size].double().log_softmax(dim=-1)
        for place in window.masked:
            found[window.id] = found.get(window.id, 0.0) - float(scores[place, window.input_ids[place]])
    return found


@pytest.mark.parametrize("tokens_per_batch", [64, 4096])
def test_masked_nats_equal_the_naive_way(model, masks: FixedMasks, tokens_per_batch: int) -> None:  # type: ignore[no-untyped-def]
    size = model.config.vocab_size
    rows = masked_nats(model, masks, base_vocabulary_size=size, tokens_per_batch=tokens_per_batch)
    expected = naive_nats(model, masks, size)
    assert [row["id"] for row in rows] == [name for name, _ in DOCUMENTS]
    assert [row["nats"] for row in rows] == pytest.approx([expected[row["id"]] for row in rows], abs=1e-4)
    assert all(row["nats"] == row["nats_full"] for row in rows)
    assert sum(row["masked"] for row in rows) == sum(len(window.masked) for window in masks.windows)


def test_a_model_that_knows_nothing_costs_log_of_the_vocabulary(model, masks: FixedMasks) -> None:  # type: ignore[no-untyped-def]
    with torch.no_grad():
        model.cls.predictions.bias.zero_()
        model.get_input_embeddings().weight.zero_()
    for row in masked_nats(model, masks, base_vocabulary_size=100, tokens_per_batch=4096):
        assert row["nats_full"] == pytest.approx(row["masked"] * math.log(model.config.vocab_size), rel=1e-5)


def test_fifty_new_rows_are_no_forgetting(model, masks: FixedMasks) -> None:  # type: ignore[no-untyped-def]
    size = model.config.vocab_size
    before = masked_nats(model, masks, base_vocabulary_size=size, tokens_per_batch=4096)
    torch.manual_seed(0)
    model.resize_token_embeddings(size + 50, mean_resizing=False)
    after = masked_nats(model, masks, base_vocabulary_size=size, tokens_per_batch=4096)
    for old, new in zip(before, after, strict=True):
        assert new["nats"] == pytest.approx(old["nats"], abs=1e-4)
        assert new["correct"] == old["correct"]
        assert new["nats_full"] > old["nats_full"] + 0.01 * old["masked"]


def test_correct_counts_favourites(model, masks: FixedMasks) -> None:  # type: ignore[no-untyped-def]
    favourite = masks.windows[0].input_ids[masks.windows[0].masked[0]]
    with torch.no_grad():
        model.cls.predictions.bias[favourite] = 1e4
    rows = masked_nats(model, masks, base_vocabulary_size=model.config.vocab_size, tokens_per_batch=4096)
    expected = [
        sum(w.input_ids[p] == favourite for w in masks.windows if w.id == row["id"] for p in w.masked) for row in rows
    ]
    assert [row["correct"] for row in rows] == expected
    assert sum(expected) >= 1


SENTENCES = ["the rain fell over the old town.", "battery lasts", "unbreakable glaciers, terribly delivered!", "a", ""]


def naive_likelihood(model, tokenizer, sentence: str, size: int) -> float:  # type: ignore[no-untyped-def]
    """Kauf & Ivanova's rule word for word: hide the piece and what follows it in its word, one piece at a time."""
    encoded = tokenizer(sentence, return_tensors="pt")
    words, total = encoded.word_ids(0), 0.0
    for place, word in enumerate(words):
        if word is None:
            continue
        ids = encoded["input_ids"].clone()
        for later in range(place, len(words)):
            if words[later] == word:
                ids[0, later] = tokenizer.mask_token_id
        with torch.no_grad():
            logits = model(ids).logits[0, place, :size].double()
        total += float(logits.log_softmax(dim=-1)[encoded["input_ids"][0, place]])
    return total


@pytest.mark.parametrize("tokens_per_batch", [16, 4096])
def test_pseudo_log_likelihoods_equal_the_naive_way(model, tokenizer, tokens_per_batch: int) -> None:  # type: ignore[no-untyped-def]
    size = model.config.vocab_size
    found = pseudo_log_likelihoods(model, tokenizer, SENTENCES, vocabulary_size=size, tokens_per_batch=tokens_per_batch)
    expected = [naive_likelihood(model, tokenizer, sentence, size) for sentence in SENTENCES]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert found[-1] == 0.0


def test_words_of_several_pieces_are_there_and_the_rule_matters(model, tokenizer) -> None:  # type: ignore[no-untyped-def]
    ids = tokenizer(SENTENCES[2])["input_ids"]
    words = tokenizer(SENTENCES[2]).word_ids()
    assert len(words) - 2 > len(set(words) - {None}), "the toy must cut words into pieces"
    plain = 0.0
    for place in range(1, len(ids) - 1):
        hidden = torch.tensor([ids])
        hidden[0, place] = tokenizer.mask_token_id
        with torch.no_grad():
            plain += float(model(hidden).logits[0, place].double().log_softmax(dim=-1)[ids[place]])
    ours = pseudo_log_likelihoods(
        model, tokenizer, SENTENCES[2:3], vocabulary_size=model.config.vocab_size, tokens_per_batch=4096
    )
    assert abs(ours[0] - plain) > 1e-3


def test_class_probabilities_do_not_depend_on_the_batch(toy_model: Path, tokenizer) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    model = loading.load_classifier(toy_model)
    texts = [*toys.SENTENCES, "ok", "ok", "word " * 200]
    one, many = (
        class_probabilities(model, Reader(tokenizer, "none", 64).ids(texts), tokens_per_batch=budget)
        for budget in (1, 4096)
    )
    np.testing.assert_allclose(one, many, atol=1e-6)
    np.testing.assert_allclose(many.sum(axis=1), 1.0)
    with torch.no_grad():
        inputs = tokenizer(texts[2], return_tensors="pt")
        expected = model(**inputs).logits.double().softmax(dim=-1)[0].numpy()
    np.testing.assert_allclose(many[2], expected, atol=1e-6)
    np.testing.assert_array_equal(many[-3], many[-2])


def test_texts_of_the_same_pieces_are_computed_once(toy_model: Path, tokenizer, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    model, seen = loading.load_classifier(toy_model), []
    forward = type(model).forward
    monkeypatch.setattr(
        type(model), "forward", lambda own, **given: seen.extend(given["input_ids"]) or forward(own, **given)
    )
    found = class_probabilities(model, Reader(tokenizer, "none", 64).ids(["The cat", "the  cat ", "a dog", "The cat"]))
    assert len(seen) == 2
    np.testing.assert_array_equal(found[[0, 0]], found[[1, 3]])
    assert abs(found[0] - found[2]).max() > 0


def test_what_a_model_has_said_is_not_asked_again(toy_model: Path, tokenizer, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    model, reader = loading.load_classifier(toy_model), Reader(tokenizer, "none", 64)
    said: dict[bytes, np.ndarray] = {}
    first = class_probabilities(model, reader.ids(["The cat", "a dog"]), known=said)
    monkeypatch.setattr(type(model), "forward", lambda *_, **__: pytest.fail("nothing new to read"))
    np.testing.assert_array_equal(class_probabilities(model, reader.ids(["a dog"]), known=said), first[1:])


def test_no_texts_no_probabilities(toy_model: Path) -> None:
    assert class_probabilities(loading.load_classifier(toy_model), [], tokens_per_batch=64).shape == (0, 3)


def test_dropout_is_off_whatever_mode_the_model_came_in(toy_model: Path, tokenizer) -> None:  # type: ignore[no-untyped-def]
    model = loading.load_classifier(toy_model).train()
    first, second = (
        class_probabilities(model, Reader(tokenizer, "none", 64).ids(toys.SENTENCES), tokens_per_batch=512)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_half_precision_is_refused(model, masks: FixedMasks) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="float32"):
        masked_nats(model.to(torch.bfloat16), masks, base_vocabulary_size=100, tokens_per_batch=512)
