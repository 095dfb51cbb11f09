"""A first draft of a card, from a look at a file's columns and values. What cannot be guessed is left as a question."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pipeline.common.errors import InputError
from pipeline.common.labels import LABELS
from pipeline.corpora.cards import Reading
from pipeline.corpora.cells import label_as_written
from pipeline.corpora.corpus import FEWEST
from pipeline.corpora.lines import MAX_FILE_BYTES
from pipeline.corpora.readers import FORMATS, formats, kind, read_rows
from pipeline.corpora.tables import separator
from pipeline.corpora.schema import QUESTION

COPIED_BYTES = 50 << 20
"""A larger file stays where it is, and the run is told where with ``data_root``."""
_LOOKED_AT = 5_000
_FEW = 12
_LONG_WORDS = 80

_READINGS = (
    Reading(),
    Reading(quoting=3),
    Reading(encoding="cp1252"),
    Reading(encoding="cp1252", quoting=3),
)
_SCALES: tuple[Mapping[str, str], ...] = (
    {"1": "negative", "2": "negative", "3": "neutral", "4": "positive", "5": "positive"},
    {"0": "negative", "1": "neutral", "2": "positive"},
    {"-1": "negative", "0": "neutral", "1": "positive"},
)
_WORDS = {
    "negative": "negative neg bad poor terrible awful horrible unhappy dissatisfied worse worst hate",
    "neutral": "neutral neu ok okay fine mixed average meh so-so fair none",
    "positive": "positive pos good great excellent awesome amazing happy satisfied better best love",
}
_LABEL_NAMES = "label labels sentiment stars star rating ratings score class target polarity gold"


@dataclass
class Draft:
    """What was guessed, and the questions that are left."""

    role: str = QUESTION
    columns: dict[str, str] = field(default_factory=dict)
    labels: dict[str, list[Any]] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)


def draft_card(file: Path, into: Path) -> Path:
    """Write ``into/<name>/README.md`` for a data file and copy the file beside it; return the new folder.

    Raises InputError where the file cannot be read or a card of that name is there already; then nothing is written.
    """
    if not file.is_file():
        raise InputError(f"{file}: no such file; name one of {formats()}")
    stem = file.name.split(".")[0]
    name = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-") or "corpus"
    folder = into / name
    if folder.exists():
        raise InputError(f"{folder} is there already, and is never overwritten; rename {file.name} or the folder")
    reading, rows = _readable(file)
    text = _card(stem, file, reading, guess(rows))
    try:
        folder.mkdir(parents=True)
        if file.stat().st_size <= COPIED_BYTES:
            shutil.copyfile(file, folder / file.name)
        (folder / "README.md").write_text(text, encoding="utf-8")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise InputError(f"{folder}: cannot be written ({error.strerror}); check space and permissions") from None
    return folder


def _readable(file: Path) -> tuple[Reading, list[dict[str, Any]]]:
    """The first way of reading that gets through the whole file, and all its rows. Raises what the first way raised."""
    first: InputError | None = None
    known = FORMATS.get(kind(file))
    for reading in _READINGS if known and known.encoded else _READINGS[:1]:
        try:
            rows = [values for _, values in read_rows(file, file.name, reading)]
        except InputError as error:
            first = first or error
            continue
        if not rows:
            raise InputError(f"{file.name}: no rows; the file is empty or holds only its header")
        return reading, rows
    assert first is not None
    raise first


def guess(rows: Sequence[Mapping[str, Any]]) -> Draft:
    """Guess role, columns and labels from the rows of a file."""
    names = [str(name) for name in rows[0]]
    for good, bad in (("good", "bad"), ("sentence_good", "sentence_bad")):
        if good in names and bad in names:
            phenomenon = next((name for name in ("phenomenon", "UID", "field") if name in names), QUESTION)
            questions = [] if phenomenon != QUESTION else ["columns.phenomenon: which column names what is tested?"]
            return Draft("pairs", {"good": good, "bad": bad, "phenomenon": phenomenon}, {}, questions)
    text, mean_words = _text_column(rows[:_LOOKED_AT], names)
    if text == QUESTION:
        listed = ", ".join(names)
        return Draft("?", {"text": text}, {}, [f"role, and columns.text: which column holds the text, of {listed}?"])
    label = _label_column(rows, [name for name in names if name != text])
    if label is None:
        role = "general" if mean_words >= _LONG_WORDS else "informal"
        return Draft(role, {"text": text})
    values = Counter(label_as_written(row.get(label)) for row in rows)
    labels, questions = _labels(values, label)
    return Draft("reviews", {"text": text, "label": label}, labels, questions)


def _text_column(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> tuple[str, float]:
    """The column with most words a row, and how many."""
    means = {
        name: sum(len(value.split()) for row in rows if isinstance(value := row.get(name), str)) / len(rows)
        for name in names
    }
    best = max(names, key=lambda name: means[name], default=QUESTION)
    return (best, means[best]) if means.get(best, 0) >= 1.5 or len(names) == 1 else (QUESTION, 0.0)


def _label_column(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str | None:
    """The column of few values that can be mapped best; one that is called like a label goes first."""
    ranked = []
    for name in names:
        values = Counter(label_as_written(row.get(name)) for row in rows)
        if not 2 <= len(values) <= _FEW:
            continue
        called = bool(set(re.split(r"[\W_]+", name.lower())) & set(_LABEL_NAMES.split()))
        mapped = sum(values[value] for value in _mapping(list(values)))
        if called or mapped:
            ranked.append((mapped / len(rows) + called, name))
    return max(ranked, key=lambda entry: entry[0])[1] if ranked else None


def _mapping(values: Sequence[str]) -> dict[str, str]:
    """Value -> class, for as many values as a known scale or word says."""
    for scale in _SCALES:
        if {value for value in values if value} <= set(scale) and len(values) > 1:
            return {value: scale[value] for value in values if value}
    known = {word: label for label, listed in _WORDS.items() for word in listed.split()}
    return {value: known[value.casefold()] for value in values if value.casefold() in known}


def _labels(values: Counter[str], column: str) -> tuple[dict[str, list[Any]], list[str]]:
    mapped = _mapping(list(values))
    labels: dict[str, list[Any]] = {
        label: sorted(_plain(value) for value in mapped if mapped[value] == label) or [QUESTION] for label in LABELS
    }
    found = ", ".join(f"{value or '(empty)'} ({count} rows)" for value, count in values.most_common(_FEW))
    questions = [
        f"labels.{label}: which values of {column} mean {label}? There are: {found}"
        for label in LABELS
        if labels[label] == [QUESTION]
    ]
    left = [value for value in values if value and value not in mapped]
    if left and not questions:
        questions.append(
            f"labels: where does {', '.join(left)} belong? Put it in place of the {QUESTION}, or under drop."
        )
        labels["neutral"].append(QUESTION)
    counts = {label: sum(values[value] for value in mapped if mapped[value] == label) for label in LABELS}
    questions += [
        f"labels.{label}: only {count} rows, and a run needs {FEWEST} of each class; can you add some?"
        for label, count in counts.items()
        if 0 < count < FEWEST
    ]
    return labels, questions


def _plain(value: str) -> Any:
    """As it would be written by hand in YAML: whole numbers without quotes."""
    return int(value) if re.fullmatch(r"-?[1-9]\d*|0", value) else value


def _card(title: str, file: Path, reading: Reading, draft: Draft) -> str:
    config: dict[str, Any] = {"config_name": "default", "data_files": [{"split": "train", "path": file.name}]}
    if kind(file) == "csv":
        config |= {"sep": sep} if (sep := separator(file, file.name, reading, MAX_FILE_BYTES)) != "," else {}
    config |= {key: value for key, value in asdict(reading).items() if value != asdict(Reading())[key]}
    own: dict[str, Any] = {"role": draft.role, "columns": draft.columns}
    if draft.labels:
        own["labels"] = draft.labels
    front = {"pretty_name": title.replace("_", " "), "language": "en", "license": "unknown", "configs": [config]}
    dumped = yaml.safe_dump(front | {"retone": own}, sort_keys=False, allow_unicode=True, default_flow_style=None)
    asked = [f"- {question}" for question in draft.questions]
    if file.stat().st_size > COPIED_BYTES:
        asked.append(f"- {file.name} is large and was not copied: run with `--data-root` and the folder it lies in.")
    body = ["## Questions", "", *asked, ""] if asked else []
    return "\n".join(["---", dumped.rstrip(), "---", "", *body, _PROSE])


_PROSE = """## Why

What this corpus is for.

## How it was collected

Where the texts come from, when, and what was left out.

## Labels

Who gave them, and which are doubtful (3 stars are often mixed, not neutral).

## Personal data

What there is, and what was done about it.

## Gaps

What this corpus does not show.
"""
