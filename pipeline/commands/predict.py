"""Label a file of texts, in memory that does not grow with it; broken off, it goes on."""

from __future__ import annotations

import contextlib
import io
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.models import MODEL, check_input, check_model
from pipeline.common.errors import InputError
from pipeline.common.labels import LABELS
from pipeline.common.printable import many
from pipeline.common.program import typed
from pipeline.corpora.readers import formats
from pipeline.machine import cli, console, workers

if TYPE_CHECKING:
    from pipeline.common.growing import Growing
    from pipeline.corpora.new_texts import NewTexts
    from pipeline.predictor import Prediction, Predictor


def predict(
    source: Annotated[str, typer.Argument(metavar="INPUT", help=f"A file: {formats()}; - for lines.")],
    model: Annotated[Path, typer.Option("--model", help="Folder of a model that a run made.")] = MODEL,
    text_column: Annotated[
        list[str] | None, typer.Option("--text-column", help="Column with the texts; several times: read as one text.")
    ] = None,
    sheet: Annotated[str | None, typer.Option("--sheet", help="Sheet of a workbook that has several.")] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="CSV or .tsv file to write; without it, the terminal.")
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(min=8, max=512, help="Word pieces of a text that are read, if fewer than in training.")
    ] = None,
    excel: Annotated[
        bool, typer.Option("--excel", help="Begin the file with a byte order mark, so that Excel reads its UTF-8.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            min=1,
            help="Chunks of some thousand rows that are labelled side by side; 1, but on a cluster as many as it has "
            "room for.",
        ),
    ] = None,
    engine: cli.EngineOption = "local",
) -> None:
    """Label texts negative, neutral or positive, the way the model was taught to read them.

    Every row and column is kept; label and the probabilities negative, neutral and positive are added (predicted_label
    and so on where the file has such columns of its own). A row without text gets no label. Broken off, it goes on
    where it was when the same is run again.
    """
    check_input(source)
    check_model(model)
    _check_out(out, source)
    if out is None and engine != "local":
        raise InputError(f"--engine {engine}: what a cluster prints would stand between the rows; name a file with -o")
    team = workers.engine(engine, jobs or (1 if engine == "local" else None), console.show_warnings, lasting=True)

    from pipeline.corpora.new_texts import read_texts
    from pipeline.predictor import Predictor

    given = read_texts(source, text_column, sheet)
    predictor = Predictor(model, max_length)
    _say_what_is_advised(model)
    asked = model.resolve(), max_length  # `latest` may be another before the last machine has loaded it
    _LOADED.clear()
    _LOADED[asked] = predictor
    ours = ["label", *LABELS]
    while set(ours) & set(given.columns):
        ours = [f"predicted_{name}" for name in ours]
    with team:
        told = _write(given, predictor, partial(workers.in_order, team, partial(_labelled, asked)), out, ours, excel)
    longest, empty = predictor.reader.max_length, told["empty"]
    if told["cut"]:
        console.say(
            f"{told['cut']} of {given.count} texts are longer than {longest} word pieces; their ends were not read"
        )
    console.say(
        f"{many(given.count, 'row')}{f' in {out}' if out else ''}, {ours[0]} and probabilities added"
        f"{f'; {empty:,} without text got no label' if empty else ''}. How far to trust the labels: "
        f"{typed('make show') if model == MODEL else model / 'README.md'}"
    )
    if changed := told["changed"]:
        cells, them = ("cell", "it") if changed == 1 else ("cells", "them")
        console.say(f"{changed:,} {cells} that a spreadsheet would run as formulas got an apostrophe (') before {them}")


def _say_what_is_advised(model: Path) -> None:
    """Of the final arm's model beside its report: name the arm that this advises, if it is another."""
    from pipeline.common.files import read_object
    from pipeline.report.answers import advised

    if model.resolve().name != "model":
        return
    try:
        report = read_object(model.resolve().parent / "report.json")
        final, picked = report["final_arm"], advised(report)
        folder = model.parent / report["arms"][picked]["model"]
    except (OSError, ValueError, LookupError, TypeError):  # there is none, or another program's
        return
    if picked != final:
        console.say(f"model {model} is {final}'s, and its report advises {picked}: --model {folder}")


