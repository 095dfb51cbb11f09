"""A first draft of a card for a file, or a folder of files. What cannot be told is left as a question."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from pipeline.common.errors import InputError
from pipeline.corpora.card_files import Reading
from pipeline.corpora.cells import as_written
from pipeline.corpora.guessing import guess, looks_headless
from pipeline.corpora.json_rows import field_of_rows
from pipeline.corpora.lines import MAX_FILE_BYTES, kind
from pipeline.corpora.readers import FORMATS, class_names, formats, looks_like_table, read_rows
from pipeline.corpora.schema import QUESTION, SPLITS
from pipeline.corpora.sheets import sheet_names
from pipeline.corpora.tables import ESCAPED, LETTERS, quoting, separator
from pipeline.text.languages import language

MOST_ASKED = 2000
"""Texts that are asked for their language."""
COPIED_BYTES = 50 << 20
"""A larger file stays where it is, and the run is told where with ``data_root``."""

_READINGS = (
    Reading(),
    Reading(quoting=3),
    Reading(encoding="cp1252"),
    Reading(encoding="cp1252", quoting=3),
)


def draft_card(source: Path, into: Path) -> Path:
    """Write ``into/<name>/README.md`` for a data file, or a folder of them, and copy the files beside it.

    Returns the new folder. Raises InputError where a file cannot be read or a card of that name is there already; then
    nothing is written.
    """
    files = _files(source)
    stem = source.name.split(".")[0] if source.is_file() else source.resolve().name
    name = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-") or "corpus"
    folder = into / name
    if folder.exists():
        raise InputError(f"{folder} is there already, and is never overwritten; rename {source.name} or the folder")
    text = _card(stem, files)
    try:
        into.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=into, prefix=".") as beside:  # so that what appears meanwhile stays as it is
            made = Path(beside) / name
            made.mkdir()
            for file in files:
                if file.stat().st_size <= COPIED_BYTES:
                    shutil.copyfile(file, made / file.name)
            (made / "README.md").write_text(as_written(text), encoding="utf-8")
            made.rename(folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); check space and permissions") from None
    return folder


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise InputError(f"{source}: no such file; name one of {formats()}")
    files = sorted(path for path in source.iterdir() if path.is_file() and kind(path) in FORMATS)
    kinds = sorted({kind(path) for path in files})
    if len(kinds) != 1:
        found = f"files of {' and '.join(kinds)}; a card takes one format" if kinds else f"no files of {formats()}"
        raise InputError(f"{source}: {found}; name a file, or a folder with what belongs together")
    return files


def _readable(files: Sequence[Path], sheet: str | None) -> tuple[Reading, list[dict[str, Any]]]:
    """The first way of reading that gets through all files, and their rows. Raises what the first way raised."""
    first: InputError | None = None
    known = FORMATS.get(kind(files[0]))
    for reading in _READINGS if known and known.encoded else _READINGS[:1]:
        try:
            found = _read(files, replace(reading, sheet=sheet))
        except InputError as error:
            first = first or error
            continue
        if first is None or not any(_is_garbled(value, reading) for row in found[1] for value in row.values()):
            return found
    assert first is not None
    raise first


def _is_garbled(value: Any, reading: Reading) -> bool:
    """Whether it is UTF-8 after all: a file of both would be spoilt by being read as either."""
    if reading.encoding == "utf-8" or not isinstance(value, str) or value.isascii():
        return False
    try:
        value.encode(reading.encoding).decode("utf-8")
    except UnicodeError:
        return False
    return True


def _read(files: Sequence[Path], reading: Reading) -> tuple[Reading, list[dict[str, Any]]]:
    """How files are written, everything said that was found out in reading them so, and their rows."""
    file = files[0]
    if kind(file) in {"txt", "raw"} and all(looks_like_table(each, each.name, reading) for each in files):
        reading = replace(reading, sep="\t")
    if kind(file) in {"csv", "tsv"} or reading.sep:
        found = [quoting(each, each.name, reading, MAX_FILE_BYTES) for each in files]
        reading = replace(reading, quoting=3) if LETTERS in found else reading
        reading = replace(reading, escapechar="\\") if ESCAPED in found else reading
        sep = separator(file, file.name, reading, MAX_FILE_BYTES)
        reading = reading if sep == {"csv": ",", "tsv": "\t"}.get(kind(file)) else replace(reading, sep=sep)
    if kind(file) == "json":
        reading = replace(reading, field=field_of_rows(file, file.name, reading, MAX_FILE_BYTES))
    try:
        rows = _rows(files, reading)
    except InputError:
        if len(files) > 1 or not _is_table(file, reading) or not _reads_headless(files, reading):
            raise
        return replace(reading, header=False), _rows(files, replace(reading, header=False))
    if _is_table(file, reading) and looks_headless(list(rows[0]), rows):
        return replace(reading, header=False), _rows(files, replace(reading, header=False))
    return reading, rows


def _reads_headless(files: Sequence[Path], reading: Reading) -> bool:
    """Whether a table whose first line cannot name its columns is one of data."""
    try:
        first, *rest = (list(row.values()) for row in _rows(files, replace(reading, header=False)))
    except InputError:
        return False
    names = [as_written(value) for value in first]  # a workbook's may be numbers
    return bool(rest) and looks_headless(names, [dict(zip(names, row, strict=True)) for row in rest])


def _is_table(file: Path, reading: Reading) -> bool:
    known = FORMATS.get(kind(file))
    return bool(known and known.headed) or reading.sep is not None


def _rows(files: Sequence[Path], reading: Reading) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for file in files:
        rows = [values for _, values in read_rows(file, file.name, reading)]
        if not rows:
            raise InputError(f"{file.name}: no rows; the file is empty or holds only its header")
        if found and list(rows[0]) != list(found[0]):
            raise InputError(
                f"{file.name}: its columns are {', '.join(rows[0])}, and those of {files[0].name} are "
                f"{', '.join(found[0])}; a card takes files of one kind"
            )
        found += rows
    return found


def _split(file: Path) -> str:
    """The split that a file's name tells of, such as ``reviews-test.csv``."""
    words = re.split(r"[\W_]+", file.name.lower())
    return next((SPLITS[word] for word in words if word in SPLITS), "train")


