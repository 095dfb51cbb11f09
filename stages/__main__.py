"""``python -m stages``: run the story, look after data cards, and put the model that came out to use."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin cost a busy machine a factor of hundreds
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
if not sys.stderr.isatty():
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")

import contextlib
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.common import program
from pipeline.common.errors import InputError
from pipeline.common.labels import LABELS
from pipeline.common.program import typed
from pipeline.common.validation import nearest
from pipeline.corpora.cards import CARDS, SHIPPED
from pipeline.corpora.readers import formats
from pipeline.machine import cli, console, workers
from pipeline.machine.plan import Plan
from pipeline.machine.recipe import load_recipe
from pipeline.machine.store import DamagedError, Store, check_around
from stages import STORY

if TYPE_CHECKING:
    from pipeline.common.growing import Growing
    from pipeline.predictor import Prediction

STORE = Path("artifacts")
MODEL = STORE / "latest" / "model"
EXPORTED = STORE / "exported"


def cards(
    folder: Annotated[Path, typer.Argument(help="Folder of card folders, or one card's.")] = CARDS,
    data_root: Annotated[Path | None, typer.Option("--data-root", help="Folder with data that cards name.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Also write the folder's README.md, a table of them.")] = False,
) -> None:
    """Check every data card, and show five rows of each as they will be read."""
    from pipeline.corpora.check import contents, describe_cards

    if folder == CARDS and not folder.exists() and not write:
        folder = SHIPPED
        print(f"no {CARDS} here; these ship with Retone:")
    reports = describe_cards(folder, data_root)
    if write and not any(folder.glob("*/README.md")):
        raise InputError(f"cards --write: {folder} is a card, whose README.md is its own; name the folder of cards")
    for report in reports:
        counts = ", ".join(f"{count:,} {name}" for name, count in report.splits.items())
        dropped = "".join(f", {count:,} dropped ({reason})" for reason, count in report.dropped.items())
        told = f"{report.role}  {counts}{dropped}" if not report.problems else "not in order"
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
    from pipeline.corpora.check import draft_card, drafted

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
) -> None:
    """Label texts negative, neutral or positive, the way the model was taught to read them.

    Every row and column is kept; label and the probabilities negative, neutral and positive are added (predicted_label
    and so on where the file has such columns of its own). A row without text gets no label. Broken off, it goes on
    where it was when the same is run again.
    """
    from pipeline.common.files import digest, sha256
    from pipeline.common.growing import growing
    from pipeline.corpora.new_texts import read_texts
    from pipeline.predictor import Predictor
    from pipeline.report.csv_export import write_csv

    _check_model(model)
    _check_out(out, source)
    given = read_texts(source, text_column, sheet)
    predictor = Predictor(model, max_length)
    ours = ["label", *LABELS]
    while set(ours) & set(given.columns):
        ours = [f"predicted_{name}" for name in ours]
    terminal = out is None and sys.stdout.isatty()
    safe = console.clean if terminal else str  # a file has the cells as they were
    separator, encoding = "\t" if out and out.suffix.lower() == ".tsv" else ",", "utf-8-sig" if excel else "utf-8"
    identity = digest([given.identity(), sha256(model.resolve()), max_length, encoding, separator]) if out else ""
    with growing(out, identity, encoding) if out else _standard_output() as file:
        told = Counter(file.told)
        if told["rows"]:
            console.say(f"going on after the {told['rows']:,} rows that an earlier try has labelled")
        else:
            told["changed"] = write_csv(file.stream, [[*map(safe, given.columns), *ours]], separator)
        try:
            for chunk in _under_bar(given.chunks(told["rows"]), told["rows"], given.count, off=terminal):
                answers, cut = predictor.in_bulk([text for text, _ in chunk])
                rows = ([*map(safe, cells), *_cells(each)] for (_, cells), each in zip(chunk, answers, strict=True))
                changed = write_csv(file.stream, rows, separator)
                told.update(rows=len(chunk), cut=cut, empty=answers.count(None), changed=changed)
                file.keep(told)
        except (KeyboardInterrupt, SystemExit):
            if out:
                console.say(
                    f"stopped after {told['rows']:,} of {given.count:,} rows; the same command goes on from there"
                )
            raise
        if told["rows"] != given.count:
            raise InputError(f"input {source}: was changed while it was read; run the same again")
    longest, empty = predictor.reader.max_length, told["empty"]
    if told["cut"]:
        console.say(
            f"{told['cut']} of {given.count} texts are longer than {longest} word pieces; their ends were not read"
        )
    console.say(
        f"{given.count:,} rows{f' in {out}' if out else ''}, {ours[0]} and probabilities added"
        f"{f'; {empty:,} without text got no label' if empty else ''}. How far to trust the labels: "
        f"{typed('make show') if model == MODEL else model / 'README.md'}"
    )
    if changed := told["changed"]:
        cells, them = ("cell", "it") if changed == 1 else ("cells", "them")
        console.say(f"{changed:,} {cells} that a spreadsheet would run as formulas got an apostrophe (') before {them}")


@contextlib.contextmanager
def _standard_output() -> Iterator[Growing]:
    from pipeline.common.growing import Growing

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that knows no emoji is no reason to stop
    yield Growing(sys.stdout, {}, lambda _: None)


def _under_bar(chunks: Iterator[list[Any]], done: int, count: int, *, off: bool) -> Iterator[list[Any]]:
    """Chunks of rows, under a bar that says how long the rest will take."""
    from tqdm import tqdm

    with tqdm(total=count, initial=done, desc="rows", unit="", disable=off or None, leave=False) as bar:
        for chunk in chunks:
            yield chunk
            bar.update(len(chunk))


def score(
    source: Annotated[str, typer.Argument(metavar="INPUT", help=f"A file with labels: {formats()}.")],
    model: Annotated[Path, typer.Option("--model", help="Folder of a model that a run made.")] = MODEL,
    text_column: Annotated[str | None, typer.Option("--text-column", help="Column with the texts.")] = None,
    label_column: Annotated[str | None, typer.Option("--label-column", help="Column with the labels.")] = None,
    card: Annotated[
        str | None, typer.Option("--card", help="Card that says which labels mean what; else they are class names.")
    ] = None,
    data_root: Annotated[Path | None, typer.Option("--data-root", help="Folder with data that cards name.")] = None,
    sheet: Annotated[str | None, typer.Option("--sheet", help="Sheet of a workbook that has several.")] = None,
) -> None:
    """Score a model on reviews labelled later: is it still as good, have they drifted, is it to be tuned anew?

    Texts that it was tuned on are left out. What it was tuned on is read from the store in which the model lies.
    """
    from pipeline.corpora.cards import load_cards
    from pipeline.corpora.new_texts import read_labelled
    from pipeline.measuring.runs import new_reviews
    from pipeline.predictor import Predictor
    from pipeline.report import new_reviews as shown
    from pipeline.report.summary import plain

    _check_model(model)
    predictor = Predictor(model)
    meanings = load_cards([card], data_root)[0] if card else None
    texts = read_labelled(source, text_column, label_column, sheet, meanings, predictor.reader.cleaned)
    then = new_reviews.past(model)
    seen = {text for text, _ in then.tuned_on} if then else set()
    fresh = [pair for pair in texts if pair[0] not in seen]
    known = f", less {len(texts) - len(fresh):,} that it was tuned on" if len(fresh) < len(texts) else ""
    if few := new_reviews.too_few(fresh):
        raise InputError(f"input {source}: of {len(texts):,} texts{known} only {few}; label more, 10 of each class")
    told = predictor([text for text, _ in fresh])
    found = new_reviews.scored(fresh, [list(one.probabilities.values()) for one in told])
    console.say(f"{len(texts):,} texts{known}")
    print(plain(shown.tables(found, then.macro_recall if then else None)))
    if then is None:
        print("\nWhat it was tuned on is not at hand: the model lies in no report's folder of a store.")
        return
    drift = new_reviews.drift(fresh, then)
    print(f"\n{plain([shown.drifted(drift, new_reviews.unknown(fresh, then))])}\n")
    moved = [what for what, one in drift.items() if one["moved"]]
    print(console.clean(new_reviews.advice(found["scores"]["macro_recall"], then, moved)))
    others = ", ".join(then.corpora)
    print(
        console.clean(
            f"to tune anew: {program.name()} new-card {source}, and name its card beside {others} in a recipe"
        )
    )


def export(
    model: Annotated[Path, typer.Argument(help="Folder of a model that a run made.")] = MODEL,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder to write; an earlier export is replaced.")
    ] = EXPORTED,
) -> None:
    """Write a model as ONNX and int8, with twenty lines that run it without torch or Retone; answers are compared."""
    _check_model(model)
    from pipeline.deployment import export as exporting

    console.say("exporting: half a minute, then the same texts through torch, ONNX and int8")
    for form, size, speed, apart, _ in (measured := exporting.export(model, out)):
        print(f"{form:16} {size:8.1f} MB  {speed:7.1f} ms a text  largest difference of a logit {apart:.1e}")
    print(exporting.sentence(measured))
    print(console.clean(f"wrote {out}; README.md there says how to run it"))


def demo(
    model: Annotated[Path, typer.Argument(help="Folder of a model that a run made.")] = MODEL,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Of 127.0.0.1; by default from 7860 on.")] = None,
) -> None:
    """Serve a page to try a model on, to this machine alone: classes, pieces that tip them, two arms side by side."""
    _check_model(model)
    from pipeline.deployment import demo as page

    page.serve(page.page(*page.arms(model)), port)


def push(
    repo: Annotated[str, typer.Argument(help="OWNER/NAME on the Hub; made where it is not there.")],
    model: Annotated[Path, typer.Option("--model", help="Folder of a model, or of an exported one.")] = MODEL,
    public: Annotated[bool, typer.Option("--public", help="Let everybody read it; without it, you alone.")] = False,
) -> None:
    """Upload a model to the Hugging Face Hub with its card and the report's pictures, and nothing of the data."""
    _check_model(model)
    from pipeline.deployment.push import files_of, push

    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise InputError(f"push {repo}: name it as OWNER/NAME")
    console.say(f"uploading {', '.join(files_of(model))}")
    print(console.clean(push(model, repo, public=public)))


