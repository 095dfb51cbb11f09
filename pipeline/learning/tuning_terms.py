"""What a tuning learns from beside its labels: states held, text read beside the reviews, domains, contrast, mixout."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from torch import Tensor

from pipeline.corpora import prepared
from pipeline.corpora.stored_rows import StoredRows
from pipeline.learning import freezing, frozen_cache, general_text, loop, regularisers, tuning_steps
from pipeline.learning.contrastive import contrastive_term
from pipeline.learning.domain_adversary import Adversary, adversary_of
from pipeline.learning.general_text import Beside
from pipeline.learning.held_states import HeldStates, held_term
from pipeline.learning.options import Options
from pipeline.models import loading
from pipeline.models.batches import Feed, Ids, Ragged
from pipeline.models.reader import Reader

Hold = Callable[[Iterable[Ids], Sequence[Ids]], HeldStates]
"""What the model makes of texts before tuning; the second are those whose variance is the measure."""


@dataclass(frozen=True)
class Terms:
    """What is added to the class loss, and read for it; None: not asked for."""

    asked: Options
    held: HeldStates | None
    beside: Beside | None
    adversary: Adversary | None

    @classmethod
    def of(cls, asked: Options, model: Any, reader: Reader, epochs: Sequence[Ragged], prepare: Path, seed: int,
           fold: int, cache: Path) -> Terms:  # fmt: skip
        """Those that settings ask for, of a model that has not been tuned yet. With all layers frozen none is held."""
        hold: Hold = partial(_held, asked, model, cache)
        learns = freezing.frozen_depth(asked.freezing.layers, freezing.layer_count(model)) < freezing.layer_count(model)
        target = StoredRows.joined(prepared.corpus_rows(prepare, corpus, "train", fold) for corpus in asked.target)
        return cls(
            asked,
            hold(chain(*dict.fromkeys(epochs)), epochs[0]) if asked.distillation.states and learns else None,
            general_text.beside_of(asked.replay, prepare, reader, seed, hold, target) if learns else None,
            adversary_of(asked, model, target, reader, seed),
        )

    @property
    def fed(self) -> Sequence[Ids]:
        """Texts that are fed as reviews are."""
        return self.adversary.texts if self.adversary is not None else ()

    @property
    def read(self) -> Sequence[Ids]:
        """Texts whose ids are read all the way from the embeddings."""
        return self.beside.ids if self.beside is not None else ()

    def batch(self, place: int, steps: int, feed: Feed, table: Tensor | None) -> dict[str, Any]:
        """What a batch is joined by, by its place among all; ``table``: where each id's embedding is, if moved."""
        found = self.beside.batch(place, table) if self.beside is not None else {}
        return found | (self.adversary.batch(place, steps, feed) if self.adversary is not None else {})

    def objective(self, model: Any, start: Path) -> loop.Objective:
        """The class loss, and these by their weights; ``start`` has the head of masked language modelling."""
        asked = self.asked
        terms: list[tuple[float, loop.Term]] = []
        if self.held is not None:
            terms.append((asked.distillation.states, held_term))
        if asked.contrast.weight:
            terms.append((asked.contrast.weight, contrastive_term(asked.contrast.temperature)))
        if self.adversary is not None:
            terms.append((1.0, self.adversary.term(model)))
        objective = loop.summed(tuning_steps.weighted_loss(asked.regularisation.label_smoothing), terms)
        if self.beside is not None:
            objective = self.beside.objective(objective, loading.load_masked_lm(start))
        share = asked.regularisation.mixout
        return regularisers.mixout(objective, model, share) if share else objective

    def figures(self) -> dict[str, float]:
        """For the history."""
        return self.adversary.classifier.figures() if self.adversary is not None else {}

    def told(self, model: Any) -> dict[str, Any]:
        """For the summary, at the end; what was attached to the model is taken out of it."""
        return {"domain_adversary": self.adversary.told(model)} if self.adversary is not None else {}


def _held(asked: Options, model: Any, cache: Path, texts: Iterable[Ids], sample: Sequence[Ids]) -> HeldStates:
    halved, layers = asked.frozen_cache.model_copy(update={"dtype": "float16"}), freezing.layer_count(model)
    bf16 = loop.use_bf16(asked.compute.precision)
    states = frozen_cache.states_of(model, texts, halved, layers=layers, every_token=True, bf16=bf16, folder=cache)
    return HeldStates.of(states, sample)
