"""A trial: a run of the machine, up to the stage whose dev figures it is judged by, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

from pipeline.common.errors import InputError
from pipeline.common.files import read_json
from pipeline.common.results import Estimate
from pipeline.machine.plan import Plan
from pipeline.machine.recipe import Recipe, load_recipe
from pipeline.machine.runner import StageFailedError, Step, run
from pipeline.machine.stage import Stage
from pipeline.machine.store import Store
from pipeline.machine.workers import Workers
from pipeline.measuring.frontier.results import Answers
from pipeline.search import space
from pipeline.search.results import Outcome, failed


class Dev(NamedTuple):
    """What dev says of an artifact: macro-recall, general English kept, its lower bound, and the answers to texts."""

    macro_recall: Estimate
    kept: Estimate
    at_least: float
    answers: Sequence[Answers] = ()


Figures = Callable[[Path], Dev]


@dataclass(frozen=True)
class Asked:
    """What all trials of a study share; can be sent to another process."""

    story: Sequence[Stage]
    recipe: Recipe
    arm: str
    until: str
    store: Path
    figures: Figures
    first: str
    """The earliest stage that the study sets: from there on a trial has its own work to do."""
    name: str
    """Of the study; what its runs are noted under."""
    by: Mapping[str, Any] | None = None
    """The run that trials are made for: where the machine of one dies, another goes on with its work."""


@dataclass(frozen=True)
class Trial:
    """Some values to be tried; none: the recipe as it is."""

    of: Asked
    number: int | None = None
    values: Mapping[str, Any] | None = None


def unchanged(of: Asked) -> None:
    """Raise InputError where the recipe's file is no longer as it was when the study was opened."""
    if load_recipe(of.recipe, of.story) != of.recipe:
        raise InputError(f"recipe {of.recipe.name}: was changed while it was searched; run the same again")


def make(trial: Trial, observer: Callable[[Step], None] = lambda _: None, workers: Workers | None = None) -> Outcome:
    """Run it. What stops a trial stops no study: it is told as the outcome's problem."""
    of = trial.of
    changes = {"name": f"search-{of.name}"[:64], **space.changes(of.arm, trial.values or {})}
    made: set[Path] = set()

    def note(step: Step) -> None:
        if step.made and step.folder:
            made.add(step.folder)
        observer(step)

    try:
        unchanged(of)
        what = f"search {of.name}"
        ran = run(of.story, of.recipe, changes, of.until, arms=[of.arm], store=of.store, workers=workers,
                  observer=note, command=what, by=of.by)  # fmt: skip
        ends = list(ran[of.until].values())
        told = [of.figures(folder) for folder in ends]
    except (InputError, StageFailedError) as problem:
        return failed(problem)
    own = [stage.name for stage in Plan(of.story, of.recipe, Store(of.store)).stages(of.until)]
    spent = {folder for stage in own[own.index(of.first) :] for folder in ran[stage].values()}
    return {
        "macro_recall": _mean([each.macro_recall for each in told]),
        "kept": _mean([each.kept for each in told]),
        "at_least": mean(each.at_least for each in told),
        "answers": [list(each.answers) for each in told],
        "seconds": round(sum(float(read_json(folder / "manifest.json")["seconds"]) for folder in spent), 1),
        "artifacts": [_within(of.store, folder) for folder in ends],
        "made": [_within(of.store, folder) for folder in ends if folder in made],
        "problem": "",
    }


def _within(store: Path, folder: Path) -> str:
    return folder.relative_to(store).as_posix()


def _mean(figures: Sequence[Estimate]) -> Estimate:
    """Of several seeds the mean, which has no interval of its own; of one it is the figure."""
    if len(figures) == 1:
        return figures[0]
    value = mean(figure["value"] or 0.0 for figure in figures)
    return {"value": value, "low": None, "high": None, "n": figures[0]["n"]}


def tuned(folder: Path) -> Dev:
    """Figures of what ``finetune`` chose (its frontier.json).

    Raises:
        InputError: nothing there tells what was kept.
    """
    told = read_json(folder / "frontier.json")
    for point in told["points"]:
        if point["name"] == told["chosen"]:
            return Dev(point["macro_recall"], point["kept"], point["at_least"], told["answers"])
    raise InputError(f"search: nothing tells what a trial keeps of general English: {told['reason']}")
