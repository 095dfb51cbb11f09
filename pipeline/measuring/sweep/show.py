"""The arms along one setting as a picture; with labels, how errors fall and whether fewer of them foretold it."""

from __future__ import annotations

import numpy as np

from pipeline.drawing import tables
from pipeline.drawing.curves import Curve, curves
from pipeline.drawing.svg import ACCENT, MUTED, OTHER, Picture
from pipeline.drawing.tables import Cell, Estimate, Report, Table
from pipeline.measuring.sweep.score import LABELS, shown


def pictures(report: Report) -> list[Picture]:
    """Macro-recall and general English kept over the setting, a picture a review corpus; none without a sweep."""
    sweep, places = report["sweep"], tables.retention_places(report)
    if not sweep:
        return []
    drawn = []
    for index, corpus in enumerate(tables.reviews(report)):
        sides = {f"macro-recall on {corpus}": (ACCENT, {rung["arm"]: rung["scores"][corpus]["macro_recall"]
                                                       for rung in report["ladder"]})}  # fmt: skip
        if places:
            name = f"general {tables.english(report)} kept{tables.whose(report)}"
            sides[name] = (OTHER, {arm: tables.kept(report, arm, *places[0]) for arm in sweep["values"]})
        found = [_curve(label, colour, sweep["values"], figures) for label, (colour, figures) in sides.items()]
        labels = sweep["setting"] == LABELS
        name = f"sweep-{index}"
        drawing = curves([*found, *_law(report, corpus)], name=name, across=sweep["setting"], upwards="%",
                         logarithmic=labels)  # fmt: skip
        drawn.append(Picture(name, f"Along {sweep['setting']}, {corpus}", "Bands: 95% intervals, on test.", drawing))
    return drawn


def _curve(label: str, colour: str, places: dict[str, float], figures: dict[str, Estimate | None]) -> Curve:
    ordered = sorted((arm for arm in places if _settled(figures.get(arm))), key=places.__getitem__)
    ends = {end: [100 * figures[arm][end] for arm in ordered] for end in ("value", "low", "high")}  # type: ignore[index]
    said = [f"{arm}: {label} {tables.percent(figures[arm]).line}" for arm in ordered]
    across = [places[arm] for arm in ordered]
    return Curve(label, colour, across, ends["value"], said, ends["low"], ends["high"])


def _settled(figure: Estimate | None) -> bool:
    return figure is not None and None not in (figure["value"], figure["low"], figure["high"])


def _law(report: Report, corpus: str) -> list[Curve]:
    law, amounts = report["sweep"]["laws"].get(corpus), report["sweep"]["values"].values()
    if not law:
        return []
    places = np.geomspace(min(amounts), max(amounts), 20).tolist()
    return [Curve("power law", MUTED, places, [100 * value for value in shown(places, law)], ())]


def sentences(report: Report) -> list[tuple[str, str]]:
    """By corpus, how errors fall with labels, and what half of the rest would take."""
    said = []
    for corpus, law in (report["sweep"] or {"laws": {}})["laws"].items():
        rate = tables.amount(law["rate"])
        most = max(report["sweep"]["values"].values())
        half = law["half"]
        if half["value"] is None:
            takes = "no number of labels in reach would halve the rest"
        else:
            low, high = (f"{half[end]:,.0f}" if half[end] else None for end in ("low", "high"))
            ends = f"{low} to {high}" if high else f"{low} at least"
            takes = f"half of the rest would take some {half['value']:,.0f} labels ({ends}), where {most:,.0f} are"
        said.append((corpus, f"with n labels errors fall as n to the power of −{rate.line}; {takes}."))
    return said


def foretold(report: Report, corpus: str) -> Table:
    """A row an arm of the upper half: what curves through the lower half say of it, and what was measured."""
    sweep = report["sweep"] or {"laws": {}}
    law, rows = sweep["laws"].get(corpus), []
    for one in law["foretold"] if law else []:
        (measured,) = (rung["scores"][corpus]["macro_recall"] for rung in report["ladder"] if rung["arm"] == one["arm"])
        low, high = one["missed"]["low"], one["missed"]["high"]
        held = "as foretold" if low is None or low <= 0 <= high else "better" if low > 0 else "worse"
        rows.append((Cell(one["arm"]), tables.number(sweep["values"][one["arm"]]), tables.percent(one["predicted"]),
                     tables.percent(measured), tables.change(one["missed"]), Cell(held)))  # fmt: skip
    columns = ("arm", "labels", "foretold, %", "macro-recall, %", "apart, points", "it came")
    note = "Foretold by two curves through the arms with fewer labels, a power law and as many points with every "
    note += "doubling: their mean, from the lower end of either to the higher, wider by what those arms scatter about "
    note += "them. Where learning comes to its end soon, both foretell too much."
    return Table(f"What fewer labels foretold, {corpus}", columns, tuple(rows), note if rows else "")
