"""Is it forgotten, or only said in other words? An MLM head refitted on a frozen encoder tells the two apart.

Tuning moves the encoder away under a head that stays behind. What a head refitted on a little general text wins back
was never lost; what it does not win back is what the encoder no longer tells, or not to a head that has read so little:
interface drift is at least what is found here.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import cross_entropy
from transformers import BertTokenizerFast

from pipeline.measuring.masks import FixedMasks, Window, choose_fixed_masks
from pipeline.measuring.scoring import masked_states, ready
from pipeline.models.masked_lm import MaskedLM

VERSION = 4
"""Raise it when the same model and text give another head."""
PASSES = 4
"""A text is read at most so often, each time with other pieces hidden."""
HELD_OUT = 5
"""Every fifth document chooses the best head."""
STEPS, PREDICTIONS_PER_STEP, LATEST = 128, 256, 0.1
"""Weights are averaged over the steps, the latest with this share: so few predictions a step are as good as many
(Polyak & Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging")."""
LEARNING_RATES = (5e-4, 3e-3)
"""A head that has drifted a little wants the low one; the high one is tried of a head that gets better to the end,
as one that was mixed up."""
CHECK_STEPS, PATIENCE = 8, 2
"""Every so many steps the head is held against the held-out pieces; after so many checks without gain it stops."""
TOKENS_PER_BATCH = 1024
"""Of the frozen forward passes: fixed, because training carries rounding on."""

Loss = Callable[[Sequence[Tensor], Tensor], Any]
"""Of the head that some tensors make, at some hidden pieces."""


def study_text(
    tokenizer: BertTokenizerFast, documents: Sequence[tuple[str, str]], *, tokens: int, seed: int, **how: Any
) -> FixedMasks:
    """Hidden pieces of general training text, about ``tokens`` of it; short texts are read again with others hidden.

    Args:
        documents: (id, text), in the order they are to be used.
        how: ``mlm_probability``, ``max_length``, ``windows_per_document`` as ``choose_fixed_masks`` takes them.
    """
    windows: list[Window] = []
    for extra in range(1, PASSES + 1):
        left = tokens - sum(len(window.input_ids) for window in windows)
        if documents and left > 0:
            found = choose_fixed_masks(tokenizer, documents, seed=seed + extra, **how).windows
            ends = np.cumsum([len(window.input_ids) for window in found])
            windows += found[: int(np.searchsorted(ends, left)) + 1]
    return FixedMasks(tuple(windows), int(tokenizer.mask_token_id))


def refit_head(model: MaskedLM, text: FixedMasks, *, base_vocabulary_size: int, seed: int = 0) -> MaskedLM:
    """The model with its MLM head trained anew on frozen states of ``text``; the model given stays as it is.

    Head means transform, layer norm and output bias; the output rows are the embeddings, which belong to the encoder.
    Every fifth document is held out; the head is the one on the way that guesses those best, the given one among
    them, so that refitting hardly ever costs anything. The softmax runs over the base vocabulary, as it is measured.
    """
    refitted = copy.deepcopy(model)
    head = ready(refitted).cls.predictions
    windows = sorted(text.windows, key=lambda window: -len(window.input_ids))
    states = masked_states(refitted, FixedMasks(tuple(windows), text.mask_id), tokens_per_batch=TOKENS_PER_BATCH)
    targets = torch.tensor([window.input_ids[at] for window in windows for at in window.masked], device=states.device)
    chooses = set(list(dict.fromkeys(window.id for window in text.windows))[HELD_OUT - 1 :: HELD_OUT])
    held_out = torch.tensor([window.id in chooses for window in windows for _ in window.masked], device=states.device)
    refitted.requires_grad_(False)
    rows = refitted.get_input_embeddings().weight[:base_vocabulary_size]
    start = dict(head.transform.named_parameters()) | {"bias": head.bias[:base_vocabulary_size]}

    def loss(tensors: Sequence[Tensor], places: Tensor) -> Tensor:
        named = dict(zip(start, tensors, strict=True))
        bias, guess = named.pop("bias"), functional_call(head.transform, named, states[places])
        return cross_entropy(torch.addmm(bias, guess, rows.T), targets[places])

    train, dev = (kind.nonzero().flatten() for kind in (~held_out, held_out))
    best = _best(list(start.values()), loss, train, dev, seed)
    with torch.no_grad():
        for tensor, value in zip(start.values(), best, strict=True):
            tensor.copy_(value)
    return refitted.eval()


def _best(start: list[Tensor], loss: Loss, train: Tensor, dev: Tensor, seed: int) -> list[Tensor]:
    """The tensors on the way at which the loss on the held-out pieces was lowest, at any rate; the start counts too."""
    first = _value(loss, start, dev)
    best, lowest = start, first
    for rate in LEARNING_RATES if len(train) and len(dev) else ():
        reached, patience = first, PATIENCE
        for tensors in _steps(start, loss, train, rate, seed):
            now = _value(loss, tensors, dev)
            reached, patience = (now, PATIENCE) if now < reached else (reached, patience - 1)
            if now < lowest:
                best, lowest = tensors, now
            if not patience:
                return best
    return best


def _steps(start: list[Tensor], loss: Loss, train: Tensor, rate: float, seed: int) -> Iterator[list[Tensor]]:
    """Train copies of the tensors; what they are on average after every ``CHECK_STEPS`` steps."""
    learned = [tensor.detach().clone().requires_grad_(True) for tensor in start]
    mean = [tensor.detach().clone() for tensor in start]
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(learned, lr=rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, total_iters=STEPS)
    for step in range(1, STEPS + 1):
        batch = torch.randint(len(train), (min(PREDICTIONS_PER_STEP, len(train)),), generator=generator)
        optimizer.zero_grad()
        loss(learned, train[batch.to(train.device)]).backward()
        optimizer.step()
        schedule.step()
        mean = [old.lerp(new.detach(), LATEST) for old, new in zip(mean, learned, strict=True)]
        if step % CHECK_STEPS == 0:
            yield mean


@torch.no_grad()
def _value(loss: Loss, tensors: Sequence[Tensor], places: Tensor) -> float:
    return float(loss(tensors, places)) if len(places) else 0.0
