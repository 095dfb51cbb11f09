"""Sets the report's figures as pages: report.html (one file, no network, no script), report.md, and the pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipeline.reporting import answers, corpora, details, figures, retention, svg, tables
from pipeline.reporting.printable import escaped_json, markdown, printable
from pipeline.reporting.summary import summary

Report = Mapping[str, Any]
LABEL_CHARACTERS = 24


@dataclass(frozen=True)
class Picture:
    """An SVG with what to read in it; ``name`` is its file's."""

    name: str
    title: str
    caption: str
    svg: str


def write(report: Report, out: Path) -> None:
    """Write report.json, report.html, report.md, summary.txt and figures/<name>.svg under ``out``."""
    drawn = pictures(report)
    shelf = out / "figures"
    shelf.mkdir(parents=True, exist_ok=True)
    for group in drawn.values():
        for picture in group:
            _put(shelf / f"{picture.name}.svg", svg.standalone(picture.svg))
    _put(out / "report.json", escaped_json(report) + "\n")
    _put(out / "report.html", html(report, drawn))
    _put(out / "report.md", text(report, drawn))
    _put(out / "summary.txt", summary(report))


def html(report: Report, drawn: Mapping[str, list[Picture]]) -> str:
    """The page for a browser. Whatever the figures hold appears as text: escaped, controls written out."""
    style = (Path(__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
    page = _environment(autoescape=True, finalize=_visible).get_template("report.html.j2")
    return page.render(**_contents(report), style=Markup(style), pictures=drawn, svg=Markup)


def text(report: Report, drawn: Mapping[str, list[Picture]]) -> str:
    """The same tables in GitHub's Markdown."""
    page = _environment(autoescape=False, finalize=_unmarked).get_template("report.md.j2")
    return page.render(**_contents(report), pictures=drawn, grid=_grid, gallery=_gallery)


def _contents(report: Report) -> dict[str, Any]:
    """Everything both pages say, as plain data."""
    final = report["final_arm"]
    background = [
        details.training(report),
        details.per_class(report, final),
        details.plain(report),
    ]
    texts = [corpora.corpora(report), corpora.classes(report), corpora.doubles(report), corpora.leaks(report)]
    shift = [corpora.shift(report), corpora.masked_loss(report)]
    origin = [details.base(report), details.versions(report), details.fingerprints(report)]
    return {
        "report": report,
        "answers": answers.answers(report),
        "ladders": [tables.ladder(report, corpus) for corpus in tables.reviews(report)],
        "floors": [
            answers.Line(corpus, answers.floor_sentence(report, rung["arm"], corpus))
            for corpus in tables.reviews(report)
            for rung in report["ladder"]
        ],
        "steps": tables.steps(report),
        "retention": retention.retention(report),
        "coverage": details.coverage(report),
        "cost": details.seconds(report),
        "sections": _filled({"Training, class by class": background, "Corpora and audit": texts,
                             "Domain shift": shift, "Base, versions, fingerprints": origin}),
    }  # fmt: skip


def _filled(sections: Mapping[str, list[tables.Table]]) -> dict[str, list[tables.Table]]:
    """The sections without empty tables (but those that say why), and without those that then hold nothing."""
    found = {title: [table for table in shown if table.rows or table.note] for title, shown in sections.items()}
    return {title: shown for title, shown in found.items() if shown}


def pictures(report: Report) -> dict[str, list[Picture]]:
    """The drawings that this run has figures for: "frontier", "coverage", "losses", "confusion", "seconds"."""
    return {
        "frontier": _frontiers(report),
        "coverage": _coverage(report),
        "losses": _losses(report),
        "confusion": _confusions(report),
        "seconds": _seconds(report),
    }


def _frontiers(report: Report) -> list[Picture]:
    places = tables.retention_places(report)
    drawn = []
    for index, corpus in enumerate(tables.reviews(report)):
        measured = [
            {"arm": _label(rung["arm"]), "macro_recall": rung["scores"][corpus]["macro_recall"],
             "retention": tables.kept(report, rung["arm"], *places[0])}
            for rung in report["ladder"]
        ] if places else []  # fmt: skip
        shown = [point for point in measured if point["retention"] and point["retention"]["value"] is not None]
        if shown:
            floor = report["floor"][corpus]["macro_recall"]["value"]
            drawing = figures.frontier(shown, floor=floor, name=f"frontier-{index}")
            where = f"kept: {tables.PLACES[places[0][0]]} of {places[0][1]}. Crosses are 95% intervals."
            drawn.append(Picture(f"frontier-{index}", corpus, f"Macro-recall on {corpus}; {where}", drawing))
    return drawn


def _coverage(report: Report) -> list[Picture]:
    corpora = report["coverage"].get(report["final_arm"], {}).get("corpora", {})
    rows = [
        {"corpus": _label(name), **{side: found[side]["unk_rate_emoji_texts"] for side in ("before", "after")}}
        for name, found in corpora.items()
        if found["emoji_texts"] and found["before"]["unk_rate_emoji_texts"] is not None
    ]
    title = f"Texts with emoji that the tokenizer cannot fully read, {report['final_arm']}"
    return [Picture("coverage", title, "An [UNK] swallows the word beside the emoji, too.",
                    figures.coverage(rows, name="coverage"))] if rows else []  # fmt: skip


def _losses(report: Report) -> list[Picture]:
    drawn: list[Picture] = []
    seen: list[Any] = []
    for index, (arm, found) in enumerate(report["arms"].items()):
        history = found["history"]["pretrain"]
        if not any("informal_dev_loss" in row or "general_dev_loss" in row for row in history) or history in seen:
            continue
        seen.append(history)
        name = f"losses-{index}"
        drawn.append(Picture(name, f"Pretraining, {arm}", "", figures.loss_curves(history, name=name)))
    return drawn


def _confusions(report: Report) -> list[Picture]:
    final = report["final_arm"]
    seeds = report["arms"][final]["seeds"]
    drawn = []
    for index, corpus in enumerate(tables.reviews(report)):
        matrices = [scores[corpus]["confusion"] for scores in seeds.values()]
        mean = [[sum(cell) / len(matrices) for cell in zip(*rows, strict=True)] for rows in zip(*matrices, strict=True)]
        name = f"confusion-{index}"
        drawing = figures.confusion(mean, report["labels"], name=name)
        drawn.append(Picture(name, f"{corpus}, {final}", "Share of each true class; texts below it.", drawing))
    return drawn


def _seconds(report: Report) -> list[Picture]:
    spent = {
        _label(arm): {stage: entry["new"] for stage, entry in stages.items()}
        for arm, stages in report["cost"]["seconds"].items()
    }
    drawing = figures.seconds(spent, name="seconds") if spent else ""
    return (
        [
            Picture(
                "seconds", "Where the time went", "What an earlier arm had already made is not counted again.", drawing
            )
        ]
        if spent
        else []
    )


def _label(name: str) -> str:
    """A name that leaves room for the drawing."""
    shown = printable(name)
    return shown if len(shown) <= LABEL_CHARACTERS else shown[: LABEL_CHARACTERS - 1] + "…"


def _environment(**options: Any) -> Environment:
    loader = PackageLoader("pipeline.reporting")
    return Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, **options)


def _visible(value: Any) -> Any:
    return value if isinstance(value, Markup) else printable(str(value))


def _unmarked(value: Any) -> Any:
    return value if isinstance(value, Markup) else markdown(str(value))


def _grid(table: tables.Table) -> Markup:
    """A table in GitHub's Markdown: the detail of a cell stands in brackets behind it."""
    lines = [table.columns, ["---" if place in (0, *table.words) else "---:" for place in range(len(table.columns))]]
    lines += [[f"{cell.text} ({cell.detail})" if cell.detail else cell.text for cell in row] for row in table.rows]
    rows = [" | ".join(cell if set(cell) <= set("-:") else markdown(cell) for cell in line) for line in lines]
    block = "\n".join(f"| {row} |" for row in rows) if table.rows else ""
    return Markup("\n\n".join(part for part in (block, markdown(table.note)) if part))


def _gallery(shown: list[Picture]) -> Markup:
    """Links to the pictures' files."""
    links = (f"![{markdown(picture.title)}](figures/{picture.name}.svg)" for picture in shown)
    return Markup("\n\n".join(links))


def _put(path: Path, content: str) -> None:
    path.write_bytes(content.encode("utf-8"))
