"""Blends of two toy models: by value, bit-equal at the ends, and asked as ``with_mlm_head`` would be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from pipeline.learning import freezing, frontier
from pipeline.measuring import scoring
from pipeline.measuring.masks import choose_fixed_masks, general_masks
from pipeline.models import loading, vocabulary
from pipeline.models.reader import Reader
from tests import toys

DOCUMENTS = [(f"general:{place}", text) for place, text in enumerate(toys.SENTENCES)]


@pytest.fixture
def pair(toy_model: Path) -> tuple[Any, Any]:
    """A base, and a classifier whose every weight differs from it."""
    torch.manual_seed(0)
    base, tuned = loading.load_masked_lm(toy_model), loading.load_classifier(toy_model)
    with torch.no_grad():
        for weight in [*base.parameters(), *tuned.parameters()]:
            weight.add_(torch.randn_like(weight), alpha=0.2)
    return base, tuned


def backbone(model: Any) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.bert.named_parameters()}


def bits(weights: dict[str, torch.Tensor]) -> dict[str, bytes]:
    return {name: weight.numpy().tobytes() for name, weight in weights.items()}


def asked(toy_model: Path, **changes: Any) -> frontier.Questions:
    tokenizer = loading.load_tokenizer(toy_model)
    masks = general_masks(tokenizer, len(tokenizer), DOCUMENTS, 8, 32)
    labels = [place % 3 for place in range(len(toys.SENTENCES))]
    found = {
        "labels": labels,
        "corpora": ["toy"] * len(labels),
        "masks": masks,
        "base_vocabulary_size": len(tokenizer),
        "tokens_per_batch": 64,
    }
    return frontier.Questions(Reader(tokenizer, "none", 32).ids(toys.SENTENCES), **found | changes)


def test_blends_go_from_base_to_tuned_then_by_group() -> None:
    found = {blend.name: blend.alphas for blend in [*frontier.line_of(9), *frontier.variants()]}
    assert [alphas["upper"] for alphas in list(found.values())[:9]] == [
        0,
        0.125,
        0.25,
        0.375,
        0.5,
        0.625,
        0.75,
        0.875,
        1,
    ]
    assert list(found)[:2] == ["base", "0.125"]
    assert list(found)[8] == "tuned"
    assert found["upper layers 0.5"] == {"embeddings": 1.0, "lower": 1.0, "upper": 0.5, "pooler": 1.0}
    assert len(found) == 9 + len(frontier.VARIANTS), "a name twice"
    assert [blend.name for blend in frontier.line_of(2)][:2] == ["base", "tuned"]


@pytest.mark.parametrize(
    ("name", "count", "group"),
    [
        ("embeddings.LayerNorm.weight", 4, "embeddings"),
        ("pooler.dense.bias", 4, "pooler"),
        ("encoder.layer.1.output.dense.weight", 4, "lower"),
        ("encoder.layer.2.output.dense.weight", 4, "upper"),
        ("encoder.layer.10.output.dense.weight", 12, "upper"),
        ("encoder.layer.1.output.dense.weight", 3, "upper"),
    ],
)
def test_groups(name: str, count: int, group: str) -> None:
    assert frontier.group_of(name, count) == group


def test_the_middle_by_value(pair: tuple[Any, Any]) -> None:
    base, tuned = pair
    with torch.no_grad():
        base.bert.pooler.dense.bias.fill_(1.0)
        tuned.bert.pooler.dense.bias.fill_(3.0)
        base.bert.encoder.layer[0].output.dense.bias.fill_(-2.0)
        tuned.bert.encoder.layer[0].output.dense.bias.fill_(2.0)
    between = frontier.ends(base, tuned)
    half = frontier.weights_at(between, dict.fromkeys(frontier.GROUPS, 0.5))
    assert half["pooler.dense.bias"].tolist() == [2.0] * 32
    assert half["encoder.layer.0.output.dense.bias"].tolist() == [0.0] * 32
    quarter = frontier.weights_at(between, {"embeddings": 1, "lower": 0.25, "upper": 1, "pooler": 0})
    assert quarter["encoder.layer.0.output.dense.bias"].tolist() == [-1.0] * 32
    assert quarter["pooler.dense.bias"].tolist() == [1.0] * 32
    for name in ("embeddings.word_embeddings.weight", "encoder.layer.1.output.dense.weight"):
        assert torch.equal(quarter[name], between.tuned[name])


def test_the_ends_are_bit_equal_frozen_weights_and_signed_zeros_too(pair: tuple[Any, Any]) -> None:
    base, tuned = pair
    with torch.no_grad():
        base.bert.pooler.dense.bias.fill_(-0.0)
    before, after, head = backbone(base), backbone(tuned), tuned.classifier.weight.detach().clone()
    between = frontier.ends(base, tuned)
    freezing.freeze(tuned, 1)
    for alpha, expected in ((0.5, None), (0.0, before), (1.0, after)):
        frontier.put(tuned, frontier.weights_at(between, dict.fromkeys(frontier.GROUPS, alpha)))
        if expected is not None:
            assert bits(backbone(tuned)) == bits(expected)
    assert torch.equal(tuned.classifier.weight, head)


def test_equal_blends_are_asked_once_and_groups_that_do_not_tell_are_passed_over(
    toy_model: Path, pair: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    base, tuned = pair
    with torch.no_grad():
        for one, other in zip(base.bert.embeddings.parameters(), tuned.bert.embeddings.parameters(), strict=True):
            other.copy_(one)
    panel = frontier.Panel(base, tuned, loading.load_masked_lm(toy_model), asked(toy_model))
    assert panel.between.moved == {"lower", "upper", "pooler"}
    stops = [
        frontier.Blend("a", {"embeddings": 0, "lower": 1, "upper": 1, "pooler": 1}),
        frontier.Blend("b", {"embeddings": 1, "lower": 1, "upper": 1, "pooler": 1}),
        frontier.Blend("c", {"embeddings": 1, "lower": 0, "upper": 1, "pooler": 1}),
        frontier.Blend("d", {"embeddings": 1, "lower": 0, "upper": 1, "pooler": 0}),
    ]
    moves: list[str] = []
    become = frontier.Panel.become
    monkeypatch.setattr(
        frontier.Panel, "become", lambda own, model, blend: moves.append(blend.name) or become(own, model, blend)
    )
    answers = [panel.classes(stop) for stop in stops]
    assert moves == ["a", "c", "d"]
    assert answers[0] is answers[1]
    moves.clear()
    nats = [panel.nats(stop) for stop in stops]
    assert moves == ["a", "c"]
    assert nats[0] == nats[1] != nats[2] == nats[3]


def test_a_panel_answers_what_each_model_alone_would(toy_model: Path, pair: tuple[Any, Any]) -> None:
    """At both ends, and in the middle, against a model built for the purpose; both models stay as they are."""
    base, tuned = pair
    adapted = loading.load_masked_lm(toy_model)
    before, after = backbone(base), backbone(tuned)
    questions = asked(toy_model)
    stops = frontier.line_of(3)
    panel = frontier.Panel(base, tuned, loading.load_masked_lm(toy_model), questions)
    found = [(panel.classes(stop), panel.nats(stop)) for stop in stops]
    assert (bits(backbone(base)), bits(backbone(tuned))) == (bits(before), bits(after))
    size = questions.base_vocabulary_size
    for place, weights in ((0, before), (2, after), (1, {name: (before[name] + after[name]) / 2 for name in before})):
        frontier.put(tuned, weights)
        chances = scoring.class_probabilities(tuned, questions.texts, tokens_per_batch=64)
        alone = loading.with_mlm_head(tuned, adapted)
        rows = scoring.masked_nats(alone, questions.masks, base_vocabulary_size=size, tokens_per_batch=64)
        np.testing.assert_array_equal(found[place][0], chances.argmax(axis=1))
        np.testing.assert_allclose(found[place][1], [row["nats"] for row in rows], rtol=1e-5)
    own = scoring.masked_nats(base, questions.masks, base_vocabulary_size=size, tokens_per_batch=64)
    assert panel.base_nats == [row["nats"] for row in own]
    assert panel.masked == [row["masked"] for row in own]


def test_the_base_keeps_all_of_itself_under_its_own_head(toy_model: Path) -> None:
    base, tuned = loading.load_masked_lm(toy_model), loading.load_classifier(toy_model)
    panel = frontier.Panel(base, tuned, loading.load_masked_lm(toy_model), asked(toy_model))
    # the same weights in other memory: products may round otherwise in the last bit
    assert panel.nats(frontier.line_of(2)[0]) == pytest.approx(panel.base_nats, rel=1e-6)


def test_a_twin_has_the_weights_and_nothing_else(pair: tuple[Any, Any]) -> None:
    _, tuned = pair
    freezing.freeze(tuned, 1)
    freezing.set_dropout(tuned, 0.7)
    tuned.forward = None  # what accelerate leaves there, an autocast
    copy = frontier.twin(tuned)
    assert bits(dict(copy.state_dict())) == bits(dict(tuned.state_dict()))
    assert all(weight.requires_grad for weight in copy.parameters())
    assert copy(input_ids=torch.tensor([[2, 20, 3]])).logits.shape == (1, 3)


def test_masks_are_those_of_the_bases_tokenizer(toy_model: Path) -> None:
    """A grown tokenizer reads the emoji; the base does not, and the question must be the base's."""
    base, grown = loading.load_tokenizer(toy_model), loading.load_tokenizer(toy_model)
    first_row = len(base)
    vocabulary.add_tokens(grown, vocabulary.compositional_tokens())
    documents = [*DOCUMENTS, ("emoji", "great😂 food and the cat sat on the mat ❤️")]
    found = general_masks(grown, first_row, documents, 9, 32)
    options = {"mlm_probability": 0.15, "max_length": 32, "windows_per_document": 1, "seed": 0}
    assert found == choose_fixed_masks(base, documents, **options)
    assert found != choose_fixed_masks(grown, documents, **options)


def test_masks_of_a_base_with_special_tokens_of_its_own_kind() -> None:
    """RoBERTa's are not BERT's, which its tokenizer must not be given at ids of emoji or beyond the matrix."""
    words = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "good", "food", "bad"]
    own = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, "<unk>"))
    own.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    named = {"cls": "<s>", "sep": "</s>", "mask": "<mask>", "pad": "<pad>", "unk": "<unk>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=own, **{f"{name}_token": one for name, one in named.items()})
    tokenizer.add_tokens(["😂"])
    found = general_masks(tokenizer, len(words), [("a", "good 😂 food")], 1, 8)
    assert found.mask_id == 4
    assert [window.input_ids for window in found.windows] == [(0, 5, 3, 6, 2)]
    assert set(found.windows[0].masked) <= {1, 3}  # no <unk>


def test_windows_are_spread_evenly_and_no_more_than_asked(toy_model: Path) -> None:
    tokenizer = loading.load_tokenizer(toy_model)
    long = [(name, " ".join(toys.SENTENCES)) for name, _ in DOCUMENTS[:3]]
    found = general_masks(tokenizer, len(tokenizer), long, 7, 16)
    assert [window.id for window in found.windows] == [name for name, _ in long for _ in range(2)]
