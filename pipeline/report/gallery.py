"""Every picture of a report, in the groups that the page shows them in."""

from __future__ import annotations

from typing import Any

from pipeline.common.labels import FLOORS
from pipeline.drawing import charts, tables
from pipeline.drawing.curves import loss_curves
from pipeline.drawing.dots import Dot, Line, dots
from pipeline.drawing.svg import ACCENT, ARM_COLOURS, OTHER, Picture, label, told
from pipeline.drawing.tables import Report
from pipeline.measuring.emoji import show as emoji_show
from pipeline.measuring.frontier import show as frontier_show
from pipeline.measuring.layers import show as layers_show
from pipeline.measuring.reviews import show as reviews_show
from pipeline.measuring.sweep import show as sweep_show
from pipeline.report import steps


def pictures(report: Report) -> dict[str, list[Picture]]:
    """The drawings that this run has figures for; a group without any is empty."""
    final = report["final_arm"]
    return {
        "ladder": _ladders(report),
        "sweep": sweep_show.pictures(report),
        "frontier": frontier_show.pictures(report),
        "fixes": steps.pictures(report),
        "losses": _losses(report),
        "layers": layers_show.pictures(report, final),
        "emoji": [*emoji_show.pictures(report, final), *_coverage(report)],
        "confusion": _confusions(report),
        "slices": reviews_show.slices(report),
        "reliability": reviews_show.reliability(report),
        "seconds": _seconds(report),
    }


def _ladders(report: Report) -> list[Picture]:
    """Macro-recall of every arm on each review corpus with enough test texts, beside the floors."""
    drawn = []
    for index, corpus in enumerate(tables.reviews(report)):
        if report["ladder"][0]["scores"][corpus]["macro_recall"]["value"] is None:
            continue
        floors = [
            Line(report["floors"][name][corpus]["macro_recall"]["value"], title) for name, title in FLOORS.items()
        ]
        rows = []
        for place, rung in enumerate(report["ladder"]):
            figure = rung["scores"][corpus]["macro_recall"]
            colour = ARM_COLOURS[place % len(ARM_COLOURS)]
            rows.append((label(rung["arm"]), [Dot(figure, f"{rung['arm']}: {told(figure)}", colour)]))
        name = f"ladder-{index}"
        drawing = dots(rows, name=name, axis="macro-recall, % (right is better)", lines=floors)
        drawn.append(Picture(name, corpus, f"{tables.tested(report, corpus)}; lines are 95% intervals.", drawing))
    return drawn


def _coverage(report: Report) -> list[Picture]:
    corpora = report["coverage"].get(report["final_arm"], {}).get("corpora", {})
    rows = [
        (label(name), [_unread(name, side, found[side]["unk_rate_emoji_texts"]) for side in ("before", "after")])
        for name, found in corpora.items()
        if found["emoji_texts"] and found["before"]["unk_rate_emoji_texts"] is not None
    ]
    title = f"Texts with emoji that the tokenizer cannot fully read, {report['final_arm']}"
    drawing = dots(rows, name="coverage", axis="emoji texts with an [UNK], % (left is better)", bounds=(-4, 104),
                   legend=[_unread("", side, None) for side in ("before", "after")]) if rows else ""  # fmt: skip
    said = "An [UNK] swallows the word beside the emoji, too."
    return [Picture("coverage", title, said, drawing)] if rows else []


def _unread(corpus: str, side: str, share: float | None) -> Dot:
    said = side if share is None else f"{corpus}, {side}: {100 * share:.1f}% of the emoji texts"
    return Dot({"value": share, "low": None, "high": None}, said, OTHER if side == "before" else ACCENT)


def _losses(report: Report) -> list[Picture]:
    drawn: list[Picture] = []
    seen: list[Any] = []
    for index, (arm, found) in enumerate(report["arms"].items()):
        history = found["history"]["pretrain"]
        if not any("informal_dev_loss" in row or "general_dev_loss" in row for row in history) or history in seen:
            continue
        seen.append(history)
        name = f"losses-{index}"
        drawing = loss_curves(history, name=name, general=f"general {tables.english(report)}")
        drawn.append(Picture(name, f"Pretraining, {arm}", "", drawing))
    return drawn


def _confusions(report: Report) -> list[Picture]:
    final = report["final_arm"]
    seeds = report["arms"][final]["seeds"]
    drawn = []
    for index, corpus in enumerate(tables.reviews(report)):
        matrices = [scores[corpus]["confusion"] for scores in seeds.values()]
        mean = [[sum(cell) / len(matrices) for cell in zip(*rows, strict=True)] for rows in zip(*matrices, strict=True)]
        name = f"confusion-{index}"
        drawing = charts.confusion(mean, report["labels"], name=name)
        drawn.append(Picture(name, f"{corpus}, {final}", "Share of each true class; texts below it.", drawing))
    return drawn


def _seconds(report: Report) -> list[Picture]:
    spent = {
        label(arm): {stage: entry["new"] for stage, entry in stages.items()}
        for arm, stages in report["cost"]["seconds"].items()
    }
    note = "What an earlier arm had already made is not counted again. Arms may have been made side by side."
    return [Picture("seconds", "Where the time went", note, charts.seconds(spent, name="seconds"))] if spent else []
