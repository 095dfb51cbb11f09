"""Two runs side by side: their scores, what they kept, verdicts that changed, and the settings that differ."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.common.errors import InputError
from pipeline.common.files import read_object
from pipeline.common.labels import FLOORS
from pipeline.common.printable import printable
from pipeline.common.settings import completed
from pipeline.common.yaml import flat
from pipeline.drawing import tables
from pipeline.drawing.tables import NOTHING, Cell, Estimate, Report, Table, change, percent
from pipeline.measuring.runs.two_runs import What
from pipeline.report.collect import Usual
from pipeline.report.summary import plain

NEEDED = {"name": str, "ladder": list, "retention": dict, "verdicts": list, "arms": dict}
MEASURES = {
    "macro_recall": "macro-recall",
    "emoji_macro_recall": "macro-recall on emoji texts",
    "masked": "masked words kept",
    "pairs": "minimal pairs kept",
}


def read(path: Path) -> tuple[Path, dict[str, Any]]:
    """The report.json that a path names, or the folder that holds it, and what stands there.

    Raises:
        InputError: there is no report.
    """
    file = path / "report.json" if path.is_dir() else path
    advice = "give a folder with a report.json, such as artifacts/latest"
    try:
        report = read_object(file)
    except OSError:
        raise InputError(f"report {path}: no report.json there; {advice}") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise InputError(f"report {file}: it is no JSON; {advice}") from None
    except ValueError:
        report = {}
    if any(not isinstance(report.get(part), kind) for part, kind in NEEDED.items()):
        raise InputError(f"report {file}: it is JSON, but no report of Retone's; {advice}")
    return file, report


def compared(
    a: Report,
    b: Report,
    figures: tuple[Mapping[What, Estimate], Mapping[What, Estimate]],
    apart: Mapping[What, Estimate],
    usual: Usual,
) -> list[Table]:
    """Tables of two runs; ``figures`` of each by (arm, measure, corpus), and b less a, where both have it."""
    return [*_scores(*figures, apart), verdicts(a, b), settings(a, b, usual)]


def _scores(
    before: Mapping[What, Estimate], now: Mapping[What, Estimate], apart: Mapping[What, Estimate]
) -> list[Table]:
    """A table for each measure and corpus: every arm of either run."""
    every = list(dict.fromkeys([*before, *now]))
    found = []
    for measure, place in dict.fromkeys((measure, place) for _, measure, place in every):
        arms = dict.fromkeys(arm for arm, *where in every if tuple(where) == (measure, place))
        keys = [(arm, measure, place) for arm in arms]
        rows = tuple(
            (Cell(key[0]), percent(before.get(key)), percent(now.get(key)), *_apart(apart.get(key))) for key in keys
        )
        columns = ("arm", "A, %", "B, %", "B − A, points", "items")
        found.append(Table(f"{MEASURES[measure]}, {place}", columns, rows))
    return found


def _apart(difference: Estimate | None) -> tuple[Cell, Cell]:
    if difference is None:
        return NOTHING, NOTHING
    same = f"the same {difference['n']:,}, paired" if difference["paired"] else "unpaired"
    return change(difference), Cell(same)


def verdicts(a: Report, b: Report) -> Table:
    """Verdicts that both runs have and that came out differently."""
    before, now = (
        {_asked(one): str(one["verdict"]) for one in report["verdicts"] if one["verdict"] in tables.CLAIMS}
        for report in (a, b)
    )
    rows = tuple(
        (Cell(f"{arm} against {other}"), Cell(f"{MEASURES.get(measure, measure)}, {place}"),
         _word(word), _word(now[arm, other, measure, place]))
        for (arm, other, measure, place), word in before.items()
        if now.get((arm, other, measure, place), word) != word
    )  # fmt: skip
    shared = sum(key in now for key in before)
    note = f"{len(rows)} of {shared} verdicts that both runs have came out differently."
    return Table("Verdicts that changed", ("verdict on", "in", "A", "B"), rows, note)


def _asked(verdict: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """What a verdict is about, whatever question asked it: an arm, what it is held against, the measure and corpus."""
    other = str(verdict["against"])
    other = f"the {FLOORS.get(other, other)}" if verdict["question"] == "floor" else other
    return str(verdict["arm"]), other, str(verdict["measure"]), str(verdict["place"])


def _word(word: str) -> Cell:
    return Cell(f"{tables.MARKS.get(word, '')} {word}".lstrip())


def settings(a: Report, b: Report, usual: Usual) -> Table:
    """Settings of arms that both runs have, where their values differ; then arms that only one of them has.

    A setting that is newer than a run was at its default in it, as ``usual`` says.
    """
    rows: list[tuple[Cell, ...]] = []
    for arm in (arm for arm in a["arms"] if arm in b["arms"]):
        before, now = (flat(completed(report["arms"][arm].get("settings") or {}, usual)) for report in (a, b))
        for key in dict.fromkeys([*before, *now]):
            if before.get(key) != now.get(key):
                rows.append((Cell(f"{arm}: {key}"), _value(before, key), _value(now, key)))
    for here, there, sides in ((a, b, ("has it", "–")), (b, a, ("–", "has it"))):
        rows += [
            (Cell(f"arm {arm}"), *(Cell(side) for side in sides)) for arm in here["arms"] if arm not in there["arms"]
        ]
    note = "" if rows else "No settings differ."
    return Table("Settings that differ", ("setting", "A", "B"), tuple(rows), note)


def _value(found: Mapping[str, Any], key: str) -> Cell:
    return Cell(json.dumps(found[key], ensure_ascii=False)) if key in found else NOTHING


def text(names: Sequence[str], shown: Sequence[Table]) -> str:
    """The tables for a terminal, below a line that says what A and B are."""
    said = "\n".join(printable(f"{letter}  {name}") for letter, name in zip("AB", names, strict=True))
    return f"{said}\n\n{plain(shown)}"
