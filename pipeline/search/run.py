"""Trial after trial, for as long or as many as are asked: the study's part of ``make search``."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, cast

from pipeline.common.arms import rungs
from pipeline.common.errors import InputError
from pipeline.common.files import remove
from pipeline.common.printable import many
from pipeline.common.yaml import flat
from pipeline.machine.fingerprint import chosen_settings
from pipeline.machine.lock import hold, this_run
from pipeline.machine.plan import Plan
from pipeline.machine.recipe import PLAIN_NAME, Recipe
from pipeline.machine.runner import Step
from pipeline.machine.stage import Stage
from pipeline.machine.store import STORE, Store
from pipeline.machine.workers import LostTaskError, Workers
from pipeline.machine.workers.local import LocalProcesses
from pipeline.search import show, space, trials
from pipeline.search.results import Found, Outcome, failed
from pipeline.search.study import REPEATS, Study

TRIALS = 40
"""Where neither trials nor minutes are asked."""
EARLIEST, LATEST = 0.9, 1.05
"""Shares of the time asked: from the first on nothing is begun that would end after the second, when all is stopped."""
FAILURES = 5
"""In a row, after which the study is at fault and no longer the values."""
RANDOM = 10
"""So many trials are drawn at random, before any sampler learns."""
TELL_SECONDS = 30
"""How long page and best.yaml may be behind the trials."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Limits:
    """When to end."""

    minutes: float | None = None
    trials: int | None = None
    """More of them; neither given: ``TRIALS``."""


def search(
    story: Sequence[Stage],
    recipe: Recipe,
    limits: Limits,
    *,
    arm: str | None = None,
    name: str | None = None,
    until: str = "finetune",
    figures: trials.Figures = trials.tuned,
    store: Path = STORE,
    workers: Workers | None = None,
    observer: Callable[[Step], None] = lambda _: None,
    say: Say = lambda _: None,
    command: str = "",
) -> tuple[Found, Path]:
    """Try settings of one arm of a recipe; return what was found and its folder, ``<store>/search/<name>``.

    There: ``journal.log``, ``search.json``, ``search.html``, ``figures/``, ``tables/`` and ``best.yaml``, renewed
    from time to time and when this ends; ``best.yaml`` only where a trial is better than the recipe as it is.

    Args:
        arm: by default the one whose model is taken away.
        name: of the study, by default the recipe's; one that is there is gone on with.
        figures: what a trial is judged by, of the artifact of ``until``.
        workers: who makes trials, as many at a time as it takes; by default this process.
        observer: told of the steps of the first run, the recipe as it is.

    Raises:
        InputError: a space that is none, another study of that name, too short a time, trials that all fail.
    """
    began = time.monotonic()
    arm, name = arm or default_arm(recipe), name or recipe.name
    if not PLAIN_NAME.fullmatch(name):
        raise InputError(f"study {name!r}: must be letters, digits, - and _")
    plan = Plan(story, recipe, Store(store), [arm])
    plan.check(until)
    settings, dimensions = space.of_plan(plan, until)
    _can_be_judged(recipe, arm, until, settings.budget)
    folder = store / "search" / name
    searched = {path.partition(".")[0] for path in dimensions}
    first = next(stage.name for stage in plan.stages(until) if stage.name in searched)
    asked = trials.Asked(story, recipe, arm, until, store, figures, first, name, this_run())
    with hold(plan.store.locks / f"search-{name}", command or f"search {name}"):
        study = Study(folder, settings, dimensions)
        chosen = {stage.name: chosen_settings(plan.recipe.arms[arm][stage.name]) for stage in plan.stages(until)}
        study.bind(
            "setting", flat({stage: own for stage, own in chosen.items() if own} | {"seeds": list(recipe.seeds)})
        )
        study.bind("range of", {path: each.span.model_dump(mode="json") for path, each in dimensions.items()})
        study.bind("search", settings.model_dump(mode="json", exclude={"settings"}))
        study.bind("version of stage", {stage.name: stage.version for stage in plan.stages(until)})

        def left(share: float = LATEST) -> float | None:
            return None if limits.minutes is None else limits.minutes * 60 * share - (time.monotonic() - began)

        reference: Outcome | None = None
        told = time.monotonic()
        try:
            with _time_up_after(left()), workers or LocalProcesses() as team:
                first_run = trials.make(trials.Trial(asked), observer, cast(Workers, nullcontext(team)))
                if first_run["problem"]:
                    raise InputError(first_run["problem"])
                study.bind("artifact", {"of the recipe as it is": first_run["artifacts"]})
                reference = first_run
                timed = limits.trials is None and limits.minutes is not None
                count = None if timed else study.aim(TRIALS if limits.trials is None else limits.trials)
                say(show.line(None, {}, reference))
                say(_forecast(study, reference, count, left(), team.free))
                try:
                    for _ in _trials(study, asked, reference, count, left, team, say):
                        if time.monotonic() - told > TELL_SECONDS:
                            show.write(show.found(study, asked, reference), asked, folder)
                            told = time.monotonic()
                except (KeyboardInterrupt, SystemExit):
                    study.stop()
                    raise
        finally:
            if reference:
                found = show.found(study, asked, reference)
                show.write(found, asked, folder)
        if not reference:
            raise InputError(f"{limits.minutes:g} minutes were too few for the recipe as it is; the same again goes on")
    return found, folder


