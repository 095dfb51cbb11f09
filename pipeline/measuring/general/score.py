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

from pipeline.measuring.statistics.bootstrap import Figure
from pipeline.measuring.statistics.comparison import CHANCE, Measured, clustered, masked_kept, pairs_kept

Row = Mapping[str, Any]
Array = NDArray[np.float64]


MODELS = ("base", "adapted", "tuned")
STEPS = {"base_to_adapted": MODELS[:2], "adapted_to_tuned": MODELS[1:], "base_to_tuned": MODELS[::2]}
Answers = Mapping[str, Mapping[str, Mapping[str, Sequence[Row]]]]
"""model -> kind (masked, shift, pairs) -> corpus -> rows."""


def scored(answers: Answers, roles: Mapping[str, tuple[str, str]], *, draws: int, seed: int) -> dict[str, Any]:
    """Every figure that follows from the models' answers: what each knows, what each step kept, the domain shift.

    Args:
        answers: of base, adapted and tuned.
        roles: role and split of the corpora with masks.
    """
    sure = {"draws": draws, "seed": seed}
    knows = {model: _knowledge(answers[model], **sure) for model in MODELS}
    kept = {step: _kept(answers[before], answers[now], **sure) for step, (before, now) in STEPS.items()}
    losses = {
        model: {
            corpus: masked_figures(rows, **sure)["loss"].as_json()
            for corpus, rows in {**answers[model]["masked"], **answers[model]["shift"]}.items()
        }
        for model in ("base", "adapted")
    }
    shift = {
        corpus: {
            "role": roles[corpus][0],
            "split": roles[corpus][1],
            **{name: of[corpus] for name, of in losses.items()},
        }
        for corpus in losses["base"]
    }
    return {"models": knows, "scores": kept, "shift": shift}


def _knowledge(answers: Mapping[str, Mapping[str, Sequence[Row]]], **sure: int) -> dict[str, Any]:
    masked = {corpus: masked_figures(rows, **sure) for corpus, rows in answers["masked"].items()}
    return {
        "masked": {corpus: {name: of.as_json() for name, of in found.items()} for corpus, found in masked.items()},
        "pairs": {
            corpus: {"accuracy": pair_accuracy(rows, **sure).as_json()} for corpus, rows in answers["pairs"].items()
        },
    }


def _kept(
    before: Mapping[str, Mapping[str, Sequence[Row]]], now: Mapping[str, Mapping[str, Sequence[Row]]], **sure: int
) -> dict[str, Any]:
    masked, pairs = {}, {}
    for corpus, rows in before["masked"].items():
        masked[corpus] = masked_retention(rows, now["masked"][corpus], **sure).as_json()
    for corpus, rows in before["pairs"].items():
        share = pair_retention(rows, now["pairs"][corpus], **sure)
        pairs[corpus] = share.as_json() if share else None
    return {"masked": masked, "pairs": pairs}


def masked_figures(rows: Sequence[Row], *, draws: int, seed: int) -> dict[str, Figure]:
    """The ``losses`` of one model, each with its interval."""
    return {name: found.figure(draws=draws, seed=seed) for name, found in losses([rows]).items()}


def losses(seeds: Sequence[Sequence[Row]]) -> dict[str, Measured]:
    """Loss over the base vocabulary and over all rows (nats a masked piece), bits per byte, accuracy.

    Args:
        seeds: [seeds][documents]: sums ``nats``, ``nats_full``, ``masked``, ``correct``, ``bytes``.
    """
    full, masked, correct, size = (column(seeds, key) for key in ("nats_full", "masked", "correct", "bytes"))
    sides = {"loss_full": (full, masked), "bits_per_byte": (full / np.log(2), size), "accuracy": (correct, masked)}
    return {"loss": loss(seeds)} | {name: ratio(*pair) for name, pair in sides.items()}


def loss(seeds: Sequence[Sequence[Row]]) -> Measured:
    """Mean nats of a masked piece over the base vocabulary."""
    return ratio(column(seeds, "nats"), column(seeds, "masked"))


def column(seeds: Sequence[Sequence[Row]], key: str) -> Array:
    """One number of each item: [seeds, items]."""
    return np.array([[row[key] for row in rows] for rows in seeds], dtype=np.float64)


def ratio(top: Array, bottom: Array) -> Measured:
    """Sum over items by sum over items; both [seeds, items]."""
    return Measured(np.stack([top.T, bottom.T], axis=-1), lambda sums: sums[..., 0] / sums[..., 1])


def masked_retention(before: Sequence[Row], now: Sequence[Row], *, draws: int, seed: int) -> Figure:
    """exp(loss before - loss now) over the base vocabulary, documents paired."""
    _same_items(before, now)
    nats_before, nats_now = ([row["nats"] for row in rows] for rows in (before, now))
    kept = masked_kept(nats_before, nats_now, [row["masked"] for row in before])
    return kept.figure(draws=draws, seed=seed)


def pair_accuracy(rows: Sequence[Row], *, draws: int, seed: int) -> Figure:
    """Share of minimal pairs whose good sentence is the likelier one, phenomena drawn whole.

    Args:
        rows: a pair each: log-likelihoods ``good`` and ``bad``, and its ``phenomenon``.
    """
    return grammar([rows]).figure(draws=draws, seed=seed)


def grammar(seeds: Sequence[Sequence[Row]]) -> Measured:
    """Share of minimal pairs that are judged right. Pairs of a phenomenon are right or wrong together."""
    found = np.array([right(rows) for rows in seeds])
    return clustered(ratio(found, np.ones_like(found)), phenomena(seeds[0]))


def grammar_kept(before: Sequence[Row], seeds: Sequence[Sequence[Row]], *, draws: int, seed: int) -> Measured | None:
    """(accuracy now - 1/2) / (accuracy before - 1/2), pairs matched by item, phenomena drawn whole.

    None where the earlier model is not well above chance (its interval over phenomena covers 1/2): there was nothing
    to keep.
    """
    for rows in seeds:
        _same_items(before, rows)
    if pair_accuracy(before, draws=draws, seed=seed).low <= CHANCE:
        return None
    return clustered(pairs_kept(right(before), [right(rows) for rows in seeds]), phenomena(before))


def phenomena(rows: Sequence[Row]) -> list[str]:
    """What each pair is about."""
    return [str(row["phenomenon"]) for row in rows]


def pair_retention(before: Sequence[Row], now: Sequence[Row], *, draws: int, seed: int) -> Figure | None:
    """``grammar_kept`` of one model, with its interval."""
    kept = grammar_kept(before, [now], draws=draws, seed=seed)
    return kept.figure(draws=draws, seed=seed) if kept else None


def right(rows: Sequence[Row]) -> Array:
    """1 for each pair whose good sentence is the likelier one, else 0."""
    return np.array([float(row["good"] > row["bad"]) for row in rows])


def _same_items(before: Sequence[Row], now: Sequence[Row]) -> None:
    if [row["id"] for row in before] != [row["id"] for row in now]:
        raise ValueError("retention compares the same items in the same order; measure both models on one set of masks")
