"""Runs of a store over time, and two of them side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.common.errors import InputError
from pipeline.machine import cli, console
from pipeline.machine.fingerprint import usual_settings
from pipeline.machine.store import STORE


def compare(
    context: typer.Context,
    a: Annotated[str, typer.Argument(help="A run: a number or recipe of `history`, or a folder with a report.json.")],
    b: Annotated[str, typer.Argument(help="The run to set beside it.")],
    store: cli.StoreOption = STORE,
) -> None:
    """Set two runs side by side: scores, general English kept, verdicts that changed, settings that differ."""
    from pipeline.measuring.runs import two_runs
    from pipeline.report import comparison, history

    (file_a, report_a), (file_b, report_b) = (comparison.read(history.find(name, store)) for name in (a, b))
    try:
        folders = _evaluated(file_a, report_a), _evaluated(file_b, report_b)
        apart = two_runs.differences(report_a, report_b, folders)
        figures = two_runs.figures(report_a), two_runs.figures(report_b)
        shown = comparison.compared(report_a, report_b, figures, apart, usual_settings(context.obj))
    except (LookupError, TypeError, ValueError, AttributeError) as problem:
        raise InputError(
            f"reports {file_a} and {file_b}: one is not as Retone writes it ({type(problem).__name__}: {problem}); "
            "make it again"
        ) from problem
    names = [
        f"{report['name']}, recipe {report.get('recipe', '?')}  ({file})"
        for file, report in ((file_a, report_a), (file_b, report_b))
    ]
    print(console.clean(comparison.text(names, shown)))


def history(context: typer.Context, store: cli.StoreOption = STORE) -> None:
    """List the runs of a store: recipe, headline figures, settings that differ. `compare` takes its numbers."""
    from pipeline.report import history

    known = history.runs(store)
    if not known:
        raise console.no_report(store)
    print(history.text(known, usual_settings(context.obj)))


def _evaluated(file: Path, report: Mapping[str, Any]) -> dict[str, list[Path]]:
    """The evaluate folders behind a report, where it lies in its store: a list of seeds by arm."""
    store, found = file.resolve().parent.parent.parent / "evaluate", {}
    for arm, stages in report.get("fingerprints", {}).items():
        folders = [store / str(fingerprint)[:16] for fingerprint in stages.get("evaluate", {}).values()]
        if folders and all(folder.is_dir() for folder in folders):
            found[arm] = folders
    return found
