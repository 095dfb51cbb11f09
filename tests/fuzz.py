"""Faults looked for by chance, by hand: ``python -m tests.fuzz readers|cards|predict|recipes [MINUTES] [--atheris]``.

Whatever people give ends in rows or in one InputError; anything else, and 20 seconds of work for a case, is a fault
and is written to ``fuzz-found/``. Hypothesis makes the cases; with ``--atheris`` (pip install atheris; no dependency)
those that reach new lines are changed further. What was found is mended with a test of its kind.
"""

from __future__ import annotations

import bz2
import contextlib
import csv
import gzip
import hashlib
import io
import json
import logging
import lzma
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
import zstandard
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

if "--atheris" in sys.argv:
    import atheris  # type: ignore[import-not-found]

    steered: Any = atheris.instrument_imports(include=["pipeline", "stages"])
else:
    steered = contextlib.nullcontext()
with steered:
    from pipeline.common.errors import InputError
    from pipeline.common.validation import settings_of
    from pipeline.corpora import new_texts, schema
    from pipeline.corpora.card_files import Reading
    from pipeline.corpora.check import describe_cards, drafted
    from pipeline.corpora.drafting import draft_card
    from pipeline.corpora.readers import FORMATS, class_names, read_rows
    from pipeline.machine import cli
    from stages import STORY, prepare
    from stages.__main__ import build
    from tests.texts import read_texts

LONGEST_S = 20
FOUND = Path("fuzz-found")
CASES: Counter[str] = Counter()
FAULTS: Counter[str] = Counter()

# fmt: off
ODD = [
    "", " ", "?", "NA", "nan", "\0", "\ufeff", "\u2028", "\x85", "\x1b[2J", "=1+1", "\\", '\\"', '"', '""', "'",
    ",", ";", "\t", "|", "^", "\n", "\r", "\r\n", "1e999", "-0", "5/5", "★★★★★", "5 stars", "😂", ":joy:", "&amp;amp;",
    "\\ud83d", "¯\\_(ツ)_/¯", "b'\\xf0\\x9f'", "{", "}", "[", "]", "sep=;", "text", "label", "stars", "score",
    "title", "body", "reviews", "0", "1", "2", "3", "4", "5", "negative", "the kettle broke at once",
]
# fmt: on
WORDS = st.one_of(st.sampled_from(ODD), st.text(max_size=12), st.lists(st.sampled_from(ODD), max_size=5).map("".join))
NUMBERS = st.one_of(st.integers(-(10**20), 10**20), st.floats())
SIMPLE = st.one_of(st.none(), st.booleans(), NUMBERS, WORDS)
VALUES = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=6,
)
NAMES = st.one_of(st.sampled_from(["text", "stars", "label", "review", "score", "title", "body", "good", "bad"]), WORDS)
MUTATION = st.tuples(
    st.sampled_from(["cut", "insert", "double", "replace"]),
    st.integers(0, 1 << 16),
    st.binary(max_size=6),
    st.integers(1, 40),
)
PACKS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstandard.compress,
}  # fmt: skip


def mutated(content: bytes, mutations: list[tuple[str, int, bytes, int]]) -> bytes:
    for how, at, more, length in mutations:
        at %= len(content) + 1
        piece = {"cut": b"", "insert": more + content[at : at + length], "double": content[at : at + length] * 2}
        content = content[:at] + piece.get(how, more) + content[at + length :]
    return content


