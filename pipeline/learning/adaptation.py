"""Domain-adaptive pretraining (DAPT): informal text with a share of general text replayed, tokens hidden and guessed.

Gururangan et al. 2020, "Don't Stop Pretraining", section 3; replay: Robins 1995.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import BertTokenizerFast

from pipeline.learning import emoji_prediction, ranks
from pipeline.learning.distillation import Lesson
from pipeline.measuring.statistics.sampling import fixed_places
from pipeline.models.batches import (
    Batch,
    BatchPlan,
    Laying,
    Lengths,
    Ragged,
    epoch_batches,
    length_buckets,
    pad,
)
from pipeline.models.encoder import Places
from pipeline.models.masked_lm import IGNORED, choose_masked, hide
from pipeline.models.reader import CHUNK, chunks


@dataclass(frozen=True)
class Windows:
    """Texts cut into pieces a model can read: ids with [CLS] and [SEP], and which word each token belongs to."""

    ids: Ragged = field(default_factory=Ragged.of)
    words: Ragged = field(default_factory=Ragged.of)
    taught: Ragged = field(default_factory=Ragged.of)
    """The ids that a teacher reads of each window; empty where there is none."""

    def __len__(self) -> int:
        return len(self.ids)

    def __add__(self, other: Windows) -> Windows:
        return Windows(self.ids + other.ids, self.words + other.words, self.taught + other.taught)

    def take(self, places: Iterable[int]) -> Windows:
        """Those at some places; not what a teacher reads of them."""
        places = list(places)
        return Windows(Ragged.of(self.ids[place] for place in places), Ragged.of(self.words[place] for place in places))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens in each window."""
        return self.ids.lengths


def cut(
    tokenizer: BertTokenizerFast, texts: Iterable[str], max_length: int, taught: Callable[[str], str] | None = None
) -> Windows:
    """Tokenise texts, each cut into consecutive windows of at most ``max_length`` tokens; empty ones are left out.

    Args:
        taught: what a teacher reads of a window's text; None: nobody teaches.
    """
    ids, words, told = Laying(), Laying(), Laying()
    for some in chunks(texts, CHUNK):
        encoded = tokenizer(
            some,
            truncation=True,
            max_length=max_length,
            return_overflowing_tokens=True,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
        origins = encoded["overflow_to_sample_mapping"]
        for window, encoding, origin in zip(encoded["input_ids"], encoded.encodings, origins, strict=True):
            if len(window) > 2:
                ids.add(window)
                words.add([-1 if word is None else word for word in encoding.word_ids])
                if taught is not None:
                    begin, end = encoding.offsets[1][0], encoding.offsets[-2][1]
                    said, read = some[origin][begin:end], taught(some[origin][begin:end])
                    told.add(window if read == said else _ids(tokenizer, read, max_length))
    return Windows(ids.done(), words.done(), told.done())


def evenly(parts: Sequence[Windows], count: int) -> Windows:
    """At most ``count`` windows, drawn once and for all: as many of each part as far as they go, in order."""
    known = [{"id": f"{part}:{place}", "part": part} for part, own in enumerate(parts) for place in range(len(own))]
    return sum(parts, Windows()).take(fixed_places(known, count, 0, by="part").tolist())


def _ids(tokenizer: BertTokenizerFast, text: str, max_length: int) -> list[int]:
    return tokenizer(text, truncation=True, max_length=max_length)["input_ids"]


@dataclass(frozen=True)
class Masking:
    """How tokens are hidden; every draw is a pure function of ``seed`` and the batch's place in the plan."""

    probability: float
    whole_words: bool
    mask_id: int
    pad_id: int
    special: frozenset[int]
    ordinary: Tensor
    """Ids that a token may be replaced by."""
    seed: int
    first_emoji: int = 0
    """Ids from here up are new emoji."""
    emoji_share: float = 0.0
    """Of the texts that have some: in these all are hidden."""

    @classmethod
    def of(cls, tokenizer: BertTokenizerFast, probability: float, whole_words: bool, seed: int) -> Masking:
        """The masking for a tokenizer: never a special token hidden, never one put in."""
        special = frozenset(tokenizer.all_special_ids)
        ordinary = torch.tensor([token for token in range(len(tokenizer)) if token not in special])
        return cls(probability, whole_words, tokenizer.mask_token_id, tokenizer.pad_token_id, special, ordinary, seed)

    def batch(self, windows: Windows, rows: Batch, place: int, whole: Sequence[int] = ()) -> dict[str, Any]:
        """The model's inputs for some windows: ids, mask and labels, each int64 [rows, longest], and labels' places.

        Args:
            whole: in which of the rows nothing is hidden.
        """
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + place) % 2**63)
        ids = pad([windows.ids[row] for row in rows], self.pad_id)
        maskable = ~torch.isin(ids, torch.tensor(sorted(self.special)))
        maskable[list(whole)] = False
        units = _first_positions(pad([windows.words[row] for row in rows], -1)) if self.whole_words else None
        chosen = choose_masked(maskable, self.probability, generator, units)
        told = self._told(ids, place)
        chosen |= told
        hidden = hide(ids, chosen, mask_id=self.mask_id, ordinary=self.ordinary, generator=generator)
        hidden[told] = self.mask_id
        labels = torch.where(chosen, ids, torch.full_like(ids, IGNORED))
        mask = (ids != self.pad_id).long()
        return {"input_ids": hidden, "attention_mask": mask, "labels": labels, "places": Places.where(chosen)}

    def _told(self, ids: Tensor, place: int) -> Tensor:
        """All emoji of some texts, bool as ``ids``; drawn apart, so that nothing else changes with them."""
        if not self.emoji_share:
            return torch.zeros_like(ids, dtype=torch.bool)
        drawn = np.random.default_rng([self.seed, place, 5]).random(len(ids)) < self.emoji_share
        return (ids >= self.first_emoji) & torch.from_numpy(drawn)[:, None]


