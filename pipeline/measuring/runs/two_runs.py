"""The same arm in two runs: how far its figures are apart, item by item where both runs tested the same items.

Where they did not, or their items are not at hand, the difference of two independent figures gets its interval from
theirs: Zou & Donner 2008, "Construction of confidence limits about effect measures" (MOVER), after Newcombe 1998,
method 10. If the items were the same after all, that interval is too wide rather than too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.common.errors import InputError
from pipeline.measuring.runs import evaluated
from pipeline.measuring.statistics.bootstrap import Figure
from pipeline.measuring.statistics.classification import HEADLINE
from pipeline.measuring.statistics.comparison import Measured, minus
from pipeline.measuring.statistics.ladder import Draws, Key, measured

Estimate = Mapping[str, Any]
What = tuple[str, str, str]
"""Arm, measure ("macro_recall", "masked", "pairs") and corpus."""
DRAWS = Draws(2000, 0)


def figures(report: Mapping[str, Any]) -> dict[What, Estimate]:
    """Macro-recall of every arm, and the share of general English its tuned model kept, from report.json."""
    found: dict[What, Estimate] = {
        (rung["arm"], HEADLINE, corpus): scores[HEADLINE]
        for rung in report["ladder"]
        for corpus, scores in rung["scores"].items()
    }
    for arm, models in report["retention"].items():
        shares = (models.get("tuned") or {}).get("kept") or {}
        found |= {(arm, measure, place): share for measure, places in shares.items() for place, share in places.items()}
    return {what: figure for what, figure in found.items() if figure and figure["value"] is not None}


def differences(
    a: Mapping[str, Any], b: Mapping[str, Any], folders: tuple[evaluated.Folders, evaluated.Folders]
) -> dict[What, dict[str, Any]]:
    """Each figure of run b less that of run a, where both have it.

    Args:
        a, b: report.json of each run.
        folders: evaluate's folders of each run, a list of seeds by arm; arms whose folders are not at hand left out.

    Returns:
        (arm, measure, corpus) -> {"value", "low", "high", "n", "paired"}; low and high are None without intervals.
    """
    before, now = figures(a), figures(b)
    items = {arm: _by_item(folders[0][arm], folders[1][arm]) for arm in folders[0] if arm in folders[1]}
    found = {}
    for what in (what for what in before if what in now):
        pair = items.get(what[0], {}).get(what[1:])
        if pair and pair.get("n") == before[what]["n"] == now[what]["n"]:
            found[what] = {**pair, "paired": True}
        else:
            found[what] = {**apart(before[what], now[what]), "paired": False}
    return found


def apart(a: Estimate, b: Estimate) -> dict[str, Any]:
    """b less a, two independent figures, with the interval that follows from theirs; n is the smaller one's."""
    value, ends = b["value"] - a["value"], [figure[end] for figure in (a, b) for end in ("low", "high")]
    if None in ends:
        return {"value": value, "low": None, "high": None, "n": min(a["n"], b["n"])}
    low = value - math.hypot(b["value"] - b["low"], a["high"] - a["value"])
    high = value + math.hypot(b["high"] - b["value"], a["value"] - a["low"])
    return {"value": value, "low": low, "high": high, "n": min(a["n"], b["n"])}


def _by_item(a: Sequence[Path], b: Sequence[Path]) -> dict[Key, dict[str, Any]]:
    """Paired differences of what both runs measured on the same items; empty where they have none in common."""
    found: dict[Key, dict[str, Any]] = {}
    for read in (_scored, _kept):
        try:
            sides = read({"a": a, "b": b})
        except InputError:  # no items in common
            continue
        for key in (key for key in sides["a"] if key in sides["b"]):
            if len(a) == len(b):
                found[key] = Figure.as_json(minus(sides["b"][key], sides["a"][key], draws=DRAWS.draws, seed=DRAWS.seed))
    return found


def _scored(runs: evaluated.Folders) -> dict[str, dict[Key, Measured]]:
    tested = evaluated.predictions(runs)
    return {run: {(HEADLINE, corpus): measured(rows[run]) for corpus, rows in tested.items()} for run in runs}


def _kept(runs: evaluated.Folders) -> dict[str, dict[Key, Measured]]:
    return evaluated.kept(runs, "tuned", DRAWS)
