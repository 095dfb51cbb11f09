"""Read a ladder of arms: each rung against the one below, against the floors, the last against the first.

The comparisons that a recipe declares are one family, each in it once, under one correction of Holm's. All others are
exploratory: told with their interval, and without a verdict. All figures are averages over seeds; the same test items
stand on both sides of every comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from pipeline.common.labels import LABEL_TO_ID
from pipeline.measuring.statistics.bootstrap import LEVEL, Difference, Figure
from pipeline.measuring.statistics.classification import HEADLINE, METRICS, Metric, of_class
from pipeline.measuring.statistics.comparison import Measured, classified, measurable, minus, paired, verdicts

Rows = Sequence[Mapping[str, Any]]
"""Rows of a predictions file: {"id", "label", "predicted", "emoji"}, and "fold" with cross-validation."""

Key = tuple[str, str]
"""What was measured where: ("macro_recall" or "emoji_macro_recall", reviews corpus), ("masked", general corpus),
("pairs", pairs corpus)."""

Kind = Literal["rungs", "overall", "floors", "emoji", "masked", "controls"]
"""What a recipe may declare: macro-recall of each arm against the one above (or the first); of the final arm against
the first, each floor, each control; on texts with emoji, and what was kept of masked words, against the first arm."""


@dataclass(frozen=True)
class Draws:
    """How many samples an interval rests on, and the seed they are drawn with."""

    draws: int
    seed: int

    def of(self, measured: Measured) -> dict[str, Any]:
        """The figure as it stands in report.json."""
        found: dict[str, Any] = measured.figure(draws=self.draws, seed=self.seed).as_json()
        return found


NEUTRAL = LABEL_TO_ID["neutral"]
SCORES: dict[str, Metric] = {**METRICS, "neutral_f1": lambda matrix: of_class(matrix, "f1")[..., NEUTRAL]}
"""The neutral class is the hardest one everywhere."""


def measured(rows_by_seed: Sequence[Rows], metric: str = HEADLINE) -> Measured:
    """A score of one arm on one corpus, from its predictions of every seed on the same texts."""
    labels = [row["label"] for row in rows_by_seed[0]]
    predicted = [[row["predicted"] for row in rows] for rows in rows_by_seed]
    return classified(labels, predicted, SCORES[metric], tested_in(rows_by_seed[0]))


def transferred_back(before: Mapping[str, Sequence[Rows]], after: Mapping[str, Sequence[Rows]]) -> Measured:
    """Backward transfer: macro-recall on old reviews after tuning on new ones less before, the mean over old corpora.

    Lopez-Paz & Ranzato 2017, "Gradient Episodic Memory for Continual Learning", section 2 (BWT): below 0 is forgetting.

    Args:
        before, after: corpus -> seed -> rows, of the same texts in the same order.
    """

    def recalled(side: Mapping[str, Sequence[Rows]]) -> Measured:
        corpora = [corpus for corpus, seeds in side.items() for _ in seeds[0]]
        by_seed = [[row for rows in seed for row in rows] for seed in zip(*side.values(), strict=True)]
        folds = tested_in(by_seed[0]) if all("fold" in row for row in by_seed[0]) else None
        predicted = [[row["predicted"] for row in rows] for rows in by_seed]
        return classified([row["label"] for row in by_seed[0]], predicted, SCORES[HEADLINE], folds, corpora)

    return paired(recalled(after), recalled(before))


def tested_in(rows: Rows) -> list[int] | None:
    """The fold that each row was tested in; None without cross-validation."""
    return [row["fold"] for row in rows] if rows and "fold" in rows[0] else None


def scores(rows_by_seed: Sequence[Rows], draws: Draws) -> dict[str, Any]:
    """Every score of one arm on one corpus with its interval, and macro-recall on the texts with emoji (or None)."""
    found = {name: draws.of(measured(rows_by_seed, name)) for name in SCORES}
    emoji = with_emoji(rows_by_seed)
    return found | {"emoji_macro_recall": draws.of(measured(emoji)) if emoji[0] else None}


def with_emoji(rows_by_seed: Sequence[Rows]) -> list[Rows]:
    """The rows of the texts with emoji."""
    return [[row for row in rows if row["emoji"]] for rows in rows_by_seed]


class Comparison(NamedTuple):
    """Does an arm have more of a measure than another? ``kind``: what a recipe declares it by; None: it cannot."""

    question: str
    key: Key
    arm: str
    against: str
    sides: tuple[Measured, Measured]
    kind: Kind | None = None


def judge(asked: Sequence[Comparison], primary: Sequence[Kind], margin: float, draws: Draws) -> list[dict[str, Any]]:
    """What comes of each comparison: a verdict of the declared ones, read together; the others are exploratory.

    One that is asked twice is told once, by its first question, and is declared if either is. What cannot be measured
    is "unmeasured", declared or not: nothing is claimed of it, so it costs the others nothing. A large family has
    more samples drawn than ``draws`` says.
    """
    same: dict[tuple[Key, str, str], list[Comparison]] = {}
    for one in asked:
        same.setdefault((one.key, one.arm, one.against), []).append(one)
    known = {key for key, several in same.items() if measurable(*several[0].sides)}
    declared = [key for key, several in same.items() if key in known and any(one.kind in primary for one in several)]
    # The least p is 2 / (draws + 1), and Holm's correction multiplies it by their number: fewer could show nothing.
    count = max(draws.draws, round(2 / (1 - LEVEL)) * len(declared))
    found = {key: minus(*several[0].sides, draws=count, seed=draws.seed) for key, several in same.items()}
    told = dict(zip(declared, verdicts([found[key] for key in declared], margin), strict=True))
    return [
        {"question": several[0].question, "measure": key[0][0], "place": key[0][1], "arm": key[1], "against": key[2]}
        | {"difference": Figure.as_json(found[key]), "p": found[key].p}
        | dict(
            zip(
                ("p_holm", "verdict"),
                told.get(key, (None, "exploratory" if key in known else "unmeasured")),
                strict=True,
            )
        )
        for key, several in same.items()
    ]


def climb(arms: Mapping[str, Mapping[Key, Measured]], final: str, beside: str = "above") -> list[Comparison]:
    """Each arm against the one above it, or ``beside`` the first ("rung"); then each later one against the first.

    Where both are one comparison, ``judge`` tells it once.
    """
    names, found = list(arms), []
    declared: dict[str, dict[str, Kind]] = {
        "rung": {HEADLINE: "rungs"},
        "overall": {HEADLINE: "overall", f"emoji_{HEADLINE}": "emoji", "masked": "masked"},
    }
    others = names
    if beside == "first":  # then what each kept is declared as what each gained is
        others, declared["rung"] = names[:1] * len(names), declared["overall"] | {HEADLINE: "rungs"}
    rungs = [("rung", arm, other) for arm, other in zip(names[1:], others, strict=False)]
    for question, arm, other in [*rungs, *(("overall", arm, names[0]) for arm in names[1:])]:
        kinds = declared[question] if question == "rung" or arm == final else {}
        found += [
            Comparison(question, key, arm, other, (arms[arm][key], arms[other][key]), kinds.get(key[0]))
            for key in arms[arm]
            if key in arms[other]
        ]
    return found


def against(
    question: str,
    arms: Mapping[str, Mapping[Key, Measured]],
    others: Mapping[str, Mapping[Key, Measured]],
    final: str,
    kind: Kind,
) -> list[Comparison]:
    """Arms against each of others, floors or controls, wherever both were scored; declared are those of the final arm.

    Worse than without what should have helped is negative transfer: Wang et al. 2019, Characterizing and Avoiding
    Negative Transfer, section 3.
    """
    return [
        Comparison(question, key, arm, name, (scored[key], other[key]), kind if arm == final else None)
        for name, other in others.items()
        for arm, scored in arms.items()
        for key in scored
        if key in other
    ]


def recommend(
    headline: Mapping[str, Mapping[Key, Measured]],
    kept: Mapping[str, Mapping[Key, Measured]],
    margin: float,
    draws: Draws,
) -> dict[str, Any]:
    """The arm with the highest macro-recall (mean over corpora), and what can be said of the others beside it.

    It is chosen on these texts, so nothing is called lower than it; that another is no worse is said against the odds.
    Corpora with too few texts of a class say nothing.

    Returns:
        {"arm": None where no corpus has texts enough, "equal": [arms that are no worse by more than the margin on any
        corpus], "open": [those of which no corpus shows that they are lower, either], "keeps_more": the one of the
        equal that kept most general English, if its interval beside the arm says so (somewhere more, nowhere less),
        "more_of": the first [measure, place] where it does, "macro_recall": {arm: mean over corpora}}
    """
    means = {arm: mean for arm, found in headline.items() if (mean := mean_of(found)) is not None}
    if not means:
        return {"arm": None, "equal": [], "open": [], "keeps_more": None, "more_of": None, "macro_recall": {}}
    best = max(means, key=lambda arm: means[arm])

    def beside(of: Mapping[str, Mapping[Key, Measured]], arm: str) -> dict[Key, Difference]:
        shared = [key for key in of[arm] if key in of[best] and of[arm][key].enough and of[best][key].enough]
        return {key: minus(of[arm][key], of[best][key], draws=draws.draws, seed=draws.seed) for key in shared}

    apart = {arm: beside(headline, arm) for arm in means if arm != best}
    equal = [arm for arm, found in apart.items() if all(one.low > -margin for one in found.values())]
    lower = [arm for arm, found in apart.items() if any(one.high < 0 for one in found.values())]
    held = {arm: beside(kept, arm) for arm in equal}
    more = {arm: [key for key, one in found.items() if one.low > 0]
            for arm, found in held.items() if all(one.high >= 0 for one in found.values())}  # fmt: skip
    most = max((arm for arm in more if more[arm]), key=lambda arm: mean_of(kept[arm]) or 0.0, default=None)
    return {
        "arm": best,
        "equal": equal,
        "open": [arm for arm in apart if arm not in (*equal, *lower)],
        "keeps_more": most,
        "more_of": list(more[most][0]) if most else None,
        "macro_recall": means,
    }


def mean_of(found: Mapping[Key, Measured]) -> float | None:
    """Mean, on all their items, of those of several measures that have texts enough; None where none has."""
    known = [measure.value for measure in found.values() if measure.enough]
    return float(np.mean(known)) if known else None
