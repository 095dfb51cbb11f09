"""Pictures of counts: what the tokenizer cannot read, what is taken for what, where the time went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl

from pipeline.drawing.svg import ACCENT, ARM_COLOURS, GRID, OTHER, STYLE, canvas, inline, tip


def coverage(rows: Sequence[Mapping[str, Any]], *, name: str) -> str:
    """[UNK] rate on texts with emoji before and after emoji tokens: {"corpus", "before", "after"}, shares in [0, 1]."""
    with mpl.rc_context(STYLE):
        figure, axes = canvas(6.0, 0.9 + 0.5 * len(rows))
        for position, row in enumerate(reversed(rows)):
            before, after = 100 * row["before"], 100 * row["after"]
            axes.plot([after, before], [position, position], color=GRID, linewidth=6, solid_capstyle="round", zorder=1)
            for share, side, colour in ((before, "before", OTHER), (after, "after", ACCENT)):
                (mark,) = axes.plot(share, position, "o", color=colour, markersize=9, zorder=3)
                tip(mark, f"{row['corpus']}, {side}: {share:.1f}% of the emoji texts")
        axes.plot([], [], "o", color=OTHER, label="before")
        axes.plot([], [], "o", color=ACCENT, label="after")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
        axes.set_yticks(range(len(rows)), [str(row["corpus"]) for row in reversed(rows)])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.set_xlim(-4, 104)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("emoji texts with an [UNK], % (left is better)")
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
                box = axes.fill_between(edges, row - 0.48, row + 0.48, linewidth=0, alpha=0.55 * share, color=colour)
                tip(box, f"{labels[row]}, called {labels[column]}: {count:,.0f} of {total:,.0f} texts")
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
        for position, (arm, spent) in enumerate(reversed(list(cost.items()))):
            left = 0.0
            for index, stage in enumerate(stages):
                width = spent.get(stage, 0.0)
                (bar,) = axes.barh(position, width, left=left, height=0.6, color=ARM_COLOURS[index % len(ARM_COLOURS)])
                tip(bar, f"{arm}, {stage}: {width:,.1f} s")
                left += width
        for index, stage in enumerate(stages):
            axes.barh(0, 0, color=ARM_COLOURS[index % len(ARM_COLOURS)], label=stage)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, handlelength=1)
        axes.set_yticks(range(len(cost)), list(cost)[::-1])
        axes.set_ylim(-0.6, len(cost) - 0.4)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("seconds of new work (less is better)")
        return inline(figure, name)
