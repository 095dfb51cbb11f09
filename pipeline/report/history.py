"""The runs of a store that came to a report, oldest first: what each was, how its settings differ, what it scored."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.errors import InputError
from pipeline.common.files import read_object
from pipeline.common.printable import printable
from pipeline.drawing import tables
from pipeline.drawing.tables import NOTHING, Cell, Report, Table
from pipeline.report import comparison
from pipeline.report.collect import Usual
from pipeline.report.summary import plain

SHOWN = 6
"""Settings of a run that are told; ``compare`` has all."""


class Past(NamedTuple):
    """One run: its folder, when it came to its end (UTC, ``2026-01-31 10:00``), and its report.json."""

    folder: Path
    finished: str
    report: Report


def runs(store: Path) -> list[Past]:
    """The runs whose reports lie in a store, the oldest first; what cannot be read as one is left out."""
    found = []
    for folder in (store / "report").glob("*"):
        if re.fullmatch("[0-9a-f]{16}", folder.name):
            try:
                finished = str(read_object(folder / "manifest.json")["finished"])
                found.append(Past(folder, finished[:16].replace("T", " "), comparison.read(folder)[1]))
            except (OSError, ValueError, LookupError, InputError):
                continue
    return sorted(found, key=lambda past: (past.finished, past.folder.name))


def find(name: str, store: Path) -> Path:
    """What ``compare`` is given: a path with a report, or of the store's runs a number, a recipe's last one, a folder.

    Raises:
        InputError: nothing there is called so.
    """
    if (Path(name) / "report.json").is_file() or Path(name).is_file() or len(Path(name).parts) > 1:
        return Path(name)
    known = runs(store)
    if name.isdecimal() and 0 < int(name) <= len(known):
        return known[int(name) - 1].folder
    named = [past.folder for past in known if past.report.get("recipe") == name]
    named = named or [past.folder for past in known if len(name) >= 4 and past.folder.name.startswith(name)]
    if named:
        return named[-1]
    said = f"1 to {len(known)}, or a recipe of `history`'s" if known else "none yet"
    raise InputError(f"run {name}: no report.json there, and no run of {store} is called so ({said})")


def text(known: Sequence[Past], usual: Usual) -> str:
    """A table for a terminal, and below it for each run the settings that differ from the run before it.

    That is the last one of the same recipe, or, of a recipe's first, the one above.
    """
    columns = ("run", "recipe", "finished, UTC", "arm", "macro-recall, %", "on emoji texts, %", "masked words kept, %")
    table = Table("Runs", columns, tuple(_row(number, past) for number, past in enumerate(known, start=1)))
    lines = [printable(line) for number in range(1, len(known)) for line in _told(known, number, usual)]
    return "\n".join([plain([table]), *(["", "Settings that differ", *lines] if lines else [])])


def _row(number: int, past: Past) -> tuple[Cell, ...]:
    report, arm = past.report, past.report["final_arm"]
    rung = next((each for each in report["ladder"] if each["arm"] == arm), report["ladder"][-1])
    scores: dict[str, Any] = next(iter(rung["scores"].values()), {})
    masked = next((place for place in tables.retention_places(report) if place[0] == "masked"), None)
    return (
        Cell(str(number)),
        Cell(f"{report.get('recipe', '?')} ({past.folder.name[:8]})"),
        Cell(past.finished),
        Cell(f"{arm}, last of {len(report['ladder'])}" if arm == report["ladder"][-1]["arm"] else arm),
        *(tables.percent(scores.get(measure)) for measure in ("macro_recall", "emoji_macro_recall")),
        tables.percent(tables.kept(report, arm, *masked)) if masked else NOTHING,
    )


def _told(known: Sequence[Past], place: int, usual: Usual) -> Iterator[str]:
    now = known[place].report
    same = [each for each in range(place) if known[each].report.get("recipe") == now.get("recipe")]
    other = same[-1] if same else place - 1
    differing = differences(known[other].report, now, usual)
    yield f"  {place + 1} against {other + 1}: {differing[0] if differing else 'none'}"
    yield from (f"      {each}" for each in differing[1:SHOWN])
    if len(differing) > SHOWN:
        yield f"      and {len(differing) - SHOWN} more: compare {other + 1} {place + 1}"


def differences(before: Report, now: Report, usual: Usual) -> list[str]:
    """Settings in which two runs differ, a line each, with the arms where it is not all that both have."""
    both = [arm for arm in before["arms"] if arm in now["arms"]]
    changed: dict[str, list[str]] = {}
    for name, was, becomes in comparison.settings(before, now, usual).rows:
        arm, _, key = name.text.partition(": ")
        fate = "gone" if becomes.text == NOTHING.text else "new"  # of an arm that one run alone has
        changed.setdefault(f"{key}: {was.text} → {becomes.text}" if key else f"{arm}: {fate}", []).append(arm)
    return [
        line if arms == both or line.startswith("arm ") else f"{line} ({', '.join(arms)})"
        for line, arms in changed.items()
    ]
