"""best.yaml: the recipe that was searched with the best trial as one arm more, and what that got on test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os.path import relpath
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

from pipeline.common.files import read_json
from pipeline.common.printable import many
from pipeline.common.results import Estimate
from pipeline.common.yaml import flat
from pipeline.machine.recipe import SHIPPED, Recipe, Settings
from pipeline.machine.stage import Run
from pipeline.machine.store import Store
from pipeline.search.results import Found, Tested, Tried
from pipeline.search.trials import Asked


def written(told: Found, recipe: Recipe, folder: Path, said: str) -> str:
    """The recipe that was searched with one arm more, the best trial, as it is to lie in ``folder``.

    What that arm takes is in the store already. ``said``: its figures, for who reads the file.
    """
    chosen = next(trial for trial in told["trials"] if trial["number"] == told["best"])
    arm, name = told["arm"], arm_of(recipe)
    shared, own = map(by_path, (recipe.shared, recipe.arms[arm]))
    differs = {path: value for path, value in own.items() if shared.get(path, ...) != value}
    below = recipe.file.parent
    extends = recipe.file.stem if below == SHIPPED else relpath(recipe.file.resolve(), folder.resolve())
    content = {
        "name": name_of(told["name"]),
        "extends": extends,
        **_nested({path: value for path, value in recipe.changes.items() if path != "name"}),
    }
    content = _merged(content, {"arms": {name: _nested(differs | chosen["values"])}})
    report: Any = recipe.shared.get("report")
    if report:
        before = report.searched.trials if report.searched else 0  # of a search of what another search found
        judged = sum(not trial["outcome"]["problem"] for trial in told["trials"])
        searched = {"arm": name, "against": arm, "trials": before + judged}
        final = {"final_arm": name} if report.final_arm else {}
        content = _merged(content, {"report": {"searched": searched, **final}})
    asked, of = f"{100 * told['budget']:g}% of general English", f"# Of {many(len(told['trials']), 'trial')}"
    comment = f"{of} the best on dev that keeps {asked}:" if told["within"] else f"{of} none is shown to keep {asked}:"
    comment += f"\n# trial {told['best']}, {said}.\n"
    return comment + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=118)


def by_path(settings: Settings) -> dict[str, Any]:
    """All settings by path."""
    return flat({stage: own.model_dump(mode="json") for stage, own in settings.items()})


def name_of(study: str) -> str:
    """The name of the best's recipe."""
    return f"{study[:59]}-best"


def arm_of(recipe: Recipe) -> str:
    """A name for its arm that the recipe has not."""
    return next(name for name in ("best", *(f"best{count}" for count in range(2, 100))) if name not in recipe.arms)


def tested(asked: Asked, chosen: Tried) -> Tested | None:
    """What best.yaml got on test, where it has been run with this very trial."""
    runs = Store(asked.store).runs(name_of(asked.name))
    sides = {"recipe": asked.arm, "best": arm_of(asked.recipe)}
    used = {side: [runs.get(str(Run(arm, seed)), {}) for seed in asked.recipe.seeds] for side, arm in sides.items()}
    ended = [f"{asked.until}/{each.get(asked.until, '')[:16]}" for each in used["best"]]
    folders = {side: [asked.store / "evaluate" / each.get("evaluate", "none")[:16] for each in of]
               for side, of in used.items()}  # fmt: skip
    scores = {side: [folder / "scores.json" for folder in of] for side, of in folders.items()}
    if ended != chosen["outcome"]["artifacts"] or not all(file.is_file() for of in scores.values() for file in of):
        return None
    return {"recipe": _scored(scores["recipe"]), "best": _scored(scores["best"])}


def _scored(files: Sequence[Path]) -> Estimate:
    """Macro-recall on test, the mean over corpora and seeds; with its interval where there is one of each."""
    scored = [each["model"]["macro_recall"] for file in files for each in read_json(file)["corpora"].values()]
    if len(scored) == 1:
        return {key: scored[0][key] for key in ("value", "low", "high", "n")}  # type: ignore[return-value]
    return {"value": mean(each["value"] for each in scored), "low": None, "high": None,
            "n": sum(each["n"] for each in scored) // len(files)}  # fmt: skip


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted path as the sections of a recipe."""
    content: dict[str, Any] = {}
    for path, value in values.items():
        *above, last = path.split(".")
        inner = content
        for key in above:
            inner = inner.setdefault(key, {})
        inner[last] = value
    return content


def _merged(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = {key: _merged(below[key], value) for key, value in above.items()
            if isinstance(value, Mapping) and isinstance(below.get(key), dict)}  # fmt: skip
    return {**below, **above, **both}
