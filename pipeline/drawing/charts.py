"""Pictures of counts: what is taken for what, where the time went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl

from pipeline.drawing.svg import ACCENT, ARM_COLOURS, OTHER, STYLE, canvas, inline, tip


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