def _first_positions(words: Tensor) -> Tensor:
    """For each position the first position of its word: what stands for the word when one draw is shared."""
    starts = torch.ones_like(words, dtype=torch.bool)
    starts[:, 1:] = (words[:, 1:] != words[:, :-1]) | (words[:, 1:] < 0)
    places = torch.arange(words.shape[1]).expand_as(words)
    return torch.where(starts, places, torch.zeros_like(places)).cummax(dim=1).values


def mixture(informal: Lengths, general: Lengths, replay_share: float, seed: int, epoch: int) -> NDArray[np.int64]:
    """One epoch's rows: all informal windows, and general ones until they hold ``replay_share`` of the tokens.

    Args:
        informal: lengths of the informal windows, rows 0 to n-1.
        general: lengths of the general windows, rows n and up. Drawn without replacement, anew for each epoch; where
            they do not go so far, they are all read, and the share is less.
    """
    everything = np.arange(len(informal) + len(general))
    if replay_share >= 1.0 or not len(informal):
        return everything[len(informal) :]
    wanted = int(np.sum(informal)) * replay_share / (1.0 - replay_share)
    order = np.random.default_rng([seed, epoch, 1]).permutation(len(general))
    taken = np.cumsum(np.asarray(general, dtype=np.int64)[order])
    replayed = len(informal) + order[: int(np.searchsorted(taken, wanted))]
    return np.concatenate([everything[: len(informal)], replayed])


@dataclass(frozen=True)
class Budget:
    """How much to train: passes over the informal text, and a ceiling in tokens; and how much at a time."""

    num_train_epochs: float
    max_tokens: int | None
    tokens_per_batch: int


def batches_within(informal: Windows, general: Windows, replay_share: float, budget: Budget, seed: int) -> Ragged:
    """All batches of a run, in order: epochs one after the other, cut where the budget ends."""
    return Ragged.of(_within(informal.lengths, general.lengths, replay_share, budget, seed), np.int64)


def _within(
    informal: NDArray[np.int64], general: NDArray[np.int64], replay_share: float, budget: Budget, seed: int
) -> Iterator[NDArray[np.int64]]:
    lengths = np.concatenate([informal, general])
    epoch, left, tokens = 0, budget.num_train_epochs, 0
    while left > 0:
        rows = mixture(informal, general, replay_share, seed, epoch)
        made = epoch_batches(lengths[rows], budget.tokens_per_batch, seed, epoch)
        for batch in made[: max(1, round(len(made) * min(1.0, left)))]:
            if budget.max_tokens is not None and tokens >= budget.max_tokens:
                return
            yield rows[batch]
            tokens += int(lengths[rows[batch]].sum())
        epoch, left = epoch + 1, left - 1


def plan(windows: Windows, batches: Sequence[Batch], masking: Masking, lesson: Lesson | None = None) -> BatchPlan:
    """The run as Trainer reads it; masks are drawn anew for every batch, and a teacher is asked about its texts."""

    telling = masking.emoji_share > 0

    def make(rows: Batch, place: int) -> dict[str, Any]:
        taught, whole = [], []
        if lesson is not None:
            taught = [windows.taught[row] for row in rows]
            whole = lesson.whole([windows.ids[row] for row in rows], taught, masking.seed, place)
        batch = masking.batch(windows, rows, place, whole)
        told = {"emoji": emoji_prediction.hidden(batch, masking.first_emoji)} if telling else {}
        if lesson is not None:
            batch |= lesson.batch(batch["places"], taught, whole, pooled=telling)
            batch["extra"] |= told
        elif telling:
            places, (cls, masked) = Places.joined(Places.first(len(rows), batch["labels"].device), batch["places"])
            batch |= {"places": places, "parts": (masked, cls), "extra": told}
        return batch

    return BatchPlan(batches, make)


def dev_losses(windows: Mapping[str, Windows], masking: Masking, tokens_per_batch: int) -> Any:
    """A function model -> {"<name>_dev_loss": nats per hidden token}, on masks that are fixed once and for all."""
    fixed = {
        name: [
            masking.batch(part, rows, place)
            for place, rows in enumerate(length_buckets(part.lengths, tokens_per_batch))
        ]
        for name, part in windows.items()
        if len(part)
    }

    @torch.inference_mode()
    def losses(model: nn.Module) -> dict[str, float]:
        return {f"{name}_dev_loss": _mean_loss(model, batches) for name, batches in fixed.items()}

    return losses


def _mean_loss(model: nn.Module, batches: Sequence[dict[str, Any]]) -> float:
    device = next(model.parameters()).device
    nats, count = 0.0, 0.0
    for batch in batches[ranks.rank() :: ranks.size()]:
        hidden = int((batch["labels"] != IGNORED).sum())
        nats += float(model(**{name: part.to(device) for name, part in batch.items()}).loss) * hidden
        count += hidden
    nats, count = ranks.total(torch.tensor([nats, count], dtype=torch.float64)).tolist()
    return nats / max(1.0, count)


def rows_never_seen(windows: Windows, batches: Sequence[Batch], first_row: int, rows: int) -> int:
    """How many of the token ids ``first_row`` .. ``rows``-1 no trained window holds."""
    seen = np.zeros(rows, np.bool_)
    for batch in batches:
        for row in batch:
            seen[windows.ids[row]] = True
    return int((~seen[first_row:]).sum())
