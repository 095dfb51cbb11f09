"""The best settings in the time there is."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.common import program
from pipeline.common.errors import InputError
from pipeline.common.validation import nearest
from pipeline.machine import cli, console, workers
from pipeline.machine.plan import Plan
from pipeline.machine.recipe import load_recipe
from pipeline.machine.store import STORE, Store


def search(
    context: typer.Context,
    recipe: cli.RecipeOption = "starter",
    changes: cli.SetOption = None,
    data_root: cli.DataRootOption = None,
    arm: Annotated[str | None, typer.Option("--arm", help="Arm to search; by default the final one.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="End by then, with the best found so far.")] = None,
    trials: Annotated[int | None, typer.Option(min=0, help="So many more; 40 where no minutes are given.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Of the study; by default the recipe's.")] = None,
    jobs: cli.JobsOption = None,
    engine: cli.EngineOption = "local",
    store: cli.StoreOption = STORE,
) -> None:
    """Search a recipe's settings by dev macro-recall and general English kept. Again, it goes on where it was."""
    from pipeline.search import run, show

    checked = load_recipe(recipe, context.obj, cli.rooted(context.obj, changes, data_root))
    if arm is not None and arm not in checked.arms:
        raise InputError(f"arm {arm}: unknown in recipe {checked.name}; {nearest(arm, checked.arms)}")
    team = workers.engine(engine, jobs, console.show_warnings)
    plan = Plan(context.obj, checked, Store(store))
    try:
        found, folder = run.search(
            context.obj,
            checked,
            run.Limits(minutes, trials),
            arm=arm,
            name=name,
            store=store,
            workers=team,
            observer=lambda step: console.show_step(plan, step),
            say=lambda line: print(console.clean(line), flush=True),
            command=f"{program.name()} search",
        )
    except (KeyboardInterrupt, SystemExit):
        console.say("stopped; the same command continues from there")
        raise
    print(show.lead(found))
    print(f"page    {folder / 'search.html'}")
    if found["best"] is not None and not found["tested"]:
        same = "" if recipe == "starter" else f" RECIPE={recipe}"
        print(f"best    trial {found['best']}; make all RECIPE={folder / 'best.yaml'} tests it, and then `make search"
              f"{same} TRIALS=0` sets dev and test side by side")  # fmt: skip
