"""Retention against accuracy: what each arm has of both, and what can be had between the base and the tuned model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes

from pipeline.common.labels import FLOORS
from pipeline.drawing import svg, tables
from pipeline.drawing.tables import Estimate, Report
from pipeline.measuring.frontier.results import Frontier

ENGLISH = "general English"
KEPT, RECALL = "%s kept, %% of the base (right is better)", "macro-recall, % (up is better)"
OVER = {"facecolor": svg.CARD, "edgecolor": "none", "alpha": 0.8, "pad": 1}
"""Behind words that lie over points."""


def pictures(report: Report) -> list[svg.Picture]:
    """The arms on each review corpus, on test; then the models between base and tuned, on dev."""
    places = tables.retention_places(report)
    drawn = []
    for index, corpus in enumerate(tables.reviews(report)):
        measured = [
            {"arm": svg.label(rung["arm"]), "macro_recall": rung["scores"][corpus]["macro_recall"],
             "retention": tables.kept(report, rung["arm"], *places[0])}
            for rung in report["ladder"]
        ] if places else []  # fmt: skip
        sides = ("macro_recall", "retention")
        shown = [point for point in measured if all(point[side] and point[side]["value"] is not None for side in sides)]
        if shown:
            floors = {name: report["floors"][name][corpus]["macro_recall"]["value"] for name in FLOORS}
            drawing = arms(shown, floors=floors, name=f"frontier-{index}", general=_general(report))
            where = (
                f"kept: {tables.PLACES[places[0][0]]} of {places[0][1]}{tables.whose(report)}. Crosses: 95% intervals."
            )
            title = f"The arms on {corpus}"
            drawn.append(svg.Picture(f"frontier-{index}", title, f"Macro-recall on test; {where}", drawing))
    return drawn + _front(report)


def _front(report: Report) -> list[svg.Picture]:
    found = _found(report)
    if not found or not found["points"]:
        return []
    said = "Weights between base and tuned, the tuned head kept; both sides on dev, where the choice is made."
    return [
        svg.Picture(
            "front",
            f"Between base and tuned, {report['final_arm']}{tables.whose(report)}",
            said,
            front(found, name="front", general=_general(report)),
        )
    ]


def _general(report: Report) -> str:
    return f"general {tables.english(report)}"


def _found(report: Report) -> Frontier | None:
    found: Frontier | None = report["frontier"][report["final_arm"]]
    return found


def price(report: Report) -> str:
    """What the model chosen between base and tuned costs against tuned, in a sentence; empty where there is none."""
    found = _found(report)
    if found and found["reason"]:
        return f"No models between base and tuned were measured: {found['reason']}."
    if not found or found["budget"] is None or found["cost"] is None:
        return ""
    change, kept = tables.points(found["cost"]["macro_recall"]), tables.points(found["cost"]["kept"])
    general = _general(report)
    asked = f"asked to keep {100 * found['budget']:g}% of {general}"
    short = ", as a lower bound" if found["within"] else ", which no point is shown to: this one keeps most"
    return (
        f"{report['final_arm']} was {asked}{short}{tables.whose(report)}. The point {found['chosen']} was taken: "
        f"{change} points of macro-recall against tuned, {kept} points of {general} (dev)."
    )


def arms(points: Sequence[Mapping[str, Any]], *, floors: Mapping[str, float], name: str, general: str = ENGLISH) -> str:
    """A point an arm, crosses for 95% intervals, the ladder as a path.

    ``points`` in ladder order: {"arm", "retention": Estimate, "macro_recall": Estimate}, all as shares in [0, 1].
    ``floors``: macro-recall of each floor, drawn as a dashed line.
    """
    with mpl.rc_context(svg.STYLE):
        figure, axes = svg.canvas(5.4, 4.3)
        xs = [100 * point["retention"]["value"] for point in points]
        ys = [100 * point["macro_recall"]["value"] for point in points]
        axes.plot(xs, ys, color=svg.MUTED, linewidth=1.2, linestyle=(0, (1, 2)), zorder=2)
        for index, point in enumerate(points):
            look = {"color": svg.ARM_COLOURS[index % len(svg.ARM_COLOURS)], "markersize": 9}
            _cross(axes, point["retention"], point["macro_recall"], str(point["arm"]), look)
        axes.margins(0.2, 0.12)
        axes.set_xlabel(KEPT % general)
        axes.set_ylabel(RECALL)
        lowest, *others = sorted(floors, key=lambda floor: floors[floor])
        beside = {lowest: "top", others[-1]: "bottom"} if others else {}
        for floor, level in floors.items():
            axes.axhline(100 * level, color=svg.MUTED, linewidth=1.2, linestyle="--", zorder=1)
            axes.text(1.01, 100 * level, FLOORS[floor].replace(" ", "\n"), transform=axes.get_yaxis_transform(),
                      va=beside.get(floor, "center"), color=svg.MUTED, fontsize=10)  # fmt: skip
        _label_points(axes, [str(point["arm"]) for point in points], xs, ys, list(floors.values()))
        return svg.inline(figure, name)


def front(found: Frontier, *, name: str, general: str = ENGLISH) -> str:
    """Models between base and tuned."""
    points: Any = found["points"]
    ends = {point["alpha"]: place for place, point in enumerate(points) if point["alpha"] in (0.0, 1.0)}
    named = {ends[alpha]: said for alpha, said in ((0.0, "base, tuned head"), (1.0, "tuned")) if alpha in ends}
    chosen = next((place for place, point in enumerate(points) if point["name"] == found["chosen"]), None)
    said = [_weights(point) for point in points]
    return trade_offs(points, said, name=name, chosen=chosen, budget=found["budget"], named=named, general=general)


def trade_offs(
    points: Sequence[Mapping[str, Any]],
    said: Sequence[str],
    *,
    name: str,
    chosen: int | None,
    budget: float | None,
    named: Mapping[int, str],
    crowded: bool = False,
    general: str = ENGLISH,
) -> str:
    """Points of {"kept", "macro_recall", "front"}: those on the Pareto front filled and joined, the chosen ringed.

    ``said``: what each is, for who points at it; ``named``: what is written beside some, by their places, over what
    lies there if it is ``crowded``.
    """
    with mpl.rc_context(svg.STYLE):
        figure, axes = svg.canvas(5.4, 4.3)
        best = sorted((point for point in points if point["front"]), key=lambda point: point["kept"]["value"])
        line = [[100 * point[side]["value"] for point in best] for side in ("kept", "macro_recall")]
        axes.plot(*line, color=svg.ACCENT, linewidth=2, alpha=0.6, zorder=2, label="best trade-offs")
        for place, (point, words) in enumerate(zip(points, said, strict=True)):
            colour = svg.ACCENT if point["front"] else svg.MUTED
            look = {"color": colour, "markersize": 7, "markerfacecolor": colour if point["front"] else svg.CARD}
            on_it = ", on the front" if point["front"] else ""
            _cross(axes, point["kept"], point["macro_recall"], f"{words}{on_it}", look)
            if place == chosen:
                axes.plot(100 * point["kept"]["value"], 100 * point["macro_recall"]["value"], "o", color=svg.OTHER,
                          markersize=15, markerfacecolor="none", markeredgewidth=2, zorder=4, linestyle="none",
                          label="chosen")  # fmt: skip
        if budget is not None:
            axes.axvline(100 * budget, color=svg.OTHER, linewidth=1.4, linestyle="--", zorder=1, label="budget")
        axes.margins(0.1, 0.1)
        axes.set_xlabel(KEPT % general)
        axes.set_ylabel(RECALL)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
        for place, words in named.items():
            _write_beside(axes, points[place], words, {"zorder": 6, "bbox": OVER} if crowded else {})
        return svg.inline(figure, name)


def _write_beside(axes: Axes, point: Mapping[str, Any], said: str, how: Mapping[str, Any]) -> None:
    here = (100 * point["kept"]["value"], 100 * point["macro_recall"]["value"])
    side = "right" if 2 * here[0] > sum(axes.get_xlim()) else "left"
    axes.annotate(said, here, xytext=(8 if side == "left" else -8, -12), textcoords="offset points",
                  ha=side, va="top", fontweight="bold", fontsize=10, **how)  # fmt: skip


def _weights(point: Mapping[str, Any]) -> str:
    """Which model between base and tuned it is, in words."""
    if point["alpha"] is not None:
        return f"{100 * point['alpha']:g}% tuned"
    return tables.prose(f"{group} {100 * share:g}%" for group, share in point["alphas"].items()) + " tuned"


def _cross(axes: Axes, kept: Estimate, recall: Estimate, said: str, look: Mapping[str, Any]) -> None:
    """A point with both its intervals."""
    x, y = 100 * kept["value"], 100 * recall["value"]
    axes.errorbar(x, y, xerr=_arms_of_cross(kept), yerr=_arms_of_cross(recall), ecolor=look["color"], fmt="none",
                  elinewidth=1.4, alpha=0.7, zorder=3)  # fmt: skip
    (mark,) = axes.plot(x, y, "o", zorder=5, **look)
    svg.tip(mark, f"{said}: macro-recall {tables.in_percent(recall)}, kept {tables.in_percent(kept)}")


def _arms_of_cross(estimate: Estimate) -> list[list[float]] | None:
    if estimate["low"] is None or estimate["high"] is None:
        return None
    value = estimate["value"]
    return [[100 * max(0.0, value - estimate["low"])], [100 * max(0.0, estimate["high"] - value)]]


def _label_points(
    axes: Axes, labels: Sequence[str], xs: Sequence[float], ys: Sequence[float], floors: Sequence[float]
) -> None:
    """Write each label in the quarter around its point where the other points, and the floors, are farthest."""
    quarters = ((1, 1, "left", "bottom"), (-1, 1, "right", "bottom"), (1, -1, "left", "top"), (-1, -1, "right", "top"))
    width, height = (max(values) - min(values) or 1.0 for values in (xs, ys))

    def crowding(index: int, quarter: tuple[int, int, str, str]) -> float:
        here = xs[index] + 0.15 * width * quarter[0], ys[index] + 0.08 * height * quarter[1]
        others = [(x, y) for place, (x, y) in enumerate(zip(xs, ys, strict=True)) if place != index]
        others += [(here[0], 100 * floor) for floor in floors]
        return sum(1 / (0.01 + ((x - here[0]) / width) ** 2 + ((y - here[1]) / height) ** 2) for x, y in others)

    for index, text in enumerate(labels):
        dx, dy, ha, va = min(quarters, key=lambda quarter: crowding(index, quarter))
        axes.annotate(
            text,
            (xs[index], ys[index]),
            xytext=(7 * dx, 5 * dy),
            textcoords="offset points",
            ha=ha,
            va=va,
            fontweight="bold",
            color=svg.ARM_COLOURS[index % len(svg.ARM_COLOURS)],
        )
