"""Models between two: the backbone's weights blended from base to tuned, and how each blend does on dev text.

Wortsman et al. 2022, "Robust fine-tuning of zero-shot models" (WiSE-FT), section 3: on the straight line between the
weights of a model before and after tuning lie models that keep most of the one and win most of the other. They blend
zero-shot and tuned head as well; a BERT before tuning has no head to blend with, so here the tuned one is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from transformers import BertForSequenceClassification, BertTokenizerFast

from pipeline.learning import freezing
from pipeline.measuring import scoring
from pipeline.measuring.frontier.score import recalled
from pipeline.measuring.masks import FixedMasks, choose_fixed_masks
from pipeline.measuring.statistics.comparison import Measured, masked_kept
from pipeline.models.batches import Ids
from pipeline.models.masked_lm import MaskedLM

GROUPS = ("embeddings", "lower", "upper", "pooler")
"""Parts of a backbone that get a share each; the lower half of the layers is the smaller one if they are odd."""
TUNED = "tuned"
VARIANTS = {f"upper layers {share}": {"upper": share} for share in (0.5, 0.75, 0.9)}
"""Blends off the straight line: the share of the tuned weights in each group named, 1 in the others.

Tuning does most of its damage in the upper half, and half of what it did there is worth nearly all of it on reviews
(docs/log.md). The pooler is the head's: masked language modelling does not read it.
"""
MLM_PROBABILITY = 0.15
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Blend:
    """A model between base and tuned, by the share of the tuned weights in each of ``GROUPS``."""

    name: str
    alphas: Mapping[str, float]


@dataclass(frozen=True)
class Ends:
    """The two backbones to go between: weights by name, on the CPU."""

    base: Mapping[str, Tensor]
    tuned: Mapping[str, Tensor]
    layers: int

    @cached_property
    def moved(self) -> set[str]:
        """The groups in which they differ at all: the others are the same in every blend."""
        differ = (name for name, weight in self.base.items() if not torch.equal(weight, self.tuned[name]))
        return {group_of(name, self.layers) for name in differ}


@dataclass(frozen=True)
class Questions:
    """What every blend is asked: the classes of dev texts, and hidden pieces of general text."""

    texts: Sequence[Ids]
    labels: Sequence[int]
    corpora: Sequence[str]
    """Of the texts."""
    masks: FixedMasks
    base_vocabulary_size: int
    tokens_per_batch: int | None = None


def line(points: int) -> list[Blend]:
    """``points`` (2 or more) evenly from base to tuned, both included."""
    shares = [place / (points - 1) for place in range(points)]
    names = ["base", *(f"{share:.3g}" for share in shares[1:-1]), TUNED]
    return [Blend(name, dict.fromkeys(GROUPS, share)) for name, share in zip(names, shares, strict=True)]


def variants() -> list[Blend]:
    """The blends off the line."""
    return [Blend(name, dict.fromkeys(GROUPS, 1.0) | differs) for name, differs in VARIANTS.items()]


def group_of(name: str, layer_count: int) -> str:
    """The group of a backbone's weight, such as ``encoder.layer.3.output.dense.bias``."""
    if name.startswith(("embeddings.", "pooler.")):
        return name.partition(".")[0]
    return "lower" if int(name.split(".")[2]) < layer_count // 2 else "upper"


def ends(base: MaskedLM, tuned: BertForSequenceClassification) -> Ends:
    """Copies of both models' backbones as they are now."""
    before, after = (
        {name: weight.detach().clone().cpu() for name, weight in model.bert.named_parameters()}
        for model in (base, tuned)
    )
    return Ends(before, after, freezing.layer_count(tuned))


def weights_at(between: Ends, alphas: Mapping[str, float]) -> dict[str, Tensor]:
    """The backbone ``(1 - alpha) * base + alpha * tuned``, each group with its own alpha; 0 and 1 to the bit."""
    return {
        name: _mix(weight, between.tuned[name], alphas[group_of(name, between.layers)])
        for name, weight in between.base.items()
    }


def _mix(base: Tensor, tuned: Tensor, alpha: float) -> Tensor:
    if alpha in (0, 1):
        return tuned if alpha else base
    return torch.lerp(base, tuned, alpha)


@torch.no_grad()
def put(model: BertForSequenceClassification, weights: Mapping[str, Tensor]) -> None:
    """Write the weights into the model's backbone, frozen ones too."""
    for name, weight in model.bert.named_parameters():
        weight.copy_(weights[name])


