"""The frontier of one tuning: blends of base and tuned weights, how each does on dev text, the choice among them.

Wortsman et al. 2022, "Robust fine-tuning of zero-shot models" (WiSE-FT), section 3: on the straight line between the
weights of a model before and after tuning lie models that keep most of the one and win most of the other. They blend
zero-shot and tuned head as well; a BERT before tuning has no head to blend with, so here the tuned one is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import BertForSequenceClassification

from pipeline.common.files import read_json
from pipeline.corpora.stored_rows import Rows
from pipeline.learning import freezing
from pipeline.learning.options import FrontierOptions
from pipeline.measuring import scoring
from pipeline.measuring.frontier import score
from pipeline.measuring.frontier.results import Answers, Frontier
from pipeline.measuring.masks import FixedMasks, general_masks
from pipeline.measuring.statistics.comparison import Measured, masked_kept
from pipeline.measuring.statistics.sampling import fixed_sample
from pipeline.models import loading
from pipeline.models.batches import Ids
from pipeline.models.masked_lm import MaskedLM
from pipeline.models.reader import Reader

GROUPS = ("embeddings", "lower", "upper", "pooler")
"""Parts of a backbone that get a share each; the lower half of the layers is the smaller one if they are odd."""
TUNED = "tuned"
VARIANTS = {f"upper layers {share}": {"upper": share} for share in (0.5, 0.75, 0.9)}
"""Blends off the straight line: the share of the tuned weights in each group named, 1 in the others.

Tuning does most of its damage in the upper half, and half of what it did there is worth nearly all of it on reviews
(docs/log.md). The pooler is the head's: masked language modelling does not read it.
"""
DEV_TEXTS = 600
"""Reviews that each point is scored on, as many of each corpus, evenly from the classes: a dozen models read them."""
STRIDES = 4
"""From base to tuned, at least; of a line of 17 every fourth model is asked."""
Answer = TypeVar("Answer")


class Reference(NamedTuple):
    """What a tuned model is held against: base with its emoji rows (its artifact), adapted model, general dev text."""

    tokenizer: Path
    adapted: Path
    general: Rows


def frontier_of(asked: FrontierOptions, model: Any, reader: Reader, dev: Rows, reference: Reference) -> Frontier:
    """Score models between base and ``model`` on dev; make ``model`` the chosen one; return what frontier.json says."""
    if not asked.points or not reference.general:
        reason = "no general dev text" if asked.points else "finetune.frontier.points is 0"
        return score.left_out(reason, tuned=TUNED)
    panel = _panel(asked, model, reader, dev, reference)
    blends = panel.to_ask(asked.points, asked.budget)
    points = [
        score.Point(blend.name, blend.alphas, panel.recalled(blend), panel.kept(blend), panel.answers(blend))
        for blend in blends
    ]
    told = score.told(points, tuned=TUNED, budget=asked.budget)
    panel.become(model, next(blend for blend in blends if blend.name == told["chosen"]))
    return told


def take_best(asked: FrontierOptions, model: Any, reader: Reader, dev: Rows, reference: Reference) -> None:
    """Make ``model`` the one that ``frontier_of`` would choose, asking no more than that takes.

    A blend that scores less than one within the budget is not asked what it keeps.
    """
    assert asked.budget is not None
    panel = _panel(asked, model, reader, dev, reference)
    blends = panel.to_ask(asked.points, asked.budget)
    panel.become(model, blends[panel.best(blends, asked.budget)])


def places_asked(count: int, best: Callable[[Sequence[int]], int] | None) -> list[int]:
    """Of so many models on a line those to ask: five or a few more, both ends among them, as evenly as can be.

    With ``best``, which says the best of some, strides are halved beside it until its neighbours on the line are known:
    where the choice is made the line is fine, and coarse where it is there for the picture.
    """
    last, stride = count - 1, 1
    while 2 * stride * STRIDES <= last:
        stride *= 2
    places = {*range(0, last, stride), last}
    while best and stride > 1:
        stride //= 2
        near = best(sorted(places))
        places |= {near - stride, near + stride} & {*range(last)}
    return sorted(places)


def _panel(asked: FrontierOptions, model: Any, reader: Reader, dev: Rows, reference: Reference) -> Panel:
    """Whom to ask what blends of base and ``model`` are worth."""
    named = dict.fromkeys(row["corpus"] for row in dev)
    own = ([row for row in dev if row["corpus"] == corpus] for corpus in named)
    dev = [row for rows in own for row in fixed_sample(rows, DEV_TEXTS // len(named), 0, by="label")]
    first_row = read_json(reference.tokenizer / "coverage.json")["first_row"]
    documents = [(row["id"], row["text"]) for row in fixed_sample(reference.general, asked.windows, 0)]
    masks = general_masks(reader.tokenizer, first_row, documents, asked.windows, reader.max_length)
    labels, corpora = [row["label"] for row in dev], [row["corpus"] for row in dev]
    questions = Questions(reader.ids(row["text"] for row in dev), labels, corpora, masks, first_row)
    base, adapted = map(loading.load_masked_lm, (reference.tokenizer / "model", reference.adapted))
    return Panel(base, model, adapted, questions)


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


def line_of(points: int) -> list[Blend]:
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
        self.known: dict[tuple[Any, ...], Any] = {}
        of_base = self._guesses(base)
        self.base_nats = [row["nats"] for row in of_base]
        """Of the base under its own head [documents]: sums of nats over hidden pieces."""
        self.masked = [row["masked"] for row in of_base]
        """How many pieces of each document are hidden [documents]."""

    def to_ask(self, points: int, budget: float | None) -> list[Blend]:
        """The blends to ask: some of ``points`` on the line from base to tuned, and those off it."""
        line = line_of(points)

        def best(places: Sequence[int]) -> int:
            assert budget is not None
            return places[self.best([line[place] for place in places], budget)]

        return [line[place] for place in places_asked(points, None if budget is None else best)] + variants()

    def best(self, blends: Sequence[Blend], budget: float) -> int:
        """The place of the one that ``score.choose`` takes."""
        recalls = [self.recalled(blend).value for blend in blends]
        return score.choose(recalls, lambda place: score.surely_kept(self.kept(blends[place])), budget)

    def nats(self, blend: Blend) -> list[float]:
        """Of a blend [documents]."""
        return self._answer(
            blend, lambda: [row["nats"] for row in self._guesses(self.guesser)], "nats", blind_to=("pooler",)
        )

    def recalled(self, blend: Blend) -> Measured:
        """A blend's macro-recall."""
        return score.recalled(self.asked.labels, self.asked.corpora, self.classes(blend))

    def answers(self, blend: Blend) -> list[Answers]:
        """What that is of."""
        return score.answered(self.asked.labels, self.asked.corpora, self.classes(blend).tolist())

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
    return copy.eval()


def under_head(model: BertForSequenceClassification, adapted: MaskedLM) -> MaskedLM:
    """``adapted`` around the classifier's encoder, shared and not copied: what moves the one moves the other.

    The figures are those of ``loading.with_mlm_head``, which would make a new model for every blend.
    """
    adapted.bert = model.bert
    adapted.cls.predictions.decoder.weight = model.bert.embeddings.word_embeddings.weight
    return adapted
