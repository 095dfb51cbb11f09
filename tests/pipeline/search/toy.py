"""A search over the toy story: what a trial is worth follows from its rate and its lamps by arithmetic.

Also a program: ``python -m tests.pipeline.search.toy FOLDER TRIALS``.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

from pipeline.common.results import Estimate
from pipeline.machine.recipe import load_recipe
from pipeline.machine.stage import Stage
from pipeline.search import run
from pipeline.search.results import Found
from pipeline.search.trials import Dev
from tests.pipeline.toy_story import STORY as TOYS
from tests.pipeline.toy_story import write_recipe

STORY: tuple[Stage, ...] = TOYS[:2]
SPACE = "search: {settings: {grow.learning_rate: {low: 1e-3, high: 1, log: true}, grow.light.lamps: {low: 0, high: 9}}}"
RECIPE = "grow: {steps: 2, learning_rate: 0.01}\narms: {full: {}}\n" + SPACE


def figure(value: float) -> Estimate:
    return {"value": value, "low": value - 0.02, "high": value + 0.02, "n": 100}


def worth(rate: float) -> tuple[float, float]:
    """The higher the rate the more is learnt, and from 0.1 on is forgotten."""
    return 0.5 + 0.1 * math.log10(rate * 1000), min(1.0, 1 - 0.3 * math.log10(rate * 10))


def figures(folder: Path) -> Dev:
    rate = float((folder / "model" / "weights.txt").read_text().split()[-1])
    recall, kept = worth(rate)
    return Dev(figure(recall), figure(kept), kept - 0.02)


def search(
    folder: Path, trials: int | None = 6, minutes: float | None = None, text: str = RECIPE, **more: Any
) -> Found:
    """Search in a folder of its own; the recipe is written unless it is there."""
    file = folder / "toy.yaml" if (folder / "toy.yaml").exists() else write_recipe(folder, text)
    changes = {"gather.source": str(folder / "source.txt")} | more.pop("changes", {})
    story = more.pop("story", STORY)
    recipe = load_recipe(file, story, changes)
    found, place = run.search(
        story, recipe, run.Limits(minutes, trials), until="grow", figures=more.pop("figures", figures),
        store=folder / "store", **more,
    )  # fmt: skip
    assert place == folder / "store" / "search" / more.get("name", "toy")
    return found


if __name__ == "__main__":
    search(Path(sys.argv[1]), int(sys.argv[2]))
