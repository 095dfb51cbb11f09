"""The commands that work on any story: run it, say where it stands, show what it made."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from errno import ENAMETOOLONG
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from pipeline.common import program
from pipeline.common.errors import InputError
from pipeline.machine import console, runner
from pipeline.machine.plan import Plan, survey
from pipeline.machine.recipe import load_recipe, parse_changes
from pipeline.machine.runner import StageFailedError, Step
from pipeline.machine.stage import Stage
from pipeline.machine.store import STORE, Store
from pipeline.machine.workers import ENGINES, Workers, engine

RecipeOption = Annotated[str, typer.Option("--recipe", help="Recipe file, or the name of one that ships.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="STAGE.KEY=VALUE",
        help="As if the recipe were edited there: finetune.learning_rate=5e-5, arms.naive.finetune.freezing.layers=1, "
        "seeds=[0,1]. Several times, or several with spaces between.",
    ),
]
ArmOption = Annotated[list[str] | None, typer.Option("--arm", help="Only this arm (several times for several).")]
StoreOption = Annotated[Path, typer.Option("--store", help="Folder of all results.")]
DataRootOption = Annotated[Path | None, typer.Option("--data-root", help="Folder with data that cards name.")]
JobsOption = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        min=1,
        envvar="RETONE_JOBS",
        help="Arms and seeds side by side; by default one a processor, 4 at most, and 1 where there is a GPU; on a "
        "cluster as many as it has room for.",
    ),
]
EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        help=f"Who makes them: {', '.join(ENGINES)}; with what a task takes: ray:cpus=2,gpus=1,memory=8 (GB).",
    ),
]
StageArgument = Annotated[str | None, typer.Argument(help="A stage; without it, the whole story.")]


def build(story: Sequence[Stage]) -> typer.Typer:
    """Make the command line of a story, without the verbs that need the craft."""
    app = typer.Typer(
        name=program.name(),
        add_completion=program.installed(),
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        help="Add --debug to any command to see where an error came from.",
        context_settings={"obj": tuple(story)},
    )
    for verb in (run, status, show):
        app.command()(verb)
    return app


def run(
    context: typer.Context,
    stage: StageArgument = None,
    recipe: RecipeOption = "starter",
    changes: SetOption = None,
    data_root: DataRootOption = None,
    arm: ArmOption = None,
    force: Annotated[bool, typer.Option("--force", help="Make the stage (or all) anew.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would run, and why.")] = False,
    jobs: JobsOption = None,
    engine_name: EngineOption = "local",
    store: StoreOption = STORE,
) -> None:
    """Run the story, or one stage and what it needs. What is up to date is reused."""
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise InputError(
            f"run: one of {os.environ['WORLD_SIZE']} processes (WORLD_SIZE), which would wait for each other; begin it "
            "alone, or by torchrun, which tells each its place"
        )
    workers = engine(engine_name, jobs, console.show_warnings)
    plan = _plan(context, recipe, rooted(context.obj, changes, data_root), arm, store)
    if dry_run:
        plan.check(stage)
        anew = {stage or each.name for each in plan.story} if force else set()
        standings = [replace(each, why=each.why or "forced") if each.stage.name in anew else each
                     for each in survey(plan, stage)]  # fmt: skip
        console.show_standings(plan, standings, would=True)
    else:
        _run(plan, stage, force=force, workers=workers)


def status(
    context: typer.Context,
    recipe: RecipeOption = "starter",
    changes: SetOption = None,
    data_root: DataRootOption = None,
    arm: ArmOption = None,
    store: StoreOption = STORE,
    as_json: Annotated[bool, typer.Option("--json", help="For programs to read.")] = False,
) -> None:
    """Say for each stage and arm whether it is up to date, or why not. Changes nothing."""
    plan = _plan(context, recipe, rooted(context.obj, changes, data_root), arm, store)
    standings = survey(plan)
    if not store.exists():
        console.say(f"store {store}: not there yet; `{program.typed('make all')}` makes it")
    if as_json:
        print(json.dumps(console.standings_data(plan, standings), indent=1, ensure_ascii=False))
    else:
        console.show_standings(plan, standings)
        console.show_others(plan)


def show(
    context: typer.Context,
    stage: Annotated[
        str | None, typer.Argument(help="A stage; without it, the last report, of whatever recipe.")
    ] = None,
    recipe: RecipeOption = "starter",
    changes: SetOption = None,
    data_root: DataRootOption = None,
    arm: ArmOption = None,
    store: StoreOption = STORE,
) -> None:
    """Show the last report; of a stage, its settings and what it made."""
    if stage is None:
        console.show_latest(store)
    else:
        plan = _plan(context, recipe, rooted(context.obj, changes, data_root), arm, store)
        console.show_stage(plan, plan.stages(stage)[-1], survey(plan, stage))


def main(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run a command line; every error is one line on stderr. Returns the exit code.

    0 done, 1 something broke, 2 something given cannot be used, 130 Ctrl-C, 143 SIGTERM.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug, given = "--debug" in given, [each for each in given if each != "--debug"] or ["--help"]
    signal.signal(signal.SIGTERM, _terminate)
    console.show_warnings()
    try:
        return int(app(given, standalone_mode=False, prog_name=program.name()) or 0)
    except typer.Abort:
        return 130
    except BrokenPipeError:  # the reader went away, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if debug:
            traceback.print_exc()
        code, text = _explained(error)
        console.say(text)
        return code


def _explained(error: Exception) -> tuple[int, str]:
    """Exit code and line for whatever ended a command."""
    if isinstance(error, TyperException):
        return error.exit_code, f"{error.format_message().rstrip('.')}. See {program.name()} --help."
    codes: dict[type[Exception], int] = {InputError: 2, StageFailedError: 1}
    if type(error) in codes:
        return codes[type(error)], str(error)
    if isinstance(error, OSError) and error.errno == ENAMETOOLONG:
        return 2, f"{str(error.filename)[:60]}...: too long for a name; name a file"
    log = STORE / "logs" / f"{datetime.now():%Y%m%d-%H%M%S}.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("".join(traceback.format_exception(error)), "utf-8")
    except OSError:
        return 1, f"{type(error).__name__}: {error}; --debug shows where it came from"
    return 1, f"{type(error).__name__}: {error}; a fault of Retone's own, its traceback is in {log}"


def _terminate(number: int, frame: FrameType | None) -> None:
    del frame
    signal.signal(number, signal.SIG_IGN)  # the same signal often comes twice: from the terminal's group and from make
    raise SystemExit(128 + number)  # unwinds the main thread like Ctrl-C, so that a stage can save what it has


def _plan(context: typer.Context, recipe: str, changes: Mapping[str, Any], arms: list[str] | None, store: Path) -> Plan:
    story: tuple[Stage, ...] = context.obj
    return Plan(story, load_recipe(recipe, story, changes), Store(store), tuple(arms or ()))


def rooted(story: Sequence[Stage], changes: list[str] | None, data_root: Path | None) -> dict[str, Any]:
    """The changes, with ``--data-root`` as one more: a short way to set it where a stage has it."""
    names = [stage.name for stage in story if "data_root" in stage.settings_type.model_fields]
    rooted = {f"{name}.data_root": str(data_root) for name in names if data_root is not None}
    return parse_changes(changes or []) | rooted


def _run(plan: Plan, last: str | None, *, force: bool, workers: Workers) -> None:
    steps: list[Step] = []

    def show(step: Step) -> None:
        steps[:] = [step]
        console.show_step(plan, step)

    try:
        runner.run(
            plan.story,
            plan.recipe,
            until=last,
            arms=plan.arms,
            store=plan.store.root,
            force=force,
            workers=workers,
            observer=show,
            command=shlex.join([*program.name().split(), *sys.argv[1:]]),
        )
    except (KeyboardInterrupt, SystemExit):
        where = "".join(f" in {step.stage.name}" for step in steps if step.state == "running")
        console.say(f"stopped{where}; the same command continues from there")
        raise
    left_out = [stage.name for stage in plan.story if stage.collects and plan.arms and last is None]
    if left_out:
        print(f"left out: {', '.join(left_out)}, for all arms are needed")
    elif plan.closing and last in {None, plan.closing.name}:
        print(f"recipe  {plan.recipe.name}")
        console.show_ways(plan.store.root)
