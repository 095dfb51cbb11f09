"""What the luck of training adds to the luck of the texts: variance between folds or seeds, in every interval.

Texts that one model read are right or wrong together: those of a fold under cross-validation, all of them under one
seed of several. Resampling texts alone takes that model's luck for proof. Here the variance between models *beyond*
what their texts explain is estimated by moments (DerSimonian & Laird 1986, "Meta-Analysis in Clinical Trials", with
models as the trials) and added, with Student's t for the few models it rests on (Satterthwaite 1946). What all of them
share, overlapping training texts or one adaptation, cannot show here (Bengio & Grandvalet 2004): an interval is about
such models, and with one seed about this one model alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, t

from pipeline.measuring.statistics.bootstrap import Array, Statistic, resample

FOLD_DRAWS = 400
"""Samples behind the variance of one fold's texts: good to 7%, and the mean of five folds to 3%."""


def resampled(
    contributions: Array,
    statistic: Statistic,
    folds: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    *,
    draws: int,
    seed: int,
) -> tuple[float, Array]:
    """The statistic averaged over seeds, and draws of it that vary by texts and by models.

    Args:
        contributions, statistic, strata: as in ``bootstrap.resample``, [items, seeds, k].
        folds: [items] the fold that each item was tested in, the same in every seed. Then seeds are averaged: between
            folds all models differ, so what seeds do shows there.

    Raises:
        ValueError: not a fold for each item, or fewer than two.
    """
    values, drawn = resample(contributions, statistic, strata, draws=draws, seed=seed)
    value, means = float(values.mean()), drawn.mean(axis=-1)
    if folds is not None:
        models, chance = _of_folds(contributions, statistic, np.asarray(folds), seed)
    else:
        models, chance = values, (drawn - values).var(axis=-1, ddof=1) if len(values) > 1 else np.zeros(1)
    if len(models) < 2:
        return value, means
    observed, expected = float(models.var(ddof=1)) / len(models), _of_defined(np.nanmean, chance) / len(models)
    extra = max(0.0, observed - expected)
    whole = _of_defined(np.nanvar, means) + extra
    freedom = (len(models) - 1) * (whole / observed) ** 2 if observed else np.inf
    luck = np.random.default_rng([seed, len(contributions)]).normal(0, np.sqrt(extra), size=draws)
    return value, _as_t(value, means + luck, freedom)


def _of_folds(contributions: Array, statistic: Statistic, places: NDArray[np.int64], seed: int) -> tuple[Array, Array]:
    """The figure of each fold that settles one, and the variance of its texts."""
    kinds = np.unique(places)
    if places.shape != contributions.shape[:1] or len(kinds) < 2:
        raise ValueError(f"folds: {len(kinds)} over {places.shape}; two at least over {len(contributions)} items")
    found = [resample(contributions[places == fold], statistic, draws=FOLD_DRAWS, seed=seed) for fold in kinds]
    table = np.array([[values.mean(), _of_defined(np.nanvar, drawn.mean(axis=-1))] for values, drawn in found])
    settled = table[~np.isnan(table[:, 0])]
    return settled[:, 0], settled[:, 1]


def _of_defined(figure: Callable[[Array], Any], drawn: Array) -> float:
    """A figure that leaves out what no draw settles; not a number, and in silence, where none settles anything."""
    return np.nan if np.isnan(drawn).all() else float(figure(drawn))


def _as_t(value: float, drawn: Array, freedom: float) -> Array:
    """The draws in order, stretched around the value as far as Student's t reaches beyond the normal, at each level."""
    undefined = np.isnan(drawn)
    ordered = np.sort(drawn[~undefined])
    levels = (np.arange(len(ordered)) + 0.5) / max(1, len(ordered))
    with np.errstate(invalid="ignore"):  # the median stays
        wider = np.nan_to_num(t.ppf(levels, freedom) / norm.ppf(levels), nan=1.0)
    return np.concatenate([value + wider * (ordered - value), drawn[undefined]])
