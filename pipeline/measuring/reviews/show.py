"""Where the model errs: on which texts, how sure it is when it does, its surest mistakes, and doubtful labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl

from pipeline.drawing.dots import Dot, dots
from pipeline.drawing.svg import ACCENT, HELPED, HURT, MUTED, STYLE, Picture, canvas, inline, tip, told
from pipeline.drawing.tables import MARKS, NOTHING, Cell, Report, Table, judged, number, percent
from pipeline.measuring.reviews.doubtful import LEAST

TONES = {"better": HELPED, "worse": HURT, "undecided": ACCENT}


def slices(report: Report) -> list[Picture]:
    """Accuracy where a trait is there, and where it is not, on each corpus."""
    drawn = []
    for index, (corpus, found) in enumerate(report["errors"].items()):
        rows = [(trait, dots_) for trait, sides in found["slices"].items() if (dots_ := _sides(trait, sides))]
        if rows:
            name = f"slices-{index}"
            drawing = dots(rows, name=name, axis="accuracy, % (right is better)", legend=_LEGEND)
            said = "Full: texts that have it; hollow: the others. Exploratory; green and red where they differ."
            drawn.append(Picture(name, f"Kinds of texts, {corpus}", said, drawing))
    return drawn


_NO_FIGURE: Mapping[str, Any] = {"value": None, "low": None, "high": None, "n": 0}
_LEGEND = (Dot(_NO_FIGURE, "with", ACCENT), Dot(_NO_FIGURE, "without", MUTED, hollow=True))


def _sides(trait: str, sides: Mapping[str, Any]) -> list[Dot]:
    if not sides["with"]:
        return []
    apart = sides["difference"]["accuracy"]
    colour = TONES[apart["verdict"]] if apart else ACCENT
    shown = [Dot(sides["with"]["accuracy"], f"{trait}: {told(sides['with']['accuracy'])}", colour)]
    if sides["without"]:
        said = f"not {trait}: {told(sides['without']['accuracy'])}"
        shown.append(Dot(sides["without"]["accuracy"], said, MUTED, hollow=True))
    return shown


def reliability(report: Report) -> list[Picture]:
    """Confidence against accuracy on each corpus."""
    drawn = []
    for index, (corpus, found) in enumerate(report["errors"].items()):
        if bins := found["calibration"]["reliability"]:
            name = f"reliability-{index}"
            error = percent(found["calibration"]["error"])
            sure = found["calibration"]["overconfidence"]["value"]
            said = f"Calibration error {error.text}% ({error.detail}), chance taken off. "
            said += f"It is {'over' if sure > 0 else 'under'}confident by {100 * abs(sure):.1f} points."
            drawn.append(Picture(name, f"Is it right as often as it is sure? {corpus}", said, diagram(bins, name=name)))
    return drawn


def diagram(bins: Sequence[Mapping[str, float]], *, name: str) -> str:
    """Reliability diagram: a dot a bin, on the line where confidence is accuracy if it can be taken at its word."""
    with mpl.rc_context(STYLE):
        figure, axes = canvas(4.0, 3.6)
        axes.plot([0, 100], [0, 100], color=MUTED, linewidth=1.2, linestyle="--", zorder=1)
        xs, ys = ([100 * found[key] for found in bins] for key in ("confidence", "accuracy"))
        axes.plot(xs, ys, color=ACCENT, linewidth=1.6, alpha=0.6, zorder=2)
        for x, y, found in zip(xs, ys, bins, strict=True):
            axes.plot([x, x], [x, y], color=ACCENT, linewidth=5, alpha=0.18, zorder=1, solid_capstyle="butt")
            (mark,) = axes.plot(x, y, "o", color=ACCENT, markersize=8, zorder=3)
            tip(mark, f"{x:.0f}% sure, {y:.0f}% right, {found['n']:,.0f} predictions")
        axes.set_xlim(min([*xs, 30]) - 4, 102)
        axes.set_ylim(min([*ys, 30]) - 4, 102)
        axes.set_xlabel("sure, %")
        axes.set_ylabel("right, %")
        return inline(figure, name)


def slice_table(report: Report, corpus: str) -> Table:
    """Accuracy and macro-recall on the texts with a trait and on the others."""
    found = report["errors"][corpus]["slices"]
    rows = tuple(
        (
            Cell(trait),
            *(_slice(sides[side], metric) for metric in ("accuracy", "macro_recall") for side in ("with", "without")),
            _difference(sides["difference"]["accuracy"]),
        )
        for trait, sides in found.items()
        if sides["with"]
    )
    columns = ("texts with", "accuracy, %", "accuracy without, %", "macro-recall, %", "macro-recall without, %")
    return Table(f"Kinds of texts, {corpus}", (*columns, "difference in accuracy, points"), rows)


def _slice(side: Mapping[str, Any] | None, metric: str) -> Cell:
    return percent(side[metric]) if side else NOTHING


def _difference(apart: Mapping[str, Any] | None) -> Cell:
    if apart is None:
        return NOTHING
    return judged(f"{MARKS[apart['verdict']]} {apart['verdict']}", apart, apart["verdict"])


def class_table(report: Report, corpus: str) -> Table:
    """Precision, recall and F1 of each class, averaged over seeds."""
    found = report["errors"][corpus]["classes"]
    rows = tuple(
        (
            Cell(name, f"{each['n']:,} texts", beside={"texts": each["n"]}),
            *(percent(each[share]) for share in ("precision", "recall", "f1")),
        )
        for name, each in found.items()
    )
    return Table(f"Each class, {corpus}", ("class", "precision, %", "recall, %", "F1, %"), rows)


def mistakes(report: Report, corpus: str) -> Table:
    """The mistakes that the model is surest of."""
    rows = tuple(
        (Cell(row["text"]), Cell(row["label"]), Cell(row["predicted"]), number(100 * row["confidence"]))
        for row in report["errors"][corpus]["mistakes"]
    )
    columns = ("text", "label", "called", "sure, %")
    return Table(f"Surest mistakes, {corpus}", columns, rows, words=(0, 1, 2))


def doubtful(report: Report, corpus: str) -> Table:
    """Labels that are worth a second look."""
    found = report["errors"][corpus]["label_noise"]
    rows = tuple(
        (Cell(row["text"]), Cell(row["label"]), Cell(row["likely"]), _odds(row["doubt"])) for row in found["rows"]
    )
    note = ""
    if rows:
        note = f"{found['suspects']:,} of {found['n']:,} labels are worth a second look; the {len(rows)} most doubtful."
    columns = ("text", "label", "rather", "so many times likelier")
    return Table(f"Labels to look at again, {corpus}", columns, rows, note, words=(0, 1, 2))


def _odds(doubt: float) -> Cell:
    """How much likelier another class is than the label, to two digits: shares of doubt would all be 100%."""
    odds = float(f"{doubt / max(1 - doubt, LEAST):.2g}")
    return number(odds, 0 if odds >= 10 else 1)


def tables_of(report: Report) -> dict[str, list[Table]]:
    """The tables by what they are about."""
    made = {"Kinds of texts": slice_table, "Classes": class_table, "Surest mistakes": mistakes,
            "Labels to look at again": doubtful}  # fmt: skip
    return {title: [make(report, corpus) for corpus in report["errors"]] for title, make in made.items()}