def _card(title: str, files: Sequence[Path]) -> str:
    sheets = sheet_names(files[0], files[0].name, MAX_FILE_BYTES) if kind(files[0]) == "xlsx" else []
    reading, rows = _readable(files, sheets[0] if len(sheets) > 1 else None)
    draft = guess(rows, class_names(files[0]))
    several = len(files) > 1
    data_files = [{"split": _split(file) if several else "train", "path": file.name} for file in files]
    config: dict[str, Any] = {"config_name": "default", "data_files": data_files}
    config |= {key: value for key, value in asdict(reading).items() if value != asdict(Reading())[key]}
    large = (file.name for file in files if file.stat().st_size > COPIED_BYTES)
    draft.notes += [f"{name} is large and was not copied: run with `--data-root` and the folder it lies in."
                    for name in large]  # fmt: skip
    if not reading.header:
        config["header"] = QUESTION
        shown = " | ".join(str(value) for value in rows[0].values())[:100]
        draft.questions.insert(
            0,
            f"header: does the first line name the columns ({shown})? It looks like data; then write `header: false`.",
        )
    if reading.sheet is not None:
        config["sheet"] = QUESTION
        draft.questions.insert(0, f"sheet: which counts of {', '.join(sheets)}? This draft is of {reading.sheet}.")
    if reading.quoting == 3:
        draft.notes.append('quoting: quotes (") are letters like any other; as quotes, one would swallow rows.')
    if reading.escapechar:
        draft.notes.append('escapechar: quotes within texts stand behind a backslash (\\").')
    spoken = _language([str(row.get(draft.columns.get("text", ""), "")) for row in rows])
    if spoken != "en":
        draft.notes.append(f"language: most texts look like {spoken}; take a base that reads it (docs/bases.md).")
    own: dict[str, Any] = {"role": draft.role, "columns": draft.columns}
    own |= {key: value for key in ("labels", "cuts", "drop") if (value := getattr(draft, key))}
    front = {"pretty_name": title.replace("_", " "), "language": spoken, "license": "unknown", "configs": [config]}
    dumped = yaml.safe_dump(front | {"retone": own}, sort_keys=False, allow_unicode=True, default_flow_style=None)
    return "\n".join(
        [
            "---",
            dumped.rstrip(),
            "---",
            "",
            *_section("Questions", draft.questions),
            *_section("Noticed", draft.notes),
            _PROSE,
        ]
    )


def _language(texts: Sequence[str]) -> str:
    """What most of those texts are in of which the language can be told; English, where that is no other."""
    told = Counter(code for text in texts[:MOST_ASKED] if (code := language(text)))
    ((code, count),) = told.most_common(1) or [("en", 0)]
    return code if 2 * count > max(told.total(), len(texts[:MOST_ASKED]) // 2) else "en"


def _section(title: str, entries: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *(f"- {entry}" for entry in entries), ""] if entries else []


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