def _check_model(model: Path) -> None:
    """Refuse a model that is not there, or not as a run left it."""
    again = typed("make all")
    if model == MODEL and not model.exists():
        raise InputError(f"model {model}: none there yet; make one with `{again}`, or name one with --model")
    try:
        check_around(model)
    except DamagedError as damage:
        raise InputError(f"model {model}: {damage} changed on disk; `{again}` makes it again") from None


def _check_out(out: Path | None, source: str) -> None:
    """Refuse before any work what could not be written after it, or would replace what is read."""
    if out is None:
        return
    if out.suffix.lower() not in {"", ".csv", ".tsv", ".txt"}:
        raise InputError(f"output {out}: CSV is written, and .tsv; let its name end in .csv, which spreadsheets open")
    if out.exists() and not out.is_file():
        raise InputError(f"output {out}: is no file; name one")
    if out.exists() and Path(source).exists() and out.samefile(source):
        raise InputError(f"output {out}: is the input; name another file")
    if not out.parent.is_dir():
        raise InputError(f"output {out}: cannot be written (no folder {out.parent}); choose another place")


def compare(
    a: Annotated[str, typer.Argument(help="A run: a number or recipe of `history`, or a folder with a report.json.")],
    b: Annotated[str, typer.Argument(help="The run to set beside it.")],
    store: cli.StoreOption = STORE,
) -> None:
    """Set two runs side by side: scores, general English kept, verdicts that changed, settings that differ."""
    from pipeline.measuring.runs import two_runs
    from pipeline.report import comparison, history

    (file_a, report_a), (file_b, report_b) = (comparison.read(history.find(name, store)) for name in (a, b))
    try:
        folders = _evaluated(file_a, report_a), _evaluated(file_b, report_b)
        apart = two_runs.differences(report_a, report_b, folders)
        figures = two_runs.figures(report_a), two_runs.figures(report_b)
        shown = comparison.compared(report_a, report_b, figures, apart)
    except (LookupError, TypeError, ValueError, AttributeError) as problem:
        raise InputError(
            f"reports {file_a} and {file_b}: one is not as Retone writes it ({type(problem).__name__}: {problem}); "
            "make it again"
        ) from problem
    names = [
        f"{report['name']}, recipe {report.get('recipe', '?')}  ({file})"
        for file, report in ((file_a, report_a), (file_b, report_b))
    ]
    print(console.clean(comparison.text(names, shown)))