_Asked = tuple[Path, int | None]
"""A model's folder, and the word pieces of a text that are read."""
_Told = tuple[list["Prediction | None"], int]
_LOADED: dict[_Asked, Predictor] = {}
"""What this process has loaded: the command that runs in it, or that it works for, has one model."""


def _labelled(asked: _Asked, texts: Sequence[str]) -> _Told:
    """``Predictor.in_bulk``, in whatever process and on whatever machine."""
    from pipeline.predictor import Predictor

    if asked not in _LOADED:
        _LOADED[asked] = Predictor(*asked)
    return _LOADED[asked].in_bulk(texts)


def _write(
    given: NewTexts,
    predictor: Predictor,
    labelled: Callable[[Iterator[list[str]]], Iterator[_Told]],
    out: Path | None,
    ours: list[str],
    excel: bool,
) -> Counter[str]:
    """Write every row with its label, beyond those an earlier try has written; returns how many of what.

    Args:
        labelled: what is said of each of some lists of texts, in their order.
    """
    from tqdm import tqdm

    from pipeline.common.files import digest, sha256
    from pipeline.common.growing import growing
    from pipeline.report.csv_export import write_csv

    terminal = out is None and sys.stdout.isatty()
    safe = console.clean if terminal else str  # a file has the cells as they were
    separator = "\t" if out and out.suffix.lower() == ".tsv" else given.separator
    encoding = "utf-8-sig" if excel else "utf-8"
    read_by = predictor.reader.max_length, sha256(predictor.folder.resolve())
    identity = digest([given.identity(), *read_by, encoding, separator]) if out else ""
    with growing(out, identity, encoding) if out else _standard_output() as file:
        told = Counter(file.told)
        if told["rows"]:
            console.say(f"going on after the {many(told['rows'], 'row')} that an earlier try has labelled")
        else:
            told["changed"] = write_csv(file.stream, [[*map(safe, given.columns), *ours]], separator)
        before, waiting = told["rows"], deque[list[list[str]]]()

        def texts() -> Iterator[list[str]]:
            """Of each chunk; its cells wait for what is said of them."""
            for chunk in given.chunks(before):
                waiting.append([cells for _, cells in chunk])
                yield [text for text, _ in chunk]

        bar = tqdm(total=given.count, initial=before, desc="rows", unit="", disable=terminal or None, leave=False)
        try:
            with bar:
                for answers, cut in labelled(texts()):
                    pairs = zip(waiting.popleft(), answers, strict=True)
                    rows = ([*map(safe, cells), *_cells(each)] for cells, each in pairs)
                    changed = write_csv(file.stream, rows, separator)
                    told.update(rows=len(answers), cut=cut, empty=answers.count(None), changed=changed)
                    file.keep(told)
                    bar.update(len(answers))
        except (KeyboardInterrupt, SystemExit):
            if out:
                done = f"stopped after {told['rows']:,} of {many(given.count, 'row')}"
                console.say(f"{done}; the same command {'goes on from there' if told['rows'] else 'begins again'}")
            raise
        if told["rows"] != given.count:
            raise InputError("input: was changed while it was read; run the same again")
    return told


@contextlib.contextmanager
def _standard_output() -> Iterator[Growing]:
    from pipeline.common.growing import Growing

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that knows no emoji is no reason to stop
    yield Growing(sys.stdout, {}, lambda _: None)


def _cells(told: Prediction | None) -> list[str]:
    """The likeliest label and the probability of each, as cells of a table; empty ones for a text without a word."""
    if told is None:
        return [""] * (1 + len(LABELS))
    return [told.label, *(f"{share:.4f}" for share in told.probabilities.values())]


def _check_out(out: Path | None, source: str) -> None:
    """Refuse before any work what could not be written after it, or would replace a file."""
    if out is None:
        return
    if out.suffix.lower() not in {"", ".csv", ".tsv", ".txt"}:
        raise InputError(f"output {out}: CSV is written, and .tsv; let its name end in .csv, which spreadsheets open")
    if out.exists() and not out.is_file():
        raise InputError(f"output {out}: is no file; name one")
    if out.exists() and Path(source).exists() and out.samefile(source):
        raise InputError(f"output {out}: is the input; name another file")
    if out.exists():  # what was broken off lies beside it, and is gone on with
        raise InputError(f"output {out}: is there already; name another file, or remove it")
    if not out.parent.is_dir():
        raise InputError(f"output {out}: cannot be written (no folder {out.parent}); choose another place")