def _can_be_judged(recipe: Recipe, arm: str, until: str, budget: float) -> None:
    """Refuse what would only be known after the first training, or would never be noticed."""
    own = recipe.arms[arm]
    frontier: Any = getattr(own[until], "frontier", None)
    where = f"recipe {recipe.name}, {arm}: "
    if frontier is not None and not frontier.points:
        raise InputError(
            f"{where}finetune.frontier.points is 0, and nothing else tells what a trial keeps of general English; "
            'SET="finetune.frontier.points=2" has it measured'
        )
    if frontier is not None and frontier.budget not in {None, budget}:
        raise InputError(
            f"{where}search.budget is {budget:g}, and finetune.frontier.budget, by which the model of each trial is "
            f"chosen, {frontier.budget:g}; give both the same"
        )
    if getattr(own.get("prepare"), "folds", 1) > 1:
        raise InputError(
            f"{where}with prepare.folds the dev texts of one fold are test texts of another, and would choose what "
            'they are to judge; SET="prepare.folds=1" searches with test texts set apart'
        )


def default_arm(recipe: Recipe) -> str:
    """The arm whose model is taken away."""
    return rungs(recipe.shared["report"], recipe.arms)[1] if "report" in recipe.shared else list(recipe.arms)[-1]


def _trials(
    study: Study,
    asked: trials.Asked,
    reference: Outcome,
    count: int | None,
    left: Callable[[float], float | None],
    team: Workers,
    say: Say,
) -> Iterator[None]:
    """Make trials until there are so many, or the next would end too late; a step whenever some came to an end.

    ``left``: seconds until a share of the time asked is over.

    Failures are told to the study once another trial has not failed: until then they may be no fault of their values.
    """
    begun, used_up = 0, False
    failures: list[tuple[int, Outcome]] = []

    def wanted() -> bool:
        early, late = left(EARLIEST), left(LATEST)
        over = early is not None and late is not None and early < 0 and late < _expected(study, reference)
        return not over and not used_up and (count is None or begun < count)

    while True:
        with _stopping(study):
            trials.unchanged(asked)
        tasks: list[trials.Trial] = []
        while len(tasks) < team.free and wanted():
            alone = study.was_lost
            if alone and (tasks or team.pending):
                break  # what may kill its process kills no other
            proposed = study.ask_new()
            if proposed is None:
                used_up = True
                say(f"the last {REPEATS} proposals had been tried before: there is nothing left in this space")
                break
            tasks.append(trials.Trial(asked, *proposed))
            begun += 1
            if alone:
                break
        team.begin(trials.make, tasks)
        if not team.pending:
            for number, outcome in failures:
                study.tell(number, outcome)
            return
        try:
            finished = team.finished()
        except LostTaskError as lost:
            finished = [(lost.task, failed(lost))]
        for trial, outcome in finished:
            say(show.line(trial.number, trial.values, outcome))
            failures.append((cast(int, trial.number), outcome))
            if not outcome["problem"]:
                for number, of_it in failures:
                    study.tell(number, of_it)
                failures = []
            with _stopping(study):
                if len(failures) == FAILURES:
                    problem = outcome["problem"]
                    raise InputError(f"search: {FAILURES} trials in a row failed; the last one: {problem}")
        _spare(study, reference, asked.store)
        yield


@contextmanager
def _stopping(study: Study) -> Iterator[None]:
    """What is refused inside is no fault of the values that are being tried: they are tried again."""
    try:
        yield
    except InputError:
        study.stop()
        raise


def _expected(study: Study, reference: Outcome) -> float:
    """Seconds that a trial takes."""
    spent = [trial["outcome"]["seconds"] for trial in study.tried() if not trial["outcome"]["problem"]]
    return mean(spent) if spent else reference["seconds"]


def _forecast(study: Study, reference: Outcome, count: int | None, seconds: float | None, jobs: int) -> str:
    """What is about to happen, in a line."""
    there, each = len(study.tried()), max(0.1, _expected(study, reference))
    fit = count if seconds is None else max(0, int(seconds / each * jobs))
    more = min(most for most in (fit, count) if most is not None)
    before = f"{many(there, 'trial')} {'is' if there == 1 else 'are'} there; " if there else ""
    few = "; so few are drawn at random, and seldom beat the recipe" if 0 < there + more <= RANDOM else ""
    return f"{before}a trial takes some {each:.0f} s: about {more} more, in {more * each / 60 / jobs:.0f} minutes{few}"


def _spare(study: Study, reference: Outcome, store: Path) -> None:
    """Take away the models of trials that no longer stand on the front, unless a recipe's runs use them, too."""
    _, *tried = show.ranked([show.the_recipe(reference, {}), *study.tried()])
    kept = {name for trial in tried if trial["front"] for name in trial["outcome"]["artifacts"]}
    best = show.best_of(tried, study.search.budget)
    kept |= set(best["outcome"]["artifacts"]) if best else set()
    recipes = [name for name in Store(store).recipes() if not name.startswith("search-")]
    used = {f"{stage}/{print_[:16]}" for recipe in recipes for run in Store(store).runs(recipe).values()
            for stage, print_ in run.items()}  # fmt: skip
    for name in {name for trial in tried for name in trial["outcome"]["made"]} - kept - used:
        remove(store / name)


@contextmanager
def _time_up_after(seconds: float | None) -> Iterator[None]:
    """End what is inside after so many seconds, as SIGTERM and Ctrl-C would.

    A training that runs in this process saves a checkpoint first, and so do those of other processes, by ``Workers``.
    """
    over = False

    def ring(_number: int, _frame: Any) -> None:
        nonlocal over
        over = True
        signal.raise_signal(signal.SIGTERM)

    def end(number: int, _frame: Any) -> None:
        if over:
            raise KeyboardInterrupt  # the one exception that Ray, where it waits, lets through
        signal.signal(number, before)
        signal.raise_signal(number)

    if seconds is None:
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    earlier = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(0.01, seconds))
    try:
        yield
    except KeyboardInterrupt:
        if not over:
            raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)
        signal.signal(signal.SIGTERM, before)
