"""Read a ladder of arms: each rung against the one below, against the floors, the last against the first.

Verdicts that answer the same question are read together and share Holm's correction. All figures are averages over
seeds; the same test items stand on both sides of every comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.common.labels import LABEL_TO_ID
from pipeline.measuring.statistics.bootstrap import Figure
from pipeline.measuring.statistics.classification import HEADLINE, METRICS, Metric, of_class
from pipeline.measuring.statistics.comparison import Measured, classified, minus, verdicts

Rows = Sequence[Mapping[str, Any]]
"""Rows of a predictions file: {"id", "label", "predicted", "emoji"}, and "fold" with cross-validation."""

Key = tuple[str, str]
"""What was measured where: ("macro_recall", reviews corpus), ("masked", general corpus), ("pairs", pairs corpus)."""


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


def tested_in(rows: Rows) -> list[int] | None:
    """The fold that each row was tested in; None without cross-validation."""
    return [row["fold"] for row in rows] if rows and "fold" in rows[0] else None


def scores(rows_by_seed: Sequence[Rows], draws: Draws) -> dict[str, Any]:
    """Every score of one arm on one corpus with its interval, and macro-recall on the texts with emoji (or None)."""
    found = {name: draws.of(measured(rows_by_seed, name)) for name in SCORES}
    emoji = [[row for row in rows if row["emoji"]] for rows in rows_by_seed]
    return found | {"emoji_macro_recall": draws.of(measured(emoji)) if emoji[0] else None}


def judge(
    question: str, sides: Sequence[tuple[Key, tuple[str, Measured], tuple[str, Measured]]], draws: Draws
) -> list[dict[str, Any]]:
    """Verdicts on several (what, arm, other arm), read together: does the arm have more of it than the other?"""
    differences = [minus(a, b, draws=draws.draws, seed=draws.seed) for _, (_, a), (_, b) in sides]
    judged = zip(sides, differences, verdicts(differences), strict=True)
    return [
        {"question": question, "measure": key[0], "place": key[1], "arm": arm, "against": other}
        | {"difference": Figure.as_json(found), "p": found.p, "p_holm": adjusted, "verdict": word}
        for (key, (arm, _), (other, _)), found, (adjusted, word) in judged
    ]


def climb(arms: Mapping[str, Mapping[Key, Measured]], draws: Draws) -> list[dict[str, Any]]:
    """Each arm against the one before it ("rung"), then each later one against the first ("overall")."""
    names, found = list(arms), []
    for question, pairs in (
        ("rung", list(zip(names[1:], names, strict=False))),
        ("overall", [(arm, names[0]) for arm in names[1:]]),
    ):
        for scored in (True, False):
            sides = [
                (key, (arm, arms[arm][key]), (other, arms[other][key]))
                for arm, other in pairs
                for key in arms[arm]
                if key in arms[other] and (key[0] == HEADLINE) == scored
            ]
            found += judge(question, sides, draws)
    return found


def against_floors(
    arms: Mapping[str, Mapping[Key, Measured]], floors: Mapping[str, Mapping[Key, Measured]], draws: Draws
) -> list[dict[str, Any]]:
    """Every arm against every floor on every corpus. Each floor is a question of its own, with its own correction."""
    found = []
    for name, floor in floors.items():
        sides = [
            (key, (arm, scored[key]), (name, floor[key]))
            for arm, scored in arms.items()
            for key in scored
            if key in floor
        ]
        found += judge("floor", sides, draws)
    return found


def against_controls(
    arm: str, headline: Mapping[str, Mapping[Key, Measured]], controls: Sequence[str], draws: Draws
) -> list[dict[str, Any]]:
    """One arm against arms that lack what should have helped it: worse than those is negative transfer.

    Source: Wang et al. 2019, Characterizing and Avoiding Negative Transfer, section 3.
    """
    sides = [
        (key, (arm, headline[arm][key]), (control, headline[control][key]))
        for control in controls
        for key in headline[arm]
    ]
    return judge("control", sides, draws) if sides else []


def recommend(
    headline: Mapping[str, Mapping[Key, Measured]], kept: Mapping[str, Mapping[Key, Measured]], draws: Draws
) -> dict[str, Any]:
    """The arm with the highest macro-recall (mean over corpora), and the arms that no corpus tells apart from it.

    Returns:
        {"arm", "equal": [arm], "keeps_more": the one of those that kept most general English, if it is told apart
        there from the arm (somewhere more, nowhere less), "macro_recall": {arm: mean over corpora}}
    """
    means = {arm: mean_of(found) for arm, found in headline.items()}
    best = max(means, key=lambda arm: means[arm])

    def words(of: Mapping[str, Mapping[Key, Measured]], arms: Sequence[str]) -> dict[str, set[str]]:
        """What is said of arms against the best."""
        keys = {arm: [key for key in of[arm] if key in of[best]] for arm in arms}
        sides = [(key, (arm, of[arm][key]), (best, of[best][key])) for arm in arms for key in keys[arm]]
        said = judge("best", sides, draws)
        return {arm: {verdict["verdict"] for verdict in said if verdict["arm"] == arm} for arm in arms}

    lower = words(headline, [arm for arm in headline if arm != best])
    equal = [arm for arm, found in lower.items() if "hurt" not in found]
    more = [arm for arm, found in words(kept, equal).items() if "helped" in found and "hurt" not in found]
    frugal = max(more, key=lambda arm: mean_of(kept[arm]), default=None)
    return {"arm": best, "equal": equal, "keeps_more": frugal, "macro_recall": means}


def mean_of(found: Mapping[Key, Measured]) -> float:
    """Mean of several measures on all their items."""
    values = [measure.statistic(measure.contributions.sum(axis=0)).mean() for measure in found.values()]
    return float(np.mean(values))
