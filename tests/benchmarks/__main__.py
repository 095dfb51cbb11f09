"""``make bench``: this project against what people would use instead."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from tests.benchmarks import rounds, tables
from tests.benchmarks.cases import BY_SLUG, CASES, LINEAR, slug

QUICK: dict[str, Any] = {"texts": 24, "epochs": 1, "batch_size": 8, "toy": True}
WIDTH = 150
"""Of the table [characters], where it is not written to a terminal."""
SMALLEST = 2000
"""Texts of the first point of ``linear``."""


def bench(
    only: Annotated[
        list[str] | None,
        typer.Option(help=f"One case; may be given again. {', '.join(BY_SLUG)}. The last two run only when named."),
    ] = None,
    rounds_: Annotated[int, typer.Option("--rounds", min=1, help="How often each side is measured.")] = 3,
    texts: Annotated[int, typer.Option(min=8, help="Texts to train on; for linear the most, 4,000 at least.")] = 1000,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over them; linear makes one.")] = 2,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts an update.")] = 32,
    precision: Annotated[Literal["auto", "fp32", "bf16"], typer.Option(help="Of training, on all sides.")] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="Of the processor, for each process.")] = 1,
    quick: Annotated[
        bool,
        typer.Option(help="A toy model, and 24 texts in batches of 8 once, whatever else is said; nothing is kept."),
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(
            help="Another checkout of this project (git worktree add), which make-all is held against.",
            exists=True,
            file_okay=False,
            resolve_path=True,
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Where the figures are kept; cases that are not run keep those they have.")
    ] = Path("artifacts/bench.json"),
    markdown: Annotated[bool, typer.Option(help="Run nothing: print what is kept as a table for a page.")] = False,
) -> None:
    """Measure CPU seconds of the same work done by this project and by its peers, side by side.

    Same texts, model, batch size, epochs, optimizer and precision. Each measurement is a process of its own and counts
    from the model's folder to the tuned model, without imports; sides alternate, medians count.
    """
    if markdown:
        if not kept(out):
            raise typer.BadParameter(f"no figures in {out} yet; run make bench first", param_hint="--markdown")
        print(tables.markdown(kept(out)))
        return
    unknown = [name for name in only or () if name not in BY_SLUG]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]}: no such case; there are {', '.join(BY_SLUG)}", param_hint="--only")
    other = None if against is None else str(against)
    options = rounds.Options(rounds_, texts, epochs, batch_size, precision, threads, against=other)
    options = replace(options, **QUICK) if quick else options
    console = Console(stderr=True)
    measured = []
    for record in run(only or [slug(case) for case in CASES], options, lambda line: console.print(line, markup=False)):
        if not quick:
            write(out, [record])  # at once: a run that is stopped keeps the cases it has finished
        measured.append(record)
    screen = Console()
    Console(width=screen.width if screen.is_terminal else WIDTH).print(tables.terminal(measured))
    for note in tables.notes(measured):
        print(note)


def run(names: list[str], options: rounds.Options, say: rounds.Say) -> Iterator[rounds.Record]:
    """A record for each case that is named."""
    chosen = [BY_SLUG[name] for name in names]
    with TemporaryDirectory() as place:
        rest = [case for case in chosen if case is not LINEAR]
        work: dict[str, Any] = rounds.workload(Path(place), options, options.texts) if rest else {}
        for case in rest:
            yield rounds.measure(case, Path(place), work, options, say)
    if LINEAR in chosen:
        yield rounds.linear(replace(options, epochs=1), options.texts if options.toy else SMALLEST, say)


def kept(out: Path) -> list[rounds.Record]:
    """The records of earlier runs."""
    return list(json.loads(out.read_text(encoding="utf-8"))) if out.exists() else []


def write(out: Path, measured: list[rounds.Record]) -> None:
    """Keep the records, each in the place of its case's last, in the order of the table of cases."""
    by_name = {record["name"]: record for record in [*kept(out), *measured]}
    order = [case.name for case in BY_SLUG.values()]
    out.parent.mkdir(parents=True, exist_ok=True)
    records = sorted(by_name.values(), key=lambda record: order.index(record["name"]))
    out.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(bench)