@st.composite
def tables(draw: Any) -> tuple[str, bytes]:
    """A table that people might have: texts, labels, and odd cells among them."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    scale = draw(
        st.sampled_from(
            [
                ["1", "2", "3", "4", "5"],
                ["negative", "neutral", "positive"],
                ["0", "1", "2"],
                list(map(str, range(0, 101, 9))),
            ]
        )
    )
    count = draw(st.integers(0, 30))
    rows = [
        [f"the {n}th kettle, {scale[n % len(scale)]}" if at == 0 else scale[n % len(scale)] for at in range(len(names))]
        for n in range(count)
    ]
    for row, column, value in draw(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 9), WORDS), max_size=6)):
        if rows:
            rows[row % len(rows)][column % len(names)] = value
    stream = io.StringIO(newline="")
    how = {
        "delimiter": draw(st.sampled_from(",;\t|^")),
        "quoting": draw(st.sampled_from([0, 1, 3])),
        "escapechar": draw(st.sampled_from([None, "\\"])),
    }
    how["doublequote"] = how["escapechar"] is None or draw(st.booleans())
    with contextlib.suppress(csv.Error):
        csv.writer(stream, lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])), **how).writerows([names, *rows])
    return draw(st.sampled_from(["csv", "tsv", "txt"])), encoded(draw, stream.getvalue())


def encoded(draw: Any, text: str) -> bytes:
    return text.encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252", "utf-32"])), "replace")


@st.composite
def jsons(draw: Any) -> tuple[str, bytes]:
    rows = draw(st.one_of(VALUES, st.lists(st.dictionaries(NAMES, VALUES, max_size=3), max_size=12)))
    if isinstance(rows, list) and draw(st.booleans()):
        return draw(st.sampled_from(["json", "jsonl"])), encoded(draw, "\n".join(map(json.dumps, rows)))
    rows = {"reviews": rows, "n": 1} if draw(st.booleans()) else rows
    return draw(st.sampled_from(["json", "jsonl"])), encoded(
        draw, json.dumps(rows, ensure_ascii=draw(st.booleans())).encode("utf-8", "replace").decode()
    )


@st.composite
def parquets(draw: Any) -> tuple[str, bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = draw(st.dictionaries(NAMES, st.lists(VALUES, min_size=3, max_size=3), min_size=1, max_size=3))
    stream = io.BytesIO()
    with contextlib.suppress(pa.ArrowException, TypeError, ValueError, OverflowError):
        schema_of = pa.table(columns)
        told = draw(st.one_of(st.none(), VALUES))
        huggingface = {"huggingface": json.dumps(told)} if told is not None else None
        pq.write_table(schema_of.replace_schema_metadata(huggingface), stream)
    return "parquet", stream.getvalue()


@st.composite
def workbooks(draw: Any) -> tuple[str, bytes]:
    from openpyxl import Workbook

    book, stream = Workbook(), io.BytesIO()
    for row in draw(st.lists(st.lists(SIMPLE, max_size=3), max_size=6)):
        with contextlib.suppress(Exception):
            book.active.append(row)
    if draw(st.booleans()):
        book.create_sheet().append(["text", "stars"])
    with contextlib.suppress(Exception):
        book.save(stream)
    return "xlsx", stream.getvalue()


@st.composite
def files(draw: Any) -> tuple[str, bytes]:
    """(name, bytes) of a file of data; mostly nearly right."""
    plain = st.tuples(st.sampled_from([*FORMATS, "zip", "xls"]), st.binary(max_size=60))
    ending, content = draw(st.one_of(tables(), tables(), jsons(), parquets(), workbooks(), plain))
    content = mutated(content, draw(st.lists(MUTATION, max_size=3)))
    if draw(st.integers(0, 9)) == 0:
        ending = draw(st.sampled_from([*FORMATS]))
    pack = draw(st.sampled_from(["", "", "", "", *PACKS]))
    content = PACKS[pack](content)
    return f"a.{ending}{pack}", mutated(content, draw(st.lists(MUTATION, max_size=1))) if pack else content


READINGS = st.builds(
    Reading,
    sep=st.sampled_from([None, ",", ";", "\t", '"', "\n", " "]),
    quoting=st.sampled_from([None, 0, 1, 2, 3]),
    header=st.booleans(),
    encoding=st.sampled_from(["utf-8", "cp1252", "utf-16", "utf-7", "latin-1", "shift_jis"]),
    field=st.sampled_from([None, "reviews", ""]),
    sheet=st.sampled_from([None, "Sheet", "x"]),
    of_card=st.booleans(),
)


def save(folder: Path, file: tuple[str, bytes]) -> Path:
    path = folder / file[0]
    path.write_bytes(file[1])
    return path


def readers(data: Any, folder: Path) -> None:
    path = save(folder, data.draw(files()))
    reading = data.draw(st.one_of(st.just(Reading()), READINGS))
    with contextlib.suppress(InputError):
        list(read_rows(path, "a", reading))
        class_names(path)
    with contextlib.suppress(InputError):
        read_texts(str(path), data.draw(st.one_of(st.none(), NAMES)))


FRONT = """configs: [{data_files: FILE, sep: ',', header: true}]
license: cc0-1.0
language: [en, de]
retone:
  role: reviews
  columns: {text: text, label: stars}
  labels: {negative: [1, 2], neutral: [3], positive: [4, 5]}
  drop: ['']
