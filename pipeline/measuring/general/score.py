"""How much general English a model kept: its masked loss and its grammar, each against an earlier model's.

Retention is ``exp(loss before - loss now)`` for masked loss, the factor by which the probability of a hidden piece
changed (geometric mean), and ``(accuracy now - 1/2) / (accuracy before - 1/2)`` for minimal pairs, the share of what
lay above chance. 1 is everything kept. All of it is computed from stored rows; items are documents and pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.measuring.statistics.comparison import CHANCE, Measured, clustered, masked_kept, pairs_kept
from pipeline.measuring.statistics.ladder import Draws

Row = Mapping[str, Any]
Array = NDArray[np.float64]


MODELS = ("base", "adapted", "tuned")
STEPS = {"base_to_adapted": MODELS[:2], "adapted_to_tuned": MODELS[1:], "base_to_tuned": MODELS[::2]}
LEAST_LEAD = 1 / 3
"""So by the luck of which phenomena are asked a share kept comes to no more than some three times what it is."""
Answers = Mapping[str, Mapping[str, Mapping[str, Sequence[Row]]]]
"""model -> kind (masked, shift, pairs) -> corpus -> rows."""


def scored(answers: Answers, roles: Mapping[str, tuple[str, str]], *, draws: int, seed: int) -> dict[str, Any]:
    """Every figure that follows from the models' answers: what each knows, what each step kept, the domain shift.

    Args:
        answers: of base, adapted and tuned.
        roles: role and split of the corpora with masks.
    """
    sure = Draws(draws, seed)
    knows = {model: _knowledge(answers[model], sure) for model in MODELS}
    kept = {step: _kept(answers[before], answers[now], sure) for step, (before, now) in STEPS.items()}
    read = {model: {**answers[model]["masked"], **answers[model]["shift"]} for model in ("base", "adapted")}
    shift = {
        corpus: {
            "role": roles[corpus][0],
            "split": roles[corpus][1],
            **{model: sure.of(losses([rows[corpus]])["loss"]) for model, rows in read.items()},
        }
        for corpus in read["base"]
    }
    return {"models": knows, "scores": kept, "shift": shift}


def _knowledge(answers: Mapping[str, Mapping[str, Sequence[Row]]], draws: Draws) -> dict[str, Any]:
    masked, pairs = answers["masked"].items(), answers["pairs"].items()
    return {
        "masked": {
            corpus: {name: draws.of(found) for name, found in losses([rows]).items()} for corpus, rows in masked
        },
        "pairs": {corpus: {"accuracy": draws.of(grammar([rows]))} for corpus, rows in pairs},
    }


def _kept(
    before: Mapping[str, Mapping[str, Sequence[Row]]], now: Mapping[str, Mapping[str, Sequence[Row]]], draws: Draws
) -> dict[str, Any]:
    words = {corpus: words_kept(rows, [now["masked"][corpus]]) for corpus, rows in before["masked"].items()}
    pairs = {corpus: grammar_kept(rows, [now["pairs"][corpus]], draws) for corpus, rows in before["pairs"].items()}
    return {
        "masked": {corpus: draws.of(share) for corpus, share in words.items()},
        "pairs": {corpus: draws.of(share) if share else None for corpus, share in pairs.items()},
    }


def losses(seeds: Sequence[Sequence[Row]]) -> dict[str, Measured]:
    """Loss over the base vocabulary and over all rows (nats a masked piece), bits per byte, accuracy.

    Args:
        seeds: [seeds][documents]: sums ``nats``, ``nats_full``, ``masked``, ``correct``, ``bytes``.
    """
    nats, full, masked, correct, size = (
        column(seeds, key) for key in ("nats", "nats_full", "masked", "correct", "bytes")
    )
    sides = {"loss": (nats, masked), "loss_full": (full, masked), "bits_per_byte": (full / np.log(2), size)}
    return {name: ratio(*pair) for name, pair in (sides | {"accuracy": (correct, masked)}).items()}


def column(seeds: Sequence[Sequence[Row]], key: str) -> Array:
    """One number of each item: [seeds, items]."""
    return np.array([[row[key] for row in rows] for rows in seeds], dtype=np.float64)


def ratio(top: Array, bottom: Array) -> Measured:
    """Sum over items by sum over items; both [seeds, items]."""
    return Measured(np.stack([top.T, bottom.T], axis=-1), lambda sums: sums[..., 0] / sums[..., 1])


def words_kept(before: Sequence[Row], seeds: Sequence[Sequence[Row]]) -> Measured:
    """exp(loss before - loss now) over the base vocabulary, documents paired."""
    for rows in seeds:
        _same_items(before, rows)
    return masked_kept([row["nats"] for row in before], column(seeds, "nats"), [row["masked"] for row in before])


def grammar(seeds: Sequence[Sequence[Row]]) -> Measured:
    """Share of minimal pairs whose good sentence is the likelier one; a phenomenon's are right or wrong together.

    Args:
        seeds: [seeds][pairs]: log-likelihoods ``good`` and ``bad``, and the ``phenomenon``.
    """
    found = np.array([right(rows) for rows in seeds])
    return clustered(ratio(found, np.ones_like(found)), phenomena(seeds[0]))


def grammar_kept(before: Sequence[Row], seeds: Sequence[Sequence[Row]], draws: Draws) -> Measured | None:
    """(accuracy now - 1/2) / (accuracy before - 1/2), pairs matched by item, phenomena drawn whole.

    None where the earlier model is not well above chance: its lead may, by its interval over phenomena, be less than
    ``LEAST_LEAD`` of what it is. Near chance there was nothing to keep, and the share, a quotient, can be anything.
    """
    for rows in seeds:
        _same_items(before, rows)
    knew = grammar([before]).figure(draws=draws.draws, seed=draws.seed)
    if knew.low - CHANCE <= LEAST_LEAD * (knew.value - CHANCE):
        return None
    return clustered(pairs_kept(right(before), [right(rows) for rows in seeds]), phenomena(before))


def phenomena(rows: Sequence[Row]) -> list[str]:
    """What each pair is about."""
    return [str(row["phenomenon"]) for row in rows]


def right(rows: Sequence[Row]) -> Array:
    """1 for each pair whose good sentence is the likelier one, else 0."""
    return np.array([float(row["good"] > row["bad"]) for row in rows])


def _same_items(before: Sequence[Row], now: Sequence[Row]) -> None:
    if [row["id"] for row in before] != [row["id"] for row in now]:
        raise ValueError("retention compares the same items in the same order; measure both models on one set of masks")
