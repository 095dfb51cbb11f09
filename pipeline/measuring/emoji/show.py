"""What the model takes each emoji for, beside what people do, and whether its answers follow them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl

from pipeline.common.printable import printable
from pipeline.drawing.dots import Dot, Line, dots
from pipeline.drawing.svg import ACCENT, INK, MUTED, OTHER, STYLE, Picture, canvas, inline, label, tip, told
from pipeline.drawing.tables import NOTHING, Cell, Report, Table, amount, number, percent, signed, whose

MOST = 80
"""Emoji on the map: more hide each other."""
REFERENCES = {
    "ranking": "the Emoji Sentiment Ranking (Kralj Novak et al. 2015)",
    "reviews": "labels of the training reviews",
}
MODELS = {
    "base": "base",
    "adapted": "adapted",
    "tuned": "tuned",
    "names": "rows from names",
    "default": "library's rows",
}
QUESTIONS = {
    "swap": "swapped",
    "flips": "flipped by it",
    "delete": "deleted",
    "move": "moved",
    "control": "added to words",
}


def pictures(report: Report, arm: str) -> list[Picture]:
    """The map, agreement with people by model, and the counterfactuals of every corpus."""
    found = report["emoji"][arm]
    if not found:
        return []
    drawn, who = [], f"{arm}{whose(report)}"
    places, people = _places(found), REFERENCES[str(found["reference"]["name"])]
    if places:
        agreed = _spearman(found, "tuned")
        said = f"Rank correlation {amount(agreed).line}. " if agreed else ""
        said += f"Across: {people}."
        if len(places) > MOST:
            said += f" The first {MOST} of {len(places)}."
        drawn.append(Picture("emoji-map", f"What {who} takes each emoji for", said, scatter(places, name="emoji-map")))
    ranks = [
        (
            said,
            [Dot(figure, f"{said}: {amount(figure).line}, {figure['n']} emoji", OTHER if model == "tuned" else ACCENT)],
        )
        for model, said in MODELS.items()
        if (figure := _spearman(found, model))
    ]
    if ranks:
        drawing = dots(ranks, name="emoji-ranks", axis="Spearman's rank correlation (right is better)", factor=1,
                       lines=[Line(0)])  # fmt: skip
        said = f"Each model's order of emoji, against {people}."
        drawn.append(Picture("emoji-ranks", f"In people's order?{whose(report)}", said, drawing))
    return drawn + _counterfactuals(found["counterfactuals"], whose(report))


def _counterfactuals(found: Mapping[str, Mapping[str, Any]], who: str) -> list[Picture]:
    drawn = []
    for index, (corpus, asked) in enumerate(found.items()):
        rows = [
            (said, [Dot(asked[name], f"{said}: {told(asked[name])}", MUTED if name in ("move", "control") else ACCENT)])
            for name, said in QUESTIONS.items()
            if asked[name] and asked[name]["value"] is not None
        ]
        if rows:
            name = f"counterfactuals-{index}"
            drawing = dots(rows, name=name, axis="texts where it does as expected, %", lines=[Line(0.5)],
                           bounds=(-2, 102))  # fmt: skip
            said = "Swapped for the other side, or deleted: does the answer go with the emoji? Moved to another place,"
            said += " or added to words that are clear by themselves (grey): does the answer stay?"
            drawn.append(Picture(name, f"Change the emoji: {label(corpus)}{who}", said, drawing))
    return drawn


def scatter(places: Mapping[str, tuple[float, float]], *, name: str) -> str:
    """The emoji themselves at (what people say, what the model says)."""
    with mpl.rc_context(STYLE):
        figure, axes = canvas(5.4, 4.6)
        shown = dict(list(places.items())[:MOST])
        for emoji, (people, model) in shown.items():
            mark = axes.text(people, model, in_colour(emoji), ha="center", va="center", fontsize=15, color=INK)
            tip(mark, f"{emoji} people {signed(people, 2)}, model {signed(model, 2)}")
        axes.axhline(0, color=MUTED, linewidth=1, linestyle="--", zorder=1)
        axes.axvline(0, color=MUTED, linewidth=1, linestyle="--", zorder=1)
        for axis, values in zip("xy", zip(*shown.values(), strict=True), strict=True):
            margin = 0.08 * (max(values) - min(values) or 1)
            getattr(axes, f"set_{axis}lim")(min(values) - margin, max(values) + margin)
        axes.set_xlabel("people: negative to positive")
        axes.set_ylabel("model: negative to positive")
        return inline(figure, name)


def in_colour(emoji: str) -> str:
    """One that browsers draw in colour, whatever font comes first: with variation selector 16 (Unicode TR 51)."""
    shown = printable(emoji)
    return f"{shown}\ufe0f" if len(shown) == 1 else shown


def polarity(report: Report, arm: str) -> Table:
    """Every emoji: what people say, and what each model says."""
    found = report["emoji"][arm] or {"reference": {"emoji": {}}, "polarity": {}}
    models = {model: each["emoji"] for model, each in found["polarity"].items() if each["emoji"]}
    rows = tuple(
        (Cell(emoji), number(value, 2), *(number(scale.get(emoji), 2) for scale in models.values()))
        for emoji, value in found["reference"]["emoji"].items()
    )
    columns = ("emoji", "people, −1 to 1", *(f"{MODELS[model]}, −2 to 2" for model in models))
    return Table(f"Polarity of emoji, {arm}{whose(report)}", columns, rows if models else ())


def understood(report: Report) -> Table:
    """Agreement with people, and the counterfactuals, of every arm."""
    rows = []
    told = [found for found in report["emoji"].values() if found]
    models = [model for model in MODELS if any(_spearman(found, model) for found in told)]
    for arm, found in report["emoji"].items():
        ranks = [amount(_spearman(found, model)) for model in models] if found else []
        for corpus, asked in found["counterfactuals"].items() if found else ():
            cells = [percent(asked[name]) for name in QUESTIONS]
            if any(cell != NOTHING for cell in ranks + cells):
                rows.append((Cell(arm, corpus, beside={"corpus": corpus}), *ranks, *cells))
    columns = (
        "arm",
        *(f"Spearman, {MODELS[model]}" for model in models),
        *(f"{said}, %" for said in QUESTIONS.values()),
    )
    note = "Spearman is over emoji; the shares are over test texts. " if models else "Shares of test texts. "
    note += "50% is what chance gives when an emoji is swapped."
    return Table(f"Emoji understood{whose(report)}", columns, tuple(rows), note if rows else "")


def _spearman(found: Mapping[str, Any], model: str) -> Mapping[str, Any] | None:
    figure: Mapping[str, Any] | None = found["polarity"].get(model, {}).get("spearman")
    return figure if figure and figure["value"] is not None else None


def _places(found: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """What people and the tuned model say of each emoji both know."""
    scale = found["polarity"]["tuned"]["emoji"]
    return {emoji: (value, scale[emoji]) for emoji, value in found["reference"]["emoji"].items() if emoji in scale}