def history(store: cli.StoreOption = STORE) -> None:
    """List the runs of a store: recipe, headline figures, settings that differ. `compare` takes its numbers."""
    from pipeline.report import history

    known = history.runs(store)
    if not known:
        raise InputError(f"store {store}: no report yet; make one with `{typed('make all')}`")
    print(history.text(known))


def rank(
    models: Annotated[list[str], typer.Argument(help="Model folders, `minilm` or Hub ids.")],
    corpus: Annotated[str, typer.Option("--corpus", help="A card with role reviews: its training texts are asked.")],
    data_root: Annotated[Path | None, typer.Option("--data-root", help="Folder with data that cards name.")] = None,
    texts: Annotated[int, typer.Option(min=60, help="Texts that are asked at most, evenly from each class.")] = 4000,
    max_length: Annotated[int, typer.Option(min=8, max=512, help="Word pieces of a text that are read.")] = 128,
) -> None:
    """Rank models to start from by their frozen states, and say which layer to read: a minute a model, no tuning."""
    from pipeline.corpora.prepared import rows
    from pipeline.measuring import transferability
    from pipeline.measuring.statistics.sampling import fixed_sample
    from pipeline.models.reader import Reader
    from pipeline.report.summary import plain

    folders = {name: _folder(name) for name in dict.fromkeys(models)}
    readers = {name: Reader.of(folder, max_length) for name, folder in folders.items()}  # all refused before any work
    prepare = {stage.name: stage for stage in STORY}["prepare"]
    with TemporaryDirectory() as out:
        settings: Any = prepare.settings_type.model_validate({"corpora": [corpus], "data_root": data_root})
        prepare.function(settings, out=Path(out))
        asked = fixed_sample(rows(Path(out), role="reviews", split="train"), texts, 0, by="label")
    if not asked:
        raise InputError(f"corpus {corpus}: no labelled training texts; name a card with role reviews")
    own, labels = ([row[column] for row in asked] for column in ("text", "label"))
    found = {}
    for place, (name, folder) in enumerate(folders.items(), start=1):
        console.say(f"asking {name}, model {place} of {len(folders)}, about {len(asked):,} texts")
        found[name] = transferability.of_model(folder, readers[name], own, labels)
    print(plain(transferability.tables(found, len(asked))))


