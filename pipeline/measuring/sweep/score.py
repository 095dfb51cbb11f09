"""The arms of a ladder along one setting, and how fast errors fall as labels are added.

An inverse power law, as learning curves are extrapolated by since Cortes et al. 1993 ("Learning curves: asymptotic
values and rate of convergence"); without their asymptote, which a handful of arms cannot settle. Figueroa et al. 2012,
"Predicting sample size required for classification performance", judge such a fit as here: by what it foretells of
arms that it did not see. No one shape fits all curves (Viering & Loog 2023, "The shape of learning curves: a review",
section 4), and which it is a handful of arms cannot settle either, so what they foretell spans two: the power law, and
as many points with every doubling. Nor do they lie on it: what they scatter by widens the interval, as that of any
prediction by a line (Seber & Lee 2003, "Linear Regression Analysis", section 5.3), but with a normal quantile, for
Student's of the one or two degrees of freedom that there are would say nothing at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import norm

from pipeline.common.errors import InputError
from pipeline.measuring.statistics.bootstrap import LEVEL, Array
from pipeline.measuring.statistics.comparison import Measured, along
from pipeline.measuring.statistics.ladder import Draws
from pipeline.measuring.sweep.results import Foretold, Law

LABELS = "finetune.train_reviews"
"""The setting along which errors follow a power law."""
FEWEST_ARMS = 4
"""Half of them, two at least, are what a line goes through."""
LEAST_ERROR = 1e-4
"""Smaller ones count as this: no error at all has no logarithm."""
MOST_TIMES = 1e4
"""More times the labels than this is no number to plan with."""


def values(setting: str, settings: Mapping[str, Mapping[str, Any]], learnt: Mapping[str, int]) -> dict[str, float]:
    """Each arm's value of the setting, from settings by arm, flat; of ``LABELS`` how many texts it has ``learnt`` from.

    Raises:
        InputError: an arm's value is not a number.
    """
    found = {arm: learnt[arm] if setting == LABELS else own.get(setting) for arm, own in settings.items()}
    numbers = {
        arm: float(value)
        for arm, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    for arm in [arm for arm in found if arm not in numbers]:
        raise InputError(
            f"report.across: {setting} of arm {arm} is {found[arm]}, which is no number; name a setting that is one in "
            "every arm of the ladder, or set report.across to null"
        )
    return numbers


def fitted(labels: Array, errors: Array) -> tuple[Array, Array]:
    """Least squares in logarithms: log level and rate of errors [..., arms] over labels [arms]."""
    level, slope = _line(np.log(labels), np.log(np.maximum(errors, LEAST_ERROR)))
    return level, -slope


def _line(across: Array, up: Array) -> tuple[Array, Array]:
    """Least squares: where ``up`` [..., arms] starts and how it climbs over ``across`` [arms]."""
    apart = across - across.mean()
    slope = (up @ apart) / (apart @ apart)
    return up.mean(axis=-1) - slope * across.mean(), slope


def by_power(labels: Array, errors: Array, more: float) -> Array:
    """Errors at ``more`` labels, where they fall by the same share with every doubling."""
    level, rate = fitted(labels, errors)
    return np.exp(level - rate * np.log(more))


def by_doubling(labels: Array, errors: Array, more: float) -> Array:
    """Errors at ``more`` labels, where they fall by as many points with every doubling, until none are left."""
    level, slope = _line(np.log(labels), errors)
    return np.maximum(level + slope * np.log(more), 0)


Shape = Callable[[Array, Array, float], Array]
SHAPES: tuple[Shape, ...] = (by_power, by_doubling)
"""What a curve may look like; what is foretold spans them."""


def scatter(labels: Array, errors: Array, shape: Shape, more: float) -> float:
    """Half the width of a 95% interval of the errors at ``more`` labels, for what they scatter by about their curve."""
    across = np.log(labels)
    apart = across - across.mean()
    leverage = 1 + 1 / len(labels) + (np.log(more) - across.mean()) ** 2 / (apart @ apart)
    left = errors - [float(shape(labels, errors, amount)) for amount in labels]
    return float(norm.ppf((1 + LEVEL) / 2) * np.sqrt(left @ left / max(1, len(labels) - 2) * leverage))


def law(labels: Mapping[str, float], scores: Mapping[str, Measured], draws: Draws) -> Law | None:
    """The power law of the arms' macro-recall, measured on the same texts; None of fewer than four numbers of labels.

    Intervals draw texts, and seeds where there are several, for all arms alike; the law itself is taken as given, but
    what the first half of the arms foretells of the others spans ``SHAPES``.
    """
    arms = sorted(labels, key=labels.__getitem__)
    amounts = np.array([labels[arm] for arm in arms])
    if len(np.unique(amounts)) < max(FEWEST_ARMS, len(arms)) or not all(scores[arm].enough for arm in arms):
        return None
    curve, early = [scores[arm] for arm in arms], math.ceil(len(arms) / 2)

    def rate(found: Array) -> Array:
        return fitted(amounts, 1 - found)[1]

    def told(of: Callable[[Array], Array]) -> Any:
        return draws.of(along(curve, of))

    def foretold(arm: int) -> Foretold:
        def recall(shape: Shape, found: Array) -> Array:
            return 1 - shape(amounts[:early], 1 - found[..., :early], amounts[arm])

        def missed(shape: Shape, found: Array) -> Array:
            return found[..., arm] - recall(shape, found)

        errors = np.array([1 - one.value for one in curve[:early]])
        wider = [scatter(amounts[:early], errors, shape, amounts[arm]) for shape in SHAPES]
        return {
            "arm": arms[arm],
            "predicted": _spanning([told(partial(recall, shape)) for shape in SHAPES], wider),
            "missed": _spanning([told(partial(missed, shape)) for shape in SHAPES], wider),
        }

    found = told(rate)
    level, _ = fitted(amounts, np.array([1 - one.value for one in curve]))
    return {
        "level": float(np.exp(level)),
        "rate": found,
        "half": _half(float(amounts[-1]), found),
        "foretold": [foretold(place) for place in range(early, len(arms))],
    }


def _spanning(told: Sequence[Any], wider: Sequence[float]) -> Any:
    """The mean of estimates, from the lowest end of any to the highest; nothing where one of them settles nothing.

    Args:
        wider: by how much each interval would be to either side were it all; the two are independent.
    """
    values, lows, highs = ([one[end] for one in told] for end in ("value", "low", "high"))
    if None in (*values, *lows, *highs):
        return told[0] | {"value": None, "low": None, "high": None}
    low = min(value - math.hypot(value - end, by) for value, end, by in zip(values, lows, wider, strict=True))
    high = max(value + math.hypot(end - value, by) for value, end, by in zip(values, highs, wider, strict=True))
    return told[0] | {"value": float(np.mean(values)), "low": low, "high": high}


def _half(most: float, rate: Mapping[str, Any]) -> Any:
    """Labels n at which ``(n / most) ** -rate`` is a half: the faster errors fall, the fewer."""
    ends = {"value": "value", "low": "high", "high": "low"}
    slow = 1 / math.log2(MOST_TIMES)
    return {
        end: most * 2 ** (1 / rate[of]) if rate[of] is not None and rate[of] > slow else None
        for end, of in ends.items()
    } | {"n": rate["n"]}


def shown(labels: Sequence[float], law: Law) -> list[float]:
    """The law's macro-recall at numbers of labels."""
    rate = law["rate"]["value"]
    return [] if rate is None else [1 - law["level"] * amount**-rate for amount in labels]