class Panel:
    """Blends of base and tuned, each asked only once somebody wants to know, and equal ones once.

    The classes come through the tuned head. Hidden pieces are guessed through the MLM head of ``adapted`` (which loses
    its own encoder to that), by the base alone through its own. Base and tuned stay as they are.
    """

    def __init__(
        self, base: MaskedLM, tuned: BertForSequenceClassification, adapted: MaskedLM, asked: Questions
    ) -> None:
        self.asked, self.between, self.model = asked, ends(base, tuned), twin(tuned)
        self.guesser = under_head(self.model, adapted)
        self.of_base = self._guesses(base)
        self.known: dict[tuple[Any, ...], Any] = {}

    @property
    def base_nats(self) -> list[float]:
        """Of the base under its own head [documents]: sums of nats over hidden pieces."""
        return [row["nats"] for row in self.of_base]

    @property
    def masked(self) -> list[int]:
        """How many pieces of each document are hidden [documents]."""
        return [row["masked"] for row in self.of_base]

    def nats(self, blend: Blend) -> list[float]:
        """Of a blend [documents]."""
        return self._answer(
            blend, lambda: [row["nats"] for row in self._guesses(self.guesser)], "nats", blind_to=("pooler",)
        )

    def recalled(self, blend: Blend) -> Measured:
        """A blend's macro-recall."""
        return recalled(self.asked.labels, self.asked.corpora, self.classes(blend))

    def kept(self, blend: Blend) -> Measured:
        """The share of the base's general English that a blend keeps."""
        return masked_kept(self.base_nats, self.nats(blend), self.masked)

    def classes(self, blend: Blend) -> NDArray[np.int64]:
        """Ids of the classes that a blend gives the texts [texts]."""
        asked = self.asked

        def ask() -> NDArray[np.int64]:
            found = scoring.class_probabilities(self.model, asked.texts, tokens_per_batch=asked.tokens_per_batch)
            return found.argmax(axis=1)

        return self._answer(blend, ask, "classes")

    def become(self, model: BertForSequenceClassification, blend: Blend) -> None:
        """Write a blend into the backbone of ``model``, such as the tuned one."""
        put(model, weights_at(self.between, blend.alphas))

    def _guesses(self, masked_lm: MaskedLM) -> list[dict[str, Any]]:
        size, budget = self.asked.base_vocabulary_size, self.asked.tokens_per_batch
        return scoring.masked_nats(masked_lm, self.asked.masks, base_vocabulary_size=size, tokens_per_batch=budget)

    def _answer(self, blend: Blend, ask: Callable[[], Answer], kind: str, blind_to: Sequence[str] = ()) -> Answer:
        """What ``ask()`` says while the model is the blend; ``blind_to`` are groups that do not matter to it."""
        telling = self.between.moved - set(blind_to)
        place = (kind, *(blend.alphas[group] for group in GROUPS if group in telling))
        if place not in self.known:
            self.become(self.model, blend)
            self.known[place] = ask()
        answer: Answer = self.known[place]
        return answer


def twin(model: BertForSequenceClassification) -> BertForSequenceClassification:
    """A copy with the same weights and nothing else that training left: frozen layers, other dropout, autocast."""
    copy = type(model)(model.config)
    copy.load_state_dict(model.state_dict())
    return scoring.ready(copy)


def under_head(model: BertForSequenceClassification, adapted: MaskedLM) -> MaskedLM:
    """``adapted`` around the classifier's encoder, shared and not copied: what moves the one moves the other.

    The figures are those of ``loading.with_mlm_head``, which would make a new model for every blend.
    """
    adapted.bert = model.bert
    adapted.cls.predictions.decoder.weight = model.bert.embeddings.word_embeddings.weight
    return adapted


def general_masks(
    tokenizer: BertTokenizerFast, first_row: int, documents: Sequence[tuple[str, str]], windows: int, max_length: int
) -> FixedMasks:
    """At most ``windows`` fixed masked windows, as many of each document, in the pieces of the base's tokenizer.

    Args:
        tokenizer: the base's, or grown by tokens from id ``first_row`` on.
        documents: (id, text), at least one and no more than ``windows``.
    """
    return choose_fixed_masks(
        without_rows(tokenizer, first_row),
        documents,
        mlm_probability=MLM_PROBABILITY,
        max_length=max_length,
        windows_per_document=max(1, windows // len(documents)),
        seed=0,
    )


def without_rows(tokenizer: BertTokenizerFast, first_row: int) -> BertTokenizerFast:
    """The tokenizer as it was before tokens from id ``first_row`` on were added."""
    described = json.loads(tokenizer.backend_tokenizer.to_str())
    described["added_tokens"] = [token for token in described["added_tokens"] if token["id"] < first_row]
    return BertTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(described)))
