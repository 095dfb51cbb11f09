"""Lines over steps or layers, with their intervals as bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.ticker import MaxNLocator

from pipeline.drawing.svg import ACCENT, MUTED, OTHER, STYLE, canvas, inline, tip


@dataclass(frozen=True)
class Curve:
    """Values at places, what each says when pointed at, and the ends of their intervals where there are any."""

    label: str
    colour: str
    places: Sequence[float]
    values: Sequence[float]
    said: Sequence[str]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


def curves(
    shown: Sequence[Curve],
    *,
    name: str,
    across: str,
    upwards: str,
    line: tuple[float, str] | None = None,
    logarithmic: bool = False,
) -> str:
    """Draw curves; ``line``: a value they are read against (chance), and its name. One that says nothing is dashed."""
    with mpl.rc_context(STYLE):
        figure, axes = canvas(4.6, 3.2)
        for curve in shown:
            if curve.low:
                axes.fill_between(curve.places, curve.low, curve.high, color=curve.colour, alpha=0.14, linewidth=0)
            style = "-" if curve.said else "--"
            axes.plot(curve.places, curve.values, style, color=curve.colour, linewidth=2, label=curve.label, zorder=2)
            for place, value, said in zip(curve.places, curve.values, curve.said, strict=bool(curve.said)):
                (mark,) = axes.plot(place, value, "o", color=curve.colour, markersize=5, zorder=3)
                tip(mark, said)
        if line:
            axes.axhline(line[0], color=MUTED, linewidth=1.2, linestyle="--", zorder=1)
            axes.text(0.99, line[0], line[1], transform=axes.get_yaxis_transform(), color=MUTED, fontsize=9.5,
                      ha="right", va="bottom")  # fmt: skip
        if logarithmic:
            axes.set_xscale("log")
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel(across)
        axes.set_ylabel(upwards)
        if shown:
            axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, columnspacing=1.2, handlelength=1.4)
        return inline(figure, name)


def loss_curves(history: Sequence[Mapping[str, Any]], *, name: str, general: str = "general English") -> str:
    """Dev loss of pretraining by step: informal text falls as it learns, general text rises as it forgets."""
    kinds = (("informal_dev_loss", "informal text", ACCENT), ("general_dev_loss", general, OTHER))
    shown = []
    for key, label, colour in kinds:
        rows = [row for row in history if row.get(key) is not None]
        steps, losses = [row["step"] for row in rows], [row[key] for row in rows]
        said = [f"{label}, step {step:,}: {loss:.3f} nats" for step, loss in zip(steps, losses, strict=True)]
        shown += [Curve(label, colour, steps, losses, said)] if rows else []
    return curves(shown, name=name, across="step", upwards="dev loss, nats (lower is better)")