"""


def cards(data: Any, folder: Path) -> None:
    path = save(folder, data.draw(files()))
    card = folder / "cards" / "a"
    try:
        card = draft_card(path, folder / "cards")
        drafted(card)
    except InputError:
        if not card.exists():
            card.mkdir(parents=True)
            save(card, (path.name, path.read_bytes()))
            (card / "README.md").write_text(f"---\n{FRONT.replace('FILE', json.dumps(path.name))}---\n")
    readme = card / "README.md"
    text = readme.read_text("utf-8").replace(
        "'?'", data.draw(st.sampled_from(["'?'", "1", "false", "informal", "text"]))
    )
    front = yaml.safe_load(text.split("---\n")[1])
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.sampled_from([front, front["retone"], front["configs"][0]]))
        words = [
            "cuts",
            "labels",
            "drop",
            "role",
            "columns",
            "hub",
            "sep",
            "header",
            "field",
            "encoding",
            "data_files",
            "data_dir",
            "license",
        ]
        key = data.draw(
            st.sampled_from(
                [*words, *schema.Retone.model_fields, "quoting", "sheet", "language", "pretty_name", "configs"]
            )
        )
        if data.draw(st.integers(0, 4)) == 0:
            place.pop(key, None)
            front.setdefault("retone", {}), front.setdefault("configs", [{}])
        else:
            kind = type(front.get(key))
            value = data.draw(VALUES)
            place[key] = value if not (place is front and key in {"retone", "configs"}) else kind()
        if not isinstance(front["configs"], list) or not front["configs"]:
            break
    written = yaml.safe_dump(front, allow_unicode=True).encode("utf-8", "replace")
    readme.write_bytes(b"---\n" + mutated(written, data.draw(st.lists(MUTATION, max_size=2))) + b"---\nwhy\n")
    describe_cards(folder / "cards", None)
    with contextlib.suppress(InputError):
        settings_ = prepare.Settings(corpora=(str(card),), folds=data.draw(st.sampled_from([1, 3])))
        (folder / "out").mkdir()
        prepare.prepare(settings_, out=folder / "out")


def command(*arguments: object) -> tuple[int, str]:
    """Exit code and what was said of a command; what broke is raised."""

    def explained(error: Exception) -> tuple[int, str]:
        if isinstance(error, (InputError, cli.StageFailedError, cli.TyperException)):
            return 2, str(error)
        raise error

    said = io.StringIO()
    cli._explained = explained
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        return cli.main(build(), [str(each) for each in arguments]), said.getvalue()


MODEL: list[Path] = []


def _model() -> Path:
    """A tiny classifier, made once."""
    if not MODEL:
        from pipeline.models import loading
        from tests.toys import write_toy_model

        folder = Path(tempfile.mkdtemp())
        write_toy_model(folder / "base")
        tokenizer = loading.load_tokenizer(folder / "base")
        loading.save(loading.load_classifier(folder / "base"), tokenizer, folder / "model", emoji="words")
        MODEL.append(folder / "model")
    return MODEL[0]


def predict(data: Any, folder: Path) -> None:
    model = _model()
    if data.draw(st.integers(0, 3)) == 0:
        name = data.draw(
            st.sampled_from(
                [
                    "config.json",
                    "retone.json",
                    "tokenizer.json",
                    "tokenizer_config.json",
                    "model.safetensors",
                    "vocab.txt",
                ]
            )
        )
        (folder / "model").mkdir()
        for each in model.iterdir():
            content = each.read_bytes()
            if each.name == name:
                content = mutated(content, data.draw(st.lists(MUTATION, min_size=1, max_size=2)))
                if name.endswith(".json") and data.draw(st.booleans()):
                    told = json.loads(each.read_text())
                    told[data.draw(st.sampled_from(sorted(told) or ["x"]))] = data.draw(VALUES)
                    content = json.dumps(told).encode()
            (folder / "model" / each.name).write_bytes(content)
        model = folder / "model"
    path = save(folder, data.draw(files()))
    column, out = data.draw(st.one_of(st.none(), NAMES)), folder / data.draw(st.sampled_from(["o.csv", "o.tsv", "o"]))
    more = ["--text-column", column] if column else []
    code, said = command("predict", path, "--model", model, "-o", out, *more)
    assert code in {0, 2}, said
    if code == 0:
        with out.open(encoding="utf-8", newline="") as stream:
            written = "\t" if out.suffix == ".tsv" else new_texts.read_texts(str(path), column or None).separator
            found = len(list(csv.reader(stream, delimiter=written))) - 1
        assert found == len(list(read_rows(path, "a"))), f"{found} rows out"
    else:
        assert said.count("\n") == 1 or "InputError" not in said, said


PATHS = [f"{stage.name}.{path}" for stage in STORY for path, _, _ in settings_of(stage.settings_type)]


def recipes(data: Any, folder: Path) -> None:
    content: dict[str, Any] = {"extends": "starter"} if data.draw(st.booleans()) else {"arms": {"one": {}}}
    for _ in range(data.draw(st.integers(0, 4))):
        keys = data.draw(st.sampled_from(PATHS)).split(".")
        keys = data.draw(
            st.sampled_from(
                [
                    keys,
                    keys[:-1],
                    ["arms", "full", *keys],
                    ["arms", "one", *keys],
                    ["arms", "full"],
                    ["arms"],
                    ["seeds"],
                    ["name"],
                ]
            )
        )
        inner = content
        for key in keys[:-1]:
            inner[key] = inner[key] if isinstance(inner.get(key), dict) else {}
            inner = inner[key]
        inner[keys[-1]] = data.draw(
            st.one_of(NUMBERS, st.sampled_from([None, {}, True, [0, 1], "all", 1, 2, 0.5]), VALUES)
        )
    written = yaml.safe_dump(content, allow_unicode=True).encode("utf-8", "replace")
    path = folder / "mine.yaml"
    path.write_bytes(mutated(written, data.draw(st.lists(MUTATION, max_size=2))))
    sets = data.draw(
        st.lists(st.tuples(st.sampled_from([*PATHS, "seeds", "arms.full", "name", "arms"]), VALUES), max_size=2)
    )
    more = [each for key, value in sets for each in ("--set", f"{key}={json.dumps(value)}")]
    stage = data.draw(st.sampled_from([[], ["finetune"], ["report"]]))
    command("run", *stage, "--recipe", path, "--dry-run", "--store", folder / "store", *more)
    command("status", "--recipe", path, "--store", folder / "store")


TARGETS = {each.__name__: each for each in (readers, cards, predict, recipes)}


class TooLongError(Exception):
    """A case took longer than any should."""


def _late(*_: Any) -> None:
    raise TooLongError(f"over {LONGEST_S} seconds")


def watched(target: Callable[[Any, Path], None]) -> Callable[[Any], None]:
    """The target in a folder of its own; whatever it raises is noted, once a kind."""

    def one(data: Any) -> None:
        from hypothesis.errors import HypothesisException, StopTest

        CASES[target.__name__] += 1
        with tempfile.TemporaryDirectory() as name:
            signal.signal(signal.SIGPROF, _late)
            signal.setitimer(signal.ITIMER_PROF, LONGEST_S)
            try:
                target(data, Path(name))
            except (StopTest, HypothesisException):
                raise
            except Exception as fault:
                if "hypothesis" in (type(fault).__module__ or ""):
                    raise
                _note(target.__name__, fault, Path(name))
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)

    return one


def _note(target: str, fault: Exception, folder: Path) -> None:
    frames = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(fault.__traceback__)]
    ours = [frame.name for frame in traceback.extract_tb(fault.__traceback__) if "/pipeline/" in frame.filename]
    kind = f"{type(fault).__name__} {' '.join(ours[-2:])} {frames[-1]}"
    FAULTS[kind] += 1
    if FAULTS[kind] > 3:
        return
    place = FOUND / f"{target}-{hashlib.sha1(kind.encode()).hexdigest()[:8]}-{FAULTS[kind]}"
    place.mkdir(parents=True, exist_ok=True)
    for file in folder.rglob("*"):
        if file.is_file() and "model" not in file.parts[-2:]:
            (place / file.name).write_bytes(file.read_bytes())
    (place / "traceback.txt").write_text(f"{kind}\n" + "".join(traceback.format_exception(fault)), "utf-8")


def main(name: str, minutes: float, by_atheris: bool) -> None:
    logging.disable(logging.CRITICAL)
    begun, end = time.monotonic(), time.monotonic() + 60 * minutes
    one = watched(TARGETS[name])

    def test() -> Any:
        how = settings(
            max_examples=50,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        return how(given(st.data())(one))

    if by_atheris:
        fuzzed = test().hypothesis.fuzz_one_input

        def told(content: bytes) -> None:
            fuzzed(content)
            if time.monotonic() > end:
                _tell(name, begun)
                os._exit(0)  # libFuzzer knows no other end than its own

        begin = Path(tempfile.mkdtemp())  # with next to nothing, no case is whole, and nothing is learnt
        for number in range(100):
            (begin / f"{number}").write_bytes(random.Random(number).randbytes(2000))
        atheris.Setup([sys.argv[0], str(begin), "-max_len=8192", "-len_control=0", "-rss_limit_mb=8000"], told)
        atheris.Fuzz()
    number = 0
    while time.monotonic() < end:
        number += 1
        seed(number)(test())()
    _tell(name, begun)


def _tell(name: str, begun: float) -> None:
    minutes, busy = (time.monotonic() - begun) / 60, time.process_time() / 60
    print(
        f"{name}: {CASES[name]:,} cases in {minutes:.1f} minutes ({busy:.1f} of a core), {len(FAULTS)} kinds of fault"
    )
    for kind, count in FAULTS.most_common():
        print(f"    {count:6,} {kind}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 10, "--atheris" in sys.argv)
