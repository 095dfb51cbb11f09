"""Samplers of a search beside random search of the same budget: ``python -m tests.samplers [SEEDS [TRIALS]]``, by hand.

Trials of the default space, asked and told as by ``make search``, but what each is worth follows from a made-up
function, another one a seed: macro-recall and general English kept fall off with the square of the distance from an
optimum each, by settings of which a few matter; dev adds noise. So it tells what a sampler makes of few, noisy trials
of many settings, and nothing of how much there is to gain in a recipe.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import product
from math import log
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any, get_args

import numpy as np

from pipeline.machine.plan import Plan
from pipeline.machine.recipe import load_recipe
from pipeline.machine.space import Search
from pipeline.machine.store import Store
from pipeline.search import show, space
from pipeline.search.results import Outcome
from pipeline.search.space import Dimension
from pipeline.search.study import Study
from stages import STORY

NOISE = 0.01
"""Standard deviation of a dev figure from trial to trial; all are judged by the same texts."""


def place(dimension: Dimension, value: Any) -> float:
    """Where in its span a value lies, from 0 to 1."""
    span = dimension.span
    if span.choices is not None:
        return span.choices.index(value) / (len(span.choices) - 1)
    low, high = span.low or 0.0, span.high or 1.0
    return log(value / low) / log(high / low) if span.log else (value - low) / (high - low)


class Worth:
    """The function of a seed."""

    def __init__(self, dimensions: space.Space, seed: int) -> None:
        self.dimensions, self.draw = dimensions, np.random.default_rng(seed)
        count = len(dimensions)
        self.best = self.draw.uniform(size=(2, count))
        weights = self.draw.exponential(size=(2, count)) ** 2
        self.weights = weights / weights.sum(axis=1, keepdims=True)

    def of(self, values: Mapping[str, Any]) -> tuple[float, float]:
        """Macro-recall and general English kept, without noise."""
        places = np.array([place(each, values[path]) for path, each in self.dimensions.items()])
        recall, kept = (self.weights * (places - self.best) ** 2).sum(axis=1)
        return 0.75 - 0.3 * float(recall), 1.03 - 0.3 * float(kept)

    def told(self, values: Mapping[str, Any]) -> Outcome:
        """What dev says of it."""
        recall, kept = (true + float(self.draw.normal(0, NOISE)) for true in self.of(values))
        figures: Any = [{"value": value, "low": None, "high": None, "n": 500} for value in (recall, kept)]
        return {"macro_recall": figures[0], "kept": figures[1], "at_least": kept - 1.645 * NOISE, "seconds": 0.0,
                "artifacts": [], "made": [], "problem": ""}  # fmt: skip


def chosen(folder: Path, search: Search, dimensions: space.Space, trials: int) -> tuple[float, float]:
    """Macro-recall and general English kept, both without noise, of the trial that a study chooses."""
    study, worth = Study(folder, search, dimensions), Worth(dimensions, search.seed)
    for _ in range(trials):
        number, values = study.ask()
        study.tell(number, worth.told(values))
    best = show.best_of(study.tried(), search.budget)
    assert best
    return worth.of(best["values"])


def main(seeds: int = 5, trials: int = 40) -> None:
    """Print a row a sampler."""
    with TemporaryDirectory() as folder:
        plan = Plan(STORY, load_recipe("starter", STORY), Store(Path(folder)), ["full"])
        section, dimensions = space.of_plan(plan, "finetune")
        samplers = get_args(Search.model_fields["sampler"].annotation)
        found: dict[str, list[tuple[float, float]]] = {sampler: [] for sampler in samplers}
        for sampler, seed in product(samplers, range(seeds)):
            search = section.model_copy(update={"sampler": sampler, "seed": seed})
            found[sampler].append(chosen(Path(folder) / f"{sampler}{seed}", search, dimensions, trials))
    print("| sampler | macro-recall of the chosen, % | points over random | better than random | keep the budget |")
    print("|---|---:|---:|---:|---:|")
    for sampler, each in found.items():
        gains = [100 * (mine[0] - its[0]) for mine, its in zip(each, found["random"], strict=True)]
        gained = f"{mean(gains):+.1f} (sd {np.std(gains):.1f}) | {sum(gain > 0 for gain in gains)} of {seeds}"
        kept = sum(kept >= section.budget for _, kept in each)
        print(f"| {sampler} | {100 * mean(recall for recall, _ in each):.1f} | {gained} | {kept} of {seeds} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
