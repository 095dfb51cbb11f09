"""Rows of dots with their intervals: the plainest way to see what is apart from what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes

from pipeline.drawing.svg import CARD, GRID, MUTED, STYLE, canvas, inline, tip
from pipeline.drawing.tables import Estimate


@dataclass(frozen=True)
class Dot:
    """One figure: what it says when pointed at, its colour, and whether it is hollow (what others are held against)."""

    figure: Estimate
    said: str
    colour: str
    hollow: bool = False


@dataclass(frozen=True)
class Line:
    """A value that dots are read against."""

    value: float
    label: str = ""


Rows = Sequence[tuple[str, Sequence[Dot]]]
"""What stands at the left of each row, and its dots."""


def dots(
    rows: Rows,
    *,
    name: str,
    axis: str,
    lines: Sequence[Line] = (),
    factor: float = 100,
    legend: Sequence[Dot] = (),
    bounds: tuple[float, float] | None = None,
    width: float = 5.4,
) -> str:
    """Draw rows from top to bottom; dots of a row lie beside each other, figures without a value are left out.

    ``factor``: from the figures' unit to the axis's. ``legend``: dots whose ``said`` names what their kind is.
    ``bounds``: ends of the axis, in its unit.
    """
    with mpl.rc_context(STYLE):
        labelled = any(line.label for line in lines)
        figure, axes = canvas(width, 0.75 + 0.3 * bool(legend) + 0.2 * labelled + 0.37 * len(rows))
        for line in lines:
            axes.axvline(factor * line.value, color=MUTED, linewidth=1.2, linestyle="--", zorder=1)
            axes.text(factor * line.value, 1.0, line.label, transform=axes.get_xaxis_transform(), color=MUTED,
                      fontsize=9.5, ha=outwards(line, lines), va="bottom")  # fmt: skip
        for place, (_, found) in enumerate(rows):
            axes.axhline(place, color=GRID, linewidth=0.8, zorder=0)
            measured = [dot for dot in found if dot.figure["value"] is not None]
            for index, dot in enumerate(measured):
                _put(axes, dot, place + 0.26 * (index - (len(measured) - 1) / 2), factor)
        if legend:
            _explain(axes, legend, above=labelled * 0.5 / len(rows))
        axes.set_yticks(range(len(rows)), [label for label, _ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="y", visible=False)
        axes.set_xlim(bounds)
        axes.set_xlabel(axis)
        return inline(figure, name)


def outwards(line: Line, lines: Sequence[Line]) -> str:
    """Where a line's label is set: centred where it is alone, to the outer side of the outermost ones."""
    ranked = sorted(lines, key=lambda each: each.value)
    if len(lines) == 1 or line not in (ranked[0], ranked[-1]):
        return "center"
    return "right" if line is ranked[0] else "left"


def _put(axes: Axes, dot: Dot, height: float, factor: float) -> None:
    """A dot on its interval."""
    ends = [factor * dot.figure[end] for end in ("low", "high") if dot.figure[end] is not None]
    axes.plot(ends, [height] * len(ends), color=dot.colour, linewidth=2.4, alpha=0.5, solid_capstyle="round", zorder=2)
    (mark,) = axes.plot(factor * dot.figure["value"], height, "o", color=dot.colour, zorder=3, **_look(dot))
    tip(mark, dot.said)


def _look(dot: Dot) -> dict[str, Any]:
    """Hollow dots are filled with the page's colour, so that their interval does not show through."""
    return {"markersize": 8, "markeredgewidth": 1.8, "markerfacecolor": CARD if dot.hollow else dot.colour}


def _explain(axes: Axes, kinds: Sequence[Dot], *, above: float) -> None:
    for dot in kinds:
        axes.plot([], [], "o", color=dot.colour, label=dot.said, **_look(dot))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0 + above), ncols=len(kinds), handletextpad=0.2,
                columnspacing=1.2)  # fmt: skip
