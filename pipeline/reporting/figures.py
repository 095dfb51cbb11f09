"""The report's pictures: retention against accuracy, emoji coverage, loss curves, confusion, seconds a stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes

from pipeline.reporting.svg import ACCENT, ARM_COLOURS, GRID, MUTED, OTHER, STYLE, canvas, inline

Estimate = Mapping[str, Any]
"""A figure with its interval: {"value", "low", "high", "n"}; low and high are None where there is no interval."""


def frontier(points: Sequence[Mapping[str, Any]], *, floor: float | None, name: str) -> str:
    """Retention against macro-recall of one corpus: a point an arm, crosses for 95% intervals, the ladder as a path.

    ``points`` in ladder order: {"arm", "retention": Estimate, "macro_recall": Estimate}, all as shares in [0, 1].
    ``floor``: macro-recall of the TF-IDF floor, drawn as a dashed line.
    """
    with mpl.rc_context(STYLE):
        figure, axes = canvas(6.0, 4.4)
        xs = [100 * point["retention"]["value"] for point in points]
        ys = [100 * point["macro_recall"]["value"] for point in points]
        axes.plot(xs, ys, color=MUTED, linewidth=1.2, linestyle=(0, (1, 2)), zorder=2)
        for index, point in enumerate(points):
            colour = ARM_COLOURS[index % len(ARM_COLOURS)]
            axes.errorbar(
                xs[index],
                ys[index],
                xerr=_arms_of_cross(point["retention"]),
                yerr=_arms_of_cross(point["macro_recall"]),
                color=colour,
                marker="o",
                markersize=8,
                elinewidth=1.6,
                zorder=3,
            )
        axes.margins(0.2, 0.12)
        axes.set_xlabel("general English kept, % of the base (right is better)")
        axes.set_ylabel("macro-recall, % (up is better)")
        if floor is not None:
            axes.axhline(100 * floor, color=MUTED, linewidth=1.2, linestyle="--", zorder=1)
            axes.text(1.01, 100 * floor, "TF-IDF\nfloor", transform=axes.get_yaxis_transform(), va="center",
                      color=MUTED, fontsize=10)  # fmt: skip
        _label_points(axes, [str(point["arm"]) for point in points], xs, ys, floor)
        return inline(figure, name)


def coverage(rows: Sequence[Mapping[str, Any]], *, name: str) -> str:
    """[UNK] rate on texts with emoji before and after emoji tokens: {"corpus", "before", "after"}, shares in [0, 1]."""
    with mpl.rc_context(STYLE):
        figure, axes = canvas(6.0, 0.9 + 0.5 * len(rows))
        for position, row in enumerate(reversed(rows)):
            before, after = 100 * row["before"], 100 * row["after"]
            axes.plot([after, before], [position, position], color=GRID, linewidth=6, solid_capstyle="round", zorder=1)
            axes.plot(before, position, "o", color=OTHER, markersize=9, zorder=3)
            axes.plot(after, position, "o", color=ACCENT, markersize=9, zorder=4)
        axes.plot([], [], "o", color=OTHER, label="before")
        axes.plot([], [], "o", color=ACCENT, label="after")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
        axes.set_yticks(range(len(rows)), [str(row["corpus"]) for row in reversed(rows)])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.set_xlim(-4, 104)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("emoji texts with an [UNK], % (left is better)")
        return inline(figure, name)


def loss_curves(history: Sequence[Mapping[str, Any]], *, name: str) -> str:
    """Dev loss of pretraining by step: informal text falls as it learns, general text rises as it forgets."""
    with mpl.rc_context(STYLE):
        figure, axes = canvas(4.4, 3.1)
        for key, label, colour in (
            ("informal_dev_loss", "informal text", ACCENT),
            ("general_dev_loss", "general English", OTHER),
        ):
            rows = [row for row in history if row.get(key) is not None]
            if rows:
                axes.plot(
                    [row["step"] for row in rows],
                    [row[key] for row in rows],
                    color=colour,
                    marker="o",
                    markersize=4,
                    label=label,
                )
        axes.set_xlabel("step")
        axes.set_ylabel("dev loss, nats (lower is better)")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
        return inline(figure, name)


def confusion(matrix: Sequence[Sequence[float]], labels: Sequence[str], *, name: str) -> str:
    """Confusion matrix: rows are the true class, shares of each row; counts (means over seeds) in brackets."""
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure, axes = canvas(4.0, 3.4)
        for row, counts in enumerate(matrix):
            total = sum(counts)
            for column, count in enumerate(counts):
                share = count / total if total else 0.0
                colour = ACCENT if row == column else OTHER
                edges = [column - 0.48, column + 0.48]
                axes.fill_between(edges, row - 0.48, row + 0.48, linewidth=0, alpha=0.55 * share, color=colour)
                axes.text(column, row, f"{100 * share:.0f}%", ha="center", va="bottom", fontsize=13)
                axes.text(column, row + 0.08, f"{count:,.0f}", ha="center", va="top", fontsize=9)
        axes.set_xticks(range(len(labels)), labels)
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set_xlim(-0.5, len(labels) - 0.5)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        return inline(figure, name)


def seconds(cost: Mapping[str, Mapping[str, float]], *, name: str) -> str:
    """Seconds of each stage, a bar an arm: {arm: {stage: seconds spent for this arm, less what it shares}}."""
    stages = list(dict.fromkeys(stage for spent in cost.values() for stage in spent))
    with mpl.rc_context(STYLE):
        figure, axes = canvas(6.0, 1.5 + 0.45 * len(cost))
        for position, spent in enumerate(reversed(list(cost.values()))):
            left = 0.0
            for index, stage in enumerate(stages):
                width = spent.get(stage, 0.0)
                axes.barh(position, width, left=left, height=0.6, color=ARM_COLOURS[index % len(ARM_COLOURS)])
                left += width
        for index, stage in enumerate(stages):
            axes.barh(0, 0, color=ARM_COLOURS[index % len(ARM_COLOURS)], label=stage)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, handlelength=1)
        axes.set_yticks(range(len(cost)), list(cost)[::-1])
        axes.set_ylim(-0.6, len(cost) - 0.4)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("seconds of new work (less is better)")
        return inline(figure, name)


def _arms_of_cross(estimate: Estimate) -> list[list[float]] | None:
    if estimate["low"] is None or estimate["high"] is None:
        return None
    value = estimate["value"]
    return [[100 * max(0.0, value - estimate["low"])], [100 * max(0.0, estimate["high"] - value)]]


def _label_points(
    axes: Axes, labels: Sequence[str], xs: Sequence[float], ys: Sequence[float], floor: float | None
) -> None:
    """Write each label in the quarter around its point where the other points, and the floor, are farthest."""
    quarters = ((1, 1, "left", "bottom"), (-1, 1, "right", "bottom"), (1, -1, "left", "top"), (-1, -1, "right", "top"))
    width, height = (max(values) - min(values) or 1.0 for values in (xs, ys))

    def crowding(index: int, quarter: tuple[int, int, str, str]) -> float:
        here = xs[index] + 0.15 * width * quarter[0], ys[index] + 0.08 * height * quarter[1]
        others = [(x, y) for place, (x, y) in enumerate(zip(xs, ys, strict=True)) if place != index]
        others += [] if floor is None else [(here[0], 100 * floor)]
        return sum(1 / (0.01 + ((x - here[0]) / width) ** 2 + ((y - here[1]) / height) ** 2) for x, y in others)

    for index, label in enumerate(labels):
        dx, dy, ha, va = min(quarters, key=lambda quarter: crowding(index, quarter))
        axes.annotate(
            label,
            (xs[index], ys[index]),
            xytext=(7 * dx, 5 * dy),
            textcoords="offset points",
            ha=ha,
            va=va,
            fontweight="bold",
            color=ARM_COLOURS[index % len(ARM_COLOURS)],
        )
