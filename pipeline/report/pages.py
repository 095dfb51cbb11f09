"""Sets a report's figures as pages: report.html (one file, no network, no script), pictures and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipeline.common.files import write_json, write_whole
from pipeline.common.labels import FLOORS
from pipeline.common.printable import printable
from pipeline.drawing import svg, tables
from pipeline.drawing.svg import Picture
from pipeline.measuring.behaviour import show as behaviour_show
from pipeline.measuring.diagnosis import show as diagnosis_show
from pipeline.measuring.emoji import show as emoji_show
from pipeline.measuring.frontier import show as frontier_show
from pipeline.measuring.general import show as general_show
from pipeline.measuring.layers import show as layers_show
from pipeline.measuring.reviews import show as reviews_show
from pipeline.measuring.sweep import show as sweep_show
from pipeline.report import answers, backward, corpora_tables, csv_export, languages, steps, training_tables
from pipeline.report.gallery import pictures
from pipeline.report.summary import summary

Report = Mapping[str, Any]


def write(report: Report, out: Path) -> None:
    """Write report.json, report.html, summary.txt, figures/<name>.svg and tables/<name>.csv in ``out``."""
    drawn, contents = pictures(report), _contents(report)
    shelf = out / "figures"
    for group in drawn.values():
        for picture in group:
            write_whole(shelf / f"{picture.name}.svg", [svg.standalone(picture.svg)])
    write_json(out / "report.json", report)
    for name, text in (("report.html", html(contents, drawn)), ("summary.txt", summary(report))):
        write_whole(out / name, [text])
    csv_export.write(contents, out / "tables")


def html(contents: Mapping[str, Any], drawn: Mapping[str, list[Picture]]) -> str:
    """The page for a browser."""
    return rendered("report.html.j2", **contents, pictures=drawn)


def rendered(template: str, **contents: Any) -> str:
    """A page by one of the templates. Whatever the contents hold appears as text: escaped, controls written out."""
    style = (Path(__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
    pages = environment(lambda value: value if isinstance(value, Markup) else printable(str(value)), autoescape=True)
    return pages.get_template(template).render(**contents, style=Markup(style), svg=Markup)


def environment(written: Callable[[Any], str], *, autoescape: bool) -> Environment:
    """The templates here, each value in them as ``written``; one that is not given is an error."""
    return Environment(loader=PackageLoader("pipeline.report"), undefined=StrictUndefined, trim_blocks=True,
                       lstrip_blocks=True, autoescape=autoescape, finalize=written)  # fmt: skip


def _contents(report: Report) -> dict[str, Any]:
    """Everything the page says, as plain data."""
    final, looked_at = report["final_arm"], reviews_show.tables_of(report)
    background = [training_tables.training(report), *looked_at.pop("Classes"), training_tables.plain(report)]
    texts = [
        corpora_tables.corpora(report),
        corpora_tables.classes(report),
        *corpora_tables.damage(report),
        corpora_tables.doubles(report),
        corpora_tables.leaks(report),
    ]
    shift = [corpora_tables.shift(report), corpora_tables.masked_loss(report), training_tables.alignment(report)]
    layered = [layers_show.by_layer(report, final),
               *(layers_show.probed(report, final, task) for task in report["layers"][final]["probes"]),
               layers_show.drift(report, final)]  # fmt: skip
    origin = [training_tables.base(report), training_tables.versions(report), training_tables.fingerprints(report)]
    return {
        "report": report,
        "lead": answers.lead(report),
        "left_out": languages.left_out(report),
        "answers": answers.answers(report),
        "ladders": [tables.ladder(report, corpus) for corpus in tables.reviews(report)],
        "floors": [
            answers.Line(corpus, answers.floor_sentence(report, rung["arm"], corpus, floor))
            for corpus in tables.reviews(report)
            for rung in report["ladder"]
            for floor in FLOORS
        ],
        "steps": tables.steps(report),
        "troubles": diagnosis_show.found(report),
        "others": diagnosis_show.of_others(report),
        "english": tables.english(report),
        "retention": general_show.retention(report),
        "along": [answers.Line(*said) for said in sweep_show.sentences(report)],
        "foretold": [
            table for corpus in tables.reviews(report) if (table := sweep_show.foretold(report, corpus)).rows
        ],
        "backward": backward.table(report),
        "price": frontier_show.price(report),
        "fixes": steps.ledger(report),
        "coverage": training_tables.coverage(report),
        "understood": emoji_show.understood(report),
        "polarity": emoji_show.polarity(report, final),
        "behaviour": behaviour_show.tables(report),
        "errors": _filled(looked_at),
        "cost": training_tables.seconds(report),
        "sections": _filled({"Negative transfer": [steps.transfer(report)],
                             "Training, class by class": background, "Layer by layer": layered,
                             "Corpora and audit": texts, "Domain shift": shift,
                             "Base, versions, fingerprints": origin}),
    }  # fmt: skip


def _filled(sections: Mapping[str, list[tables.Table]]) -> dict[str, list[tables.Table]]:
    """The sections without empty tables (but those that say why), and without those that then hold nothing."""
    found = {title: [table for table in shown if table.rows or table.note] for title, shown in sections.items()}
    return {title: shown for title, shown in found.items() if shown}
