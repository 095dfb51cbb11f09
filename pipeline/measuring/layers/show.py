"""Layer by layer: how far the model moved from the base, what its layers still know, and where the loss comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.drawing.curves import Curve, curves
from pipeline.drawing.dots import Dot, Line, dots
from pipeline.drawing.svg import ACCENT, MUTED, OTHER, Picture, label, told
from pipeline.drawing.tables import Cell, Estimate, Report, Table, amount, change, percent, whose
from pipeline.measuring.layers import probes

COLOURS = {"base": MUTED, "adapted": ACCENT, "tuned": OTHER}
TONES = {"adaptation": ACCENT, "tuning": OTHER, "real": OTHER}
PARTS = {
    "adaptation": "adapting",
    "tuning": "tuning",
    "interface": "· head only",
    "real": "· really lost",
    "refitting": "· refitting",
}


def pictures(report: Report, arm: str) -> list[Picture]:
    """CKA and probes by layer, and the parts of the loss."""
    found = report["layers"][arm]
    drawn = []
    if found["cka"]:
        beside = {"two seeds": found["noise_floor"], "unrelated": found["by_chance"]}
        drawing = curves(
            _lines(found["cka"] | {name: figures for name, figures in beside.items() if figures}, 1, ""),
            name="cka",
            across="layer (0: embeddings)",
            upwards="likeness (CKA)",
        )
        said = "Linear CKA with the base on general sentences: 1 is the same up to rotation."
        if found["noise_floor"]:
            said += " What lies above the line of two seeds has moved no further than luck moves it."
        elif found["by_chance"]:
            said += " Unrelated: what chance reaches in 19 of 20 cases. How far luck moves a layer takes a second seed."
        drawn.append(Picture("cka", f"How far each layer moved, {arm}{whose(report)}", said, drawing))
    captions = {task.name: task.caption for task in probes.TASKS}
    for task, asked in found["probes"].items():
        line = (100 * asked["chance"], "chance")
        name = f"probe-{task.replace('_', '-')}"
        drawing = curves(_lines(asked["accuracy"], 100, "%"), name=name, across="layer (0: embeddings)",
                         upwards="right, % (up is better)", line=line)  # fmt: skip
        said = "A linear probe on each frozen layer, cross-validated over general sentences. Its selectivity,"
        said += " and paired differences from the base and the first arm, are in a table of their own."
        drawn.append(Picture(name, f"{captions[task]}{whose(report)}", said, drawing))
    return drawn + _drift(found["drift"], f"{arm}{whose(report)}")


def _drift(found: Mapping[str, Mapping[str, Any]], arm: str) -> list[Picture]:
    drawn = []
    for index, (place, parts) in enumerate(found.items()):
        rows = [
            (
                said,
                [
                    Dot(
                        parts[part],
                        f"{said}: {told(parts[part], digits=3, factor=1, unit=' nats')}",
                        TONES.get(part, MUTED),
                    )
                ],
            )
            for part, said in PARTS.items()
            if parts.get(part)
        ]
        if rows:
            name = f"drift-{index}"
            drawing = dots(rows, name=name, axis="nats lost a masked piece (left is better)", lines=[Line(0)], factor=1,
                           width=4.6)  # fmt: skip
            said = f"Masked loss on {label(place)}. Of tuning, a head trained anew wins back what only the head lost."
            drawn.append(Picture(name, f"Where the loss comes from, {arm}", said, drawing))
    return drawn


def _lines(levels: Mapping[str, Sequence[Estimate]], factor: int, unit: str) -> list[Curve]:
    found = []
    for model, figures in levels.items():
        known = [(layer, figure) for layer, figure in enumerate(figures) if figure and figure["value"] is not None]
        sure = all(figure["low"] is not None and figure["high"] is not None for _, figure in known)
        digits = 1 if unit else 3
        said = [
            f"{model}, layer {layer}: {told(each, digits=digits, factor=factor, unit=unit)}" for layer, each in known
        ]
        values, low, high = ([factor * figure[end] for _, figure in known] if end == "value" or sure else []
                             for end in ("value", "low", "high"))  # fmt: skip
        found.append(Curve(model, COLOURS.get(model, MUTED), [layer for layer, _ in known], values, said, low, high))
    return found


def by_layer(report: Report, arm: str) -> Table:
    """CKA and probes of every layer and model."""
    found = report["layers"][arm]
    columns: list[tuple[str, Sequence[Estimate], Any]] = [
        (f"likeness of {model} to the base (CKA)", figures, lambda figure: amount(figure, 3))
        for model, figures in found["cka"].items()
    ]
    if found["noise_floor"]:
        columns.append(("likeness of two seeds (CKA)", found["noise_floor"], lambda figure: amount(figure, 3)))
    for task, asked in found["probes"].items():
        said = f"{task.replace('_', ' ')}, % right (chance {100 * asked['chance']:.0f})"
        columns += [(f"{said}, {model}", figures, percent) for model, figures in asked["accuracy"].items()]
    count = max((len(figures) for _, figures, _ in columns), default=0)
    rows = tuple((_layer(place), *(set_(figures[place]) for _, figures, set_ in columns)) for place in range(count))
    return Table(f"Layer by layer, {arm}{whose(report)}", ("layer", *(title for title, _, _ in columns)), rows)


def _layer(place: int) -> Cell:
    return Cell(f"layer {place}" if place else "embeddings")


def probed(report: Report, arm: str, task: str) -> Table:
    """One probe's selectivity by layer and model, and how far the models, and the first arm, are apart on it."""
    asked, apart = report["layers"][arm]["probes"][task], report["layers"][arm]["apart"].get(task)
    columns = {f"selectivity, {model}": figures for model, figures in asked["selectivity"].items()}
    columns |= {f"{model} less base": figures for model, figures in asked["minus_base"].items()}
    columns |= {f"tuned less that of {report['ladder'][0]['arm']}": apart} if apart else {}
    rows = tuple(
        (_layer(place), *(change(figure) for figure in figures))
        for place, figures in enumerate(zip(*columns.values(), strict=True))
    )
    note = "Selectivity: accuracy less that on a control task, where each first word has an answer of its own, drawn at"
    note += " random (Hewitt & Liang 2019): what the layer tells, not what a probe learns by heart. All differences are"
    note += " paired by sentence; the control's draw and the folds are one."
    title = f"Probe {task.replace('_', ' ')}, {arm}{whose(report)}"
    return Table(title, ("layer", *(f"{said}, points" for said in columns)), rows, note)


def drift(report: Report, arm: str) -> Table:
    """The parts of the loss on every general slice."""
    found = report["layers"][arm]["drift"]
    rows = tuple((Cell(place), *(amount(parts.get(part), 3) for part in PARTS)) for place, parts in found.items())
    columns = ("slice", *(f"{said}, nats lost" for said in PARTS.values()))
    return Table(f"Where the loss comes from, {arm}{whose(report)}", columns, rows)
