"""Giving a BERT without an MLM head one: the head alone first, the encoder frozen, then a little of everything."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from transformers import BertTokenizerFast

from pipeline.common.errors import InputError
from pipeline.learning import adaptation, freezing, loop
from pipeline.learning.options import Compute
from pipeline.models.masked_lm import MaskedLM

EVALUATIONS = 5
"""Of each part, at most."""
DEV_WINDOWS = 256
"""How many are measured."""


def missing_parts(model: MaskedLM) -> list[str]:
    """Which of ``mlm_head`` and ``pooler`` the model's folder lacked, so that they started random."""
    parts = {"cls.": "mlm_head", "bert.pooler.": "pooler"}
    return sorted({part for name in model.missing for start, part in parts.items() if name.startswith(start)})


def restore_head(
    model: MaskedLM,
    tokenizer: BertTokenizerFast,
    texts: Iterable[str],
    dev_texts: Iterable[Iterable[str]],
    *,
    folder: Path,
    head_learning_rate: float,
    learning_rate: float,
    head_tokens: int,
    model_tokens: int,
    mlm_probability: float,
    max_length: int,
    tokens_per_batch: int,
    compute: Compute,
    seed: int,
) -> list[dict[str, float]]:
    """Train the head for ``head_tokens`` with the encoder frozen, then the whole model for ``model_tokens``.

    Args:
        dev_texts: of each general corpus.

    Returns:
        the history of both parts, each row with its ``part``: 1 the head, 2 the whole model.

    Raises:
        InputError: no general text to train on.
    """
    windows = adaptation.cut(tokenizer, texts, max_length)
    dev = adaptation.evenly([adaptation.cut(tokenizer, own, max_length) for own in dev_texts], DEV_WINDOWS)
    if not len(windows) or not len(dev):
        raise InputError(
            "source.model: it has no MLM head, and there is no general text to train one on; "
            "add a corpus with role general under prepare.corpora"
        )
    masking = adaptation.Masking.of(tokenizer, mlm_probability, False, seed)
    history: list[dict[str, float]] = []
    for part, (tokens, rate) in enumerate(((head_tokens, head_learning_rate), (model_tokens, learning_rate)), start=1):
        if not tokens:
            continue
        model.bert.requires_grad_(part == 2)
        model.bert.pooler.requires_grad_(False)
        model.get_input_embeddings().requires_grad_(part == 2)
        epochs = 1 + tokens / max(1, int(windows.lengths.sum()))
        budget = adaptation.Budget(epochs, tokens, tokens_per_batch)
        order = adaptation.batches_within(adaptation.Windows(), windows, 1.0, budget, seed + part)
        _, rows = loop.train(
            model,
            adaptation.plan(windows, order, masking),
            loop.Schedule(
                steps=len(order),
                eval_steps=math.ceil(len(order) / EVALUATIONS),
                warmup_ratio=0.06,
                patience=None,
                metric="general_dev_loss",
                greater_is_better=False,
                seed=seed,
                compute=compute,
            ),
            groups=freezing.parameter_groups(model, learning_rate=rate, weight_decay=0.01),
            figures=adaptation.dev_losses({"general": dev}, masking, tokens_per_batch),
            folder=folder / f"part-{part}",
        )
        history += [{"part": part, **row} for row in rows]
    return history
