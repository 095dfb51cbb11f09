"""Samplers of a search beside random search of the same budget, by hand: ``python -m tests.samplers [SEEDS [TRIALS]]``.

Trials are asked and told as by ``make search``. What each is worth follows by default from a made-up function of the
default space, another one a seed: macro-recall and general English kept fall off with the square of the distance from
an optimum each, by settings of which a few matter; dev adds noise. So it tells what a sampler makes of few, noisy
trials of many settings, and nothing of how much there is to gain in a recipe.

With ``STORE=folder JOBS=2`` in front it is worth what real trials found: all of a small space are made there first, on
the starter's reviews, and each seed looks its trials up (tabular benchmarks: Klein & Hutter 2019, "Tabular Benchmarks
for Joint Architecture and Hyperparameter Optimization").
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from itertools import product
from math import log
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any, get_args

import numpy as np

from pipeline.machine import workers
from pipeline.machine.plan import Plan
from pipeline.machine.recipe import load_recipe
from pipeline.machine.space import Search
from pipeline.machine.store import Store
from pipeline.search import show, space, trials
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
        return {"macro_recall": figures[0], "kept": figures[1], "at_least": kept - 1.645 * NOISE,
                "answers": [], "seconds": 0.0,
                "artifacts": [], "made": [], "problem": ""}  # fmt: skip


REAL = """
name: samplers
extends: starter
finetune: {train_reviews: 800, num_train_epochs: 3, frontier: {points: 2, windows: 40}}
search:
  settings:
    finetune.learning_rate: [3e-5, 1e-4, 3e-4, 1e-3]
    finetune.freezing.layers: [1, 3, 5]
    finetune.batch_size: [8, 32]
    finetune.distillation.states: [0, 1]
"""
"""A cheap recipe, and a space small enough for all of it to be tried."""


def every_point(dimensions: space.Space) -> list[dict[str, Any]]:
    """All values of a space of choices."""
    drawn = product(*(each.span.choices or () for each in dimensions.values()))
    return [dict(zip(dimensions, values, strict=True)) for values in drawn]


class Table:
    """All real trials of a space."""

    def __init__(self, asked: trials.Asked, dimensions: space.Space, jobs: int) -> None:
        every = every_point(dimensions)
        tasks = [trials.Trial(asked, number, values) for number, values in enumerate(every)]
        with workers.engine("local", jobs) as team:
            made = workers.in_order(team, trials.make, tasks)
            self.outcomes = {}
            for number, (values, outcome) in enumerate(zip(every, made, strict=True)):
                print(show.line(number, values, outcome), flush=True)
                self.outcomes[tuple(values.values())] = outcome

    def told(self, values: Mapping[str, Any]) -> Outcome:
        """What dev said of it."""
        return self.outcomes[tuple(values.values())]

    def of(self, values: Mapping[str, Any]) -> tuple[float, float]:
        """Macro-recall, and what is kept of general English at least: what a search is after, dev's luck with it."""
        outcome: Any = self.told(values)
        return outcome["macro_recall"]["value"], outcome["at_least"]


def chosen(folder: Path, search: Search, dimensions: space.Space, worth: Any, count: int) -> tuple[float, float]:
    """Macro-recall and general English kept of the trial that a study chooses."""
    study = Study(folder, search, dimensions)
    for number, values in filter(None, (study.ask_new() for _ in range(count))):
        study.tell(number, worth.told(values))
    best = show.best_of(study.tried(), search.budget)
    assert best
    return worth.of(best["values"])


def main(seeds: int = 5, count: int = 40) -> None:
    """Print a row a sampler."""
    store = os.environ.get("STORE")
    with TemporaryDirectory() as folder:
        recipe = Path(folder) / "samplers.yaml"
        recipe.write_text(REAL, encoding="utf-8")
        asked = load_recipe(str(recipe) if store else "starter", STORY)
        plan = Plan(STORY, asked, Store(Path(store or folder)), ["full"])
        section, dimensions = space.of_plan(plan, "finetune")
        table = None
        if store:
            shared = trials.Asked(STORY, asked, "full", "finetune", Path(store), trials.tuned, "finetune", "samplers")
            table = Table(shared, dimensions, int(os.environ.get("JOBS", "2")))
            told = [table.of(values) for values in every_point(dimensions)]
            within = [recall for recall, kept in told if kept >= section.budget]
            print(
                f"{len(table.outcomes)} trials, {len(within)} keep the budget; the best of them {100 * max(within):.1f}"
            )
        samplers = get_args(Search.model_fields["sampler"].annotation)
        found: dict[str, list[tuple[float, float]]] = {sampler: [] for sampler in samplers}
        for sampler, seed in product(samplers, range(seeds)):
            search = section.model_copy(update={"sampler": sampler, "seed": seed})
            own = Path(folder) / f"{sampler}{seed}"
            found[sampler].append(chosen(own, search, dimensions, table or Worth(dimensions, seed), count))
    print("| sampler | macro-recall of the chosen, % | points over random | better than random | keep the budget |")
    print("|---|---:|---:|---:|---:|")
    for sampler, each in found.items():
        gains = [100 * (mine[0] - its[0]) for mine, its in zip(each, found["random"], strict=True)]
        gained = f"{mean(gains):+.1f} (sd {np.std(gains):.1f}) | {sum(gain > 0 for gain in gains)} of {seeds}"
        kept = sum(kept >= section.budget for _, kept in each)
        print(f"| {sampler} | {100 * mean(recall for recall, _ in each):.1f} | {gained} | {kept} of {seeds} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
