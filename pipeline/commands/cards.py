"""Data cards: check those that are there, draft new ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.common import program
from pipeline.common.errors import InputError
from pipeline.common.program import typed
from pipeline.corpora.cards import CARDS, SHIPPED
from pipeline.corpora.readers import formats
from pipeline.machine import console


def cards(
    folder: Annotated[Path, typer.Argument(help="Folder of card folders, or one card's.")] = CARDS,
    data_root: Annotated[Path | None, typer.Option("--data-root", help="Folder with data that cards name.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Also write the folder's README.md, a table of them.")] = False,
) -> None:
    """Check every data card, and show five rows of each as they will be read."""
    from pipeline.corpora.check import contents, describe_cards
    from pipeline.corpora.prepared import counted

    if folder == CARDS and not folder.exists() and not write:
        folder = SHIPPED
        print(f"no {CARDS} here; these ship with Retone:")
    if not folder.exists() and (CARDS / folder).is_dir():  # a card by its name
        folder = CARDS / folder
    reports = describe_cards(folder, data_root)
    if write and not any(folder.glob("*/README.md")):
        raise InputError(f"cards --write: {folder} is a card, whose README.md is its own; name the folder of cards")
    for report in reports:
        told = "not in order" if report.problems else f"{report.role}  {counted(report.splits, report.dropped)}"
        print(console.clean(f"{report.name}  {told}"))
        for note in report.notes:
            print(console.clean(f"    note: {note}"))
        for row in report.sample:
            print(console.clean("    " + "  |  ".join(value[:100].replace("\n", " ") for value in row.values())))
    problems = [problem for report in reports for problem in report.problems]
    if problems:
        raise InputError("\n".join(problems))
    print("1 card, in order" if len(reports) == 1 else f"{len(reports)} cards, all in order")
    if write:
        (folder / "README.md").write_text(contents(folder, data_root), encoding="utf-8")
        print(f"wrote {folder / 'README.md'}")


def new_card(
    file: Annotated[Path, typer.Argument(help=f"A file with the texts, or a folder of some: {formats()}.")],
    into: Annotated[Path, typer.Option("--into", help="Folder of card folders.")] = CARDS,
) -> None:
    """Draft a data card for a file, or a folder of files, by looking at its columns."""
    from pipeline.corpora.check import drafted
    from pipeline.corpora.drafting import draft_card

    card = draft_card(file, into)
    print(console.clean(f"drafted {card / 'README.md'}; data of a sane size was copied beside it"))
    check = typed("make cards") if into == CARDS else f"{program.name()} cards {into}"
    try:
        questions, noticed, rows = drafted(card, file if file.is_dir() else file.parent)
    except InputError as problem:
        raise InputError(f"{problem}; mend the file in {card}, then run {check}") from None
    asked = sum(line.startswith("- ") for line in questions)
    print(f"{asked} {'question is' if asked == 1 else 'questions are'} open:" if asked else "no question is open")
    for line in [*questions, *(["noticed:", *noticed] if noticed else []), *rows]:
        print(console.clean(f"    {line[:160]}"))
    print(console.clean(f"look it over{', answer each `?`' if asked else ''}, then run {check}"))