def search(
    recipe: cli.RecipeOption = "starter",
    changes: cli.SetOption = None,
    data_root: cli.DataRootOption = None,
    arm: Annotated[str | None, typer.Option("--arm", help="Arm to search; by default the final one.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="End by then, with the best found so far.")] = None,
    trials: Annotated[int | None, typer.Option(min=0, help="So many more; 40 where no minutes are given.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Of the study; by default the recipe's.")] = None,
    jobs: cli.JobsOption = None,
    engine: cli.EngineOption = "local",
    store: cli.StoreOption = Path("artifacts"),
) -> None:
    """Search a recipe's settings by dev macro-recall and general English kept. Again, it goes on where it was."""
    from pipeline.search import run

    jobs = jobs or workers.default_jobs()
    checked = load_recipe(recipe, STORY, cli.rooted(STORY, changes, data_root))
    if arm is not None and arm not in checked.arms:
        raise InputError(f"arm {arm}: unknown in recipe {checked.name}; {nearest(arm, checked.arms)}")
    team = workers.engine(engine, jobs, console.show_warnings)
    workers.limit_threads(jobs)
    plan = Plan(STORY, checked, Store(store))
    try:
        found, folder = run.search(
            STORY,
            checked,
            run.Limits(minutes, trials),
            arm=arm,
            name=name,
            store=store,
            workers=team,
            jobs=jobs,
            observer=lambda step: console.show_step(plan, step),
            say=lambda line: print(console.clean(line), flush=True),
            command=f"{program.name()} search",
        )
    except (KeyboardInterrupt, SystemExit):
        console.say("stopped; the same command continues from there")
        raise
    print(f"page    {folder / 'search.html'}")
    if found["best"] is not None and not found["tested"]:
        print(f"best    trial {found['best']}; make all RECIPE={folder / 'best.yaml'} tests it, and then `make search "
              "TRIALS=0` sets dev and test side by side")  # fmt: skip


def _folder(model: str) -> Path:
    """The folder of a model to be ranked; `scratch`, which is a setting's, is none."""
    from pipeline.models.sources import resolve

    if model == "scratch":
        raise InputError("model scratch: has no weights before a run makes them; name its folder")
    try:
        return resolve(model, None)
    except InputError as problem:
        raise InputError(f"model {model}: {str(problem).removeprefix('source.model: ')}") from None


def _evaluated(file: Path, report: Mapping[str, Any]) -> dict[str, list[Path]]:
    """The evaluate folders behind a report, where it lies in its store: a list of seeds by arm."""
    store, found = file.resolve().parent.parent.parent / "evaluate", {}
    for arm, stages in report.get("fingerprints", {}).items():
        folders = [store / str(fingerprint)[:16] for fingerprint in stages.get("evaluate", {}).values()]
        if folders and all(folder.is_dir() for folder in folders):
            found[arm] = folders
    return found


def _cells(told: Prediction | None) -> list[str]:
    """The likeliest label and the probability of each, as cells of a table; empty ones for a text without a word."""
    if told is None:
        return [""] * (1 + len(LABELS))
    return [told.label, *(f"{share:.4f}" for share in told.probabilities.values())]


def doctor(store: cli.StoreOption = STORE) -> None:
    """Say what a report of a fault should tell of this machine: versions, cores, memory, threads, GPU, the Hub."""
    from pipeline.doctor import findings

    for word, told in findings(store, workers.default_jobs()):
        print(console.clean(f"{word:<9} {told}"), flush=True)


def build() -> typer.Typer:
    """The whole command line: the machine's verbs, and those that need the craft."""
    app = cli.build(STORY)
    app.command()(cards)
    app.command("new-card")(new_card)
    app.command()(predict)
    app.command()(score)
    app.command()(compare)
    app.command()(history)
    app.command()(rank)
    app.command()(search)
    app.command()(doctor)
    app.command()(export)
    app.command()(demo)
    app.command()(push)
    return app


def main() -> int:
    """Run what was typed; returns the exit code."""
    return cli.main(build())


if __name__ == "__main__":
    raise SystemExit(main())
