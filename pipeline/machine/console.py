"""What people see in the terminal: a line per stage and arm, where everything stands, what a stage made."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.table import Table
from rich.text import Text

from pipeline.common.errors import InputError
from pipeline.common.program import typed
from pipeline.common.validation import settings_of
from pipeline.common.yaml import as_plain, flat
from pipeline.machine.lock import holders
from pipeline.machine.plan import Plan, Standing
from pipeline.machine.recipe import named
from pipeline.machine.runner import Step
from pipeline.machine.stage import Run, Stage
from pipeline.machine.store import Store

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """Take out the control characters with which a text could steer a terminal."""
    return CONTROLS.sub("", text)


def console() -> Console:
    """Where results are printed. Text is text: nothing in it is taken for mark-up."""
    wide = None if sys.stdout.isatty() else 1000  # a file or a pipe gets each row on one line
    return Console(markup=False, highlight=False, emoji=False, soft_wrap=True, width=wide)


def say(text: str) -> None:
    """Print what went wrong, or is worth knowing, on stderr, over the line of a stage that is running."""
    erase = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{erase}{clean(text)}", file=sys.stderr)


def show_warnings() -> None:
    """Let what stages and rooms warn about reach the terminal, one line each."""

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say(f"warning: {record.getMessage()}")

    for name in ("pipeline", "stages"):
        logging.getLogger(name).handlers = [Lines(logging.WARNING)]


def show_step(plan: Plan, step: Step) -> None:
    """Print one line per stage and run; while it runs, on a terminal, a line that the next one replaces."""
    screen = console()
    width = max([len("all arms"), *(len(run_label(plan, run)) for run in plan.recipe.runs)])
    line = Text(f"{step.stage.name:<10} {run_label(plan, step.run):<{width}}  ")
    why = f"  ({'first time' if step.why == 'never run' else clean(step.why)})" if step.why else ""
    if step.state == "running":
        if screen.is_terminal:
            line.append(f"running{why}", style="yellow")
            line.truncate(screen.width - 1)
            screen.print(line, end="\r")
        return
    if screen.is_terminal:
        screen.control(Control((ControlType.ERASE_IN_LINE, 2)))
    if step.state == "done":
        line.append(f"done in {duration(step.seconds)}", style="green").append(why, style="dim")
    elif step.state == "shared":
        line.append(f"shared with {run_label(plan, step.shared_with)}", style="dim")
    else:
        line.append("reused", style="dim")
    screen.print(line)
    wanted = step.made and not (step.stage.tell_once and step.state == "shared")
    for news in step.stage.tell(step.folder) if step.stage.tell and step.folder and wanted else ():
        screen.print(Text(f"{'':<10} {run_label(plan, step.run):<{width}}  {clean(news)}", style="bold"))


def show_standings(plan: Plan, standings: Iterable[Standing], *, would: bool = False) -> None:
    """Print a table of stages, arms and reasons; neighbouring arms with the same state share a row.

    ``would``: also what a run would do, of which arms, how many times. A stage that waits may yet be reused, if what it
    waits for comes out the same.
    """
    seeds = plan.recipe.seeds
    everyone = ", ".join(plan.recipe.arms) + (f"; seeds {', '.join(map(str, seeds))}" if seeds[1:] else "")
    for busy in holders(plan.store.locks):
        console().print(Text(f"running now: {clean(busy)}", style="yellow"))
    if not would:
        console().print(Text(f"recipe {clean(plan.recipe.name)}"))
    columns = ["stage", "arms", *(["would"] if would else []), "state"]
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for (name, why), group in groupby(standings, key=lambda each: (each.stage.name, each.why)):
        members = list(group)
        runs = [each.run for each in members]
        every = runs == [None] or len(runs) == len(plan.recipe.runs)
        who = (everyone if would else "all") if every else ", ".join(run_label(plan, run) for run in runs)
        state = Text(clean(why), style="yellow") if why else Text("fresh", style="green")
        times = len({plan.piece(each.stage, each.run) for each in members})
        does = f"run {times} times" if times > 1 else "run once"
        table.add_row(Text(name), Text(who), *([Text(does if why else "reuse")] if would else []), state)
    console().print(table)


def show_others(plan: Plan) -> None:
    """Where the store has no run of the recipe, say of which it has, of those that are found by their names."""
    others = [] if plan.store.runs(plan.recipe.name) else [each for each in plan.store.recipes() if named(each)]
    if others:
        last = typed(f"make status RECIPE={others[0]}")
        say(f"recipe {plan.recipe.name}: no run in store {plan.store.root}; of {', '.join(others)} it has: `{last}`")


def standings_data(plan: Plan, standings: Iterable[Standing]) -> dict[str, Any]:
    """Return what ``status --json`` prints."""
    return {
        "recipe": plan.recipe.name,
        "store": str(plan.store.root),
        "running": holders(plan.store.locks),
        "stages": [
            {
                "stage": each.stage.name,
                "arm": each.run.arm if each.run else None,
                "seed": each.run.seed if each.run else None,
                "state": "stale" if each.why else "fresh",
                "why": each.why or None,
                "artifact": str(each.artifact.folder) if each.artifact else None,
            }
            for each in standings
        ],
    }


def show_latest(store: Path) -> None:
    """Print the last report's summary, and where it and the model are.

    Raises:
        InputError: if no run has come to its end yet.
    """
    summary = store / "latest" / "summary.txt"
    if not summary.is_file():
        raise no_report(store)
    console().print(Text(clean(summary.read_text("utf-8"))))
    show_ways(store)


def no_report(store: Path) -> InputError:
    """What to say where no run of a store has come to its end: how to begin one, or who is at work on one."""
    busy = holders(Store(store).locks)
    said = f"one is being made by {busy[0]}" if busy else f"make one with `{typed('make all')}`"
    return InputError(f"store {store}: no report yet; {said}")


def show_ways(store: Path) -> None:
    """Print where the report and the model are, and where they stay when another recipe moves ``latest``, if it can."""
    for thing, name in (("report", "report.html"), ("model", "model")):
        if (store / "latest" / name).exists():
            console().print(Text(f"{thing:<7} {store / 'latest' / name}", style="bold"))
    if (store / "latest").is_symlink():  # a store that was copied may have a folder there
        console().print(Text(f"kept in {store / (store / 'latest').readlink()}", style="dim"))


def show_stage(plan: Plan, stage: Stage, standings: Iterable[Standing]) -> None:
    """Print a stage's settings, arm by arm where they differ, and what it made."""
    screen = console()
    screen.print(Text(stage.title, style="bold"))
    table = Table("setting", "value", box=None, pad_edge=False, header_style="bold")
    table.add_column("what it is [takes]", max_width=80)
    for name, takes, meaning in settings_of(stage.settings_type):
        table.add_row(name, _values(plan, stage, name), Text(f"{meaning} [{takes}]"))
    screen.print(table)
    here = [each for each in standings if each.stage == stage]
    for why, group in groupby(here, key=lambda each: each.why or each.artifact):
        each, *_ = members = list(group)
        who = ", ".join(run_label(plan, member.run) for member in members)
        screen.print(Text(f"\n{who}: {'' if each.artifact else clean(str(why))}"))
        if each.artifact:
            manifest: Mapping[str, Any] = each.artifact.manifest
            screen.print(Text(f"  {each.artifact.folder}, made in {duration(manifest['seconds'])}"))
            for name, facts in manifest["files"].items():
                screen.print(Text(f"  {facts['bytes']:>12,} bytes  {clean(name)}"))


def _values(plan: Plan, stage: Stage, name: str) -> Text:
    def value(settings: Any) -> str:
        return clean(as_plain(flat(settings.model_dump(mode="json"))[name]))

    shared = value(plan.recipe.shared[stage.name])
    arms = {arm: value(settings[stage.name]) for arm, settings in plan.recipe.arms.items()}
    return Text("\n".join([shared, *(f"{arm}: {each}" for arm, each in arms.items() if each != shared)]))


def run_label(plan: Plan, run: Run | None) -> str:
    """Name a run for people: the arm, with its seed where there are several."""
    if run is None:
        return "all arms"
    return run.arm if len(plan.recipe.seeds) == 1 else str(run)


def duration(seconds: float) -> str:
    """Write a duration as people say it: ``0.4 s``, ``12 s``, ``3 min 20 s``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
