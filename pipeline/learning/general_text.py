"""Text without labels beside the reviews: what the model knew of it is held, or gone on learning.

Li & Hoiem 2016, "Learning without Forgetting", section 3, with states for outputs; Karouzos et al. 2021, "UDALM:
Unsupervised Domain Adaptation through Language Modeling", section 3: the class loss and that of masked language
modelling in one update. The masked language model's head stays as adaptation left it, which is how general English kept
is measured, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pipeline.common.errors import InputError
from pipeline.corpora import prepared
from pipeline.learning.adaptation import Masking, Windows, cut
from pipeline.learning.held_states import HeldStates, held_term
from pipeline.learning.loop import Objective, Term, summed
from pipeline.learning.options import Replay
from pipeline.learning.shards import share
from pipeline.models.batches import Ragged, padded
from pipeline.models.encoder import Places
from pipeline.models.masked_lm import IGNORED, MaskedLM
from pipeline.models.reader import Reader

MLM_PROBABILITY = 0.15


def windows_of(prepare: Path, reader: Reader, role: str, count: int, setting: str) -> Windows:
    """``count`` windows of a role's training texts, drawn from all alike, the same for every seed.

    Raises:
        InputError: there is no such text; ``setting`` asks for it.
    """
    found = _drawn(prepared.rows(prepare, role=role, split="train"), reader, count)
    if not len(found):
        raise InputError(
            f"finetune.{setting}: it reads {role} text and there is none; add a corpus with role {role} under "
            "prepare.corpora, or set it to 0"
        )
    return found


def _drawn(rows: Iterable[Mapping[str, Any]], reader: Reader, count: int) -> Windows:
    found = cut(reader.tokenizer, (reader.text(row["text"]) for row in rows), reader.max_length)
    return found.take(np.sort(np.random.default_rng(0).permutation(len(found))[:count]).tolist())


def masking_of(reader: Reader, windows: Windows, seed: int) -> Masking:
    """How their tokens are hidden; another token put in is one of theirs: a tuning may hold no other embedding."""
    masking = Masking.of(reader.tokenizer, MLM_PROBABILITY, False, seed)
    theirs = torch.from_numpy(np.unique(windows.ids.numbers).astype(np.int64))
    return replace(masking, ordinary=theirs[torch.isin(theirs, masking.ordinary)])


def in_turn(place: int, size: int, count: int, seed: int, tag: int) -> list[int]:
    """Which of ``count`` texts join a batch, at most ``size``, by its place: all in turn, each time shuffled."""
    turns = [divmod(place * size + more, count) for more in range(min(size, count))]
    orders = {turn: np.random.default_rng([seed, turn, tag]).permutation(count) for turn, _ in turns}
    return [int(orders[turn][at]) for turn, at in turns]


@dataclass(frozen=True)
class Beside:
    """Windows that each batch of a tuning is joined by."""

    windows: Windows
    masking: Masking
    asked: Replay
    held: HeldStates | None
    """What the model made of them before, if it is to keep that."""

    @property
    def ids(self) -> Ragged:
        """All that the model may read of them."""
        return self.windows.ids + Ragged.of([[self.masking.mask_id]])

    def batch(self, place: int, table: Tensor | None) -> dict[str, Any]:
        """What ``objective`` asks of an update: a pure function of its place in the plan.

        Args:
            table: where the model has the embedding of each id, if not at its place.
        """
        seed = self.masking.seed
        rows = in_turn(place, self.asked.windows_per_batch, len(self.windows), seed, 4)
        batch: dict[str, Any] = {}
        if self.held is not None:
            ids = [self.windows.ids[row] for row in rows]
            batch["states"] = padded(ids, self.masking.pad_id, table) | self.held.batch(ids, seed, place)
        if self.asked.mlm:
            masked = self.masking.batch(self.windows, rows, place)
            hidden, labels = masked.pop("places"), masked.pop("labels")
            masked["places"], masked["parts"] = Places.joined(Places.first(len(rows), labels.device), hidden)
            masked["input_ids"] = masked["input_ids"] if table is None else table[masked["input_ids"]]
            batch["mlm"] = masked | {"extra": {"answers": labels[labels != IGNORED]}}
        return batch

    def objective(self, own: Objective, guesser: MaskedLM) -> Objective:
        """An objective, and these terms by their weights; ``guesser`` lends its head, which does not learn."""
        head = guesser.cls.eval().requires_grad_(False).to("cuda" if torch.cuda.is_available() else "cpu")
        terms: dict[str, tuple[float, Term]] = {}
        if self.held is not None:
            terms["states"] = (self.asked.states, held_term)
        if self.asked.mlm:
            terms["mlm"] = (self.asked.mlm, lambda outputs, batch: mlm_loss(head, outputs.last_states, batch))

        def objective(model: Any, batch: dict[str, Any]) -> Tensor:
            found = (weight * summed(term)(model, batch["extra"][name]) for name, (weight, term) in terms.items())
            return sum(found, own(model, batch))

        return objective


def beside_of(
    asked: Replay,
    prepare: Path,
    reader: Reader,
    seed: int,
    hold: Callable[[Ragged, Ragged], HeldStates],
    target: Iterable[Mapping[str, Any]] = (),
) -> Beside | None:
    """What is read beside the reviews, if anything is.

    Args:
        hold: tells what the model makes of texts before tuning.
        target: rows of the target's training texts, where it is them.
    """
    if not asked.states and not asked.mlm:
        return None
    if asked.text == "target":
        windows = _drawn(target, reader, asked.windows)
        if not len(windows):
            raise InputError("finetune.replay: finetune.target has no training texts; set its weights to 0")
    else:
        windows = windows_of(prepare, reader, asked.text, asked.windows, "replay")
    held = hold(windows.ids, windows.ids) if asked.states else None
    return Beside(windows, masking_of(reader, windows, seed), asked, held)


def mlm_loss(head: Callable[[Tensor], Tensor], states: Tensor, batch: Mapping[str, Any]) -> Tensor:
    """Nats per hidden token of a batch, by what a head makes of the last states there; 0 without any."""
    answers = batch["extra"]["answers"]
    if not len(answers):
        return states.sum() * 0.0
    return cross_entropy(head(states).float(), answers) * share(batch, "answers")
