"""Where a card's rows are: the Hub's ``configs`` and ``data_files``, confined to folders that the user named."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.common.errors import InputError
from pipeline.common.validation import nearest
from pipeline.corpora.lines import is_encoding
from pipeline.corpora.schema import QUESTION, SPLITS, TEMPLATE, Split

_OPTIONS = (
    *("config_name", "default", "data_files", "data_dir"),
    *("sep", "delimiter", "quoting", "escapechar", "header", "encoding", "field", "sheet"),
)
"""That a config may have."""


@dataclass(frozen=True)
class Reading:
    """How the files of a card are written, in the words of the Hub's own loader."""

    sep: str | None = None
    """Field separator of csv and tsv; None: found out from the header line."""
    quoting: int | None = None
    """As in Python's csv module: 0 fields may be quoted, 3 quotes are letters like any other; None: found out."""
    escapechar: str | None = None
    """A backslash where one stands before each quote within a quoted field; None: found out."""
    header: bool = True
    """Whether the first line of csv and tsv names the columns; else they are called ``column 1`` and so on."""
    encoding: str = "utf-8"
    field: str | None = None
    """In a .json file: the key under which the list of rows stands."""
    sheet: str | None = None
    """In a workbook: the sheet that counts; None: the one that has rows."""
    of_card: bool = False
    """Whether a card says so, and could say otherwise: errors then advise it."""

    @property
    def otherwise(self) -> str:
        """The way out of a wrong encoding that a card has."""
        return ", or write `encoding: latin-1` (or what it is) beside data_files in the card" if self.of_card else ""


def sole_config(front: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The entry of ``configs`` that counts: marked ``default: true``, or named default, or the only one."""
    configs = front.get("configs")
    if not isinstance(configs, list) or not configs or not all(isinstance(config, dict) for config in configs):
        raise InputError(f"{place}: no configs with data_files; see {TEMPLATE}")
    chosen = [config for config in configs if config.get("default") is True]
    chosen = chosen or [config for config in configs if config.get("config_name", "default") == "default"]
    chosen = chosen or (configs if len(configs) == 1 else [])
    if len(chosen) != 1:
        raise InputError(f"{place}: configs has {len(configs)} entries; mark one with `default: true`")
    if not chosen[0].get("data_files"):
        raise InputError(f"{place}: configs: no data_files; name the files of each split")
    return dict(chosen[0])


def reading(config: Mapping[str, Any], place: str) -> Reading:
    """How to read the files, from the config's loader options. Raises InputError for an option that is not known."""
    for key in config:
        if key not in _OPTIONS:
            raise InputError(f"{place}: configs: unknown option {key}; {nearest(str(key), _OPTIONS)}")
    sep = config.get("sep", config.get("delimiter"))
    if sep is not None and (not isinstance(sep, str) or len(sep) != 1):
        raise InputError(f"{place}: configs: sep is {sep!r}; it must be one character")
    if config.get("quoting") not in (None, 0, 1, 2, 3):
        raise InputError(f"{place}: configs: quoting is {config['quoting']!r}; it must be 0 (quotes) or 3 (none)")
    if (escapechar := config.get("escapechar")) not in (None, "\\"):
        raise InputError(f"{place}: configs: escapechar is {escapechar!r}; it must be '\\', or left out")
    header = config.get("header", True)
    if header == QUESTION:
        raise InputError(f"{place}: configs.header is still a question ({QUESTION}); write true or false")
    if not isinstance(header, bool):
        raise InputError(
            f"{place}: configs: header is {header!r}; it must be true, or false where the first row is data"
        )
    if config.get("sheet") == QUESTION:
        raise InputError(
            f"{place}: configs.sheet is still a question ({QUESTION}); write the name of the one that counts"
        )
    encoding = str(config.get("encoding", "utf-8"))
    if not is_encoding(encoding):
        raise InputError(f"{place}: configs: unknown encoding {encoding}; try utf-8 or latin-1")
    return Reading(
        sep=sep,
        quoting=config.get("quoting"),
        escapechar=escapechar,
        header=header,
        encoding=encoding,
        field=_named(config, "field", place),
        sheet=_named(config, "sheet", place),
        of_card=True,
    )


def _named(config: Mapping[str, Any], option: str, place: str) -> str | None:
    """A name that an option gives; YAML reads one of digits as a number or a date."""
    name = config.get(option)
    if isinstance(name, bool) or not isinstance(name, str | int | float | date | None):
        raise InputError(f"{place}: configs: {option} is {name!r}; it must be one name, in quotes")
    return None if name is None else str(name)


def card_files(
    config: Mapping[str, Any], folder: Path, data_root: Path | None, place: str
) -> dict[Split, tuple[Path, ...]]:
    """The data files of each split, in the order given, those of a glob sorted.

    A path is looked for in the card's folder, then in ``data_root``; it may leave neither, not by a link either.
    Raises InputError for a path that does, a split of unknown name, and a pattern that matches nothing.
    """
    found: dict[Split, tuple[Path, ...]] = {}
    for split, pattern in _patterns(config.get("data_files", []), place):
        pattern = f"{config['data_dir']}/{pattern}" if config.get("data_dir") else pattern
        if split not in SPLITS:
            raise InputError(f"{place}: data_files: unknown split {split}; {nearest(split, SPLITS)}")
        files = _matches(pattern, folder, data_root, place)
        found[SPLITS[split]] = found.get(SPLITS[split], ()) + files
    everything = [path.resolve() for files in found.values() for path in files]
    for path in everything:
        if everything.count(path) > 1:
            raise InputError(f"{place}: data_files: {path.name} is named twice; a row may be in one split only")
    return found


def _patterns(data_files: Any, place: str) -> list[tuple[str, str]]:
    """(split, pattern) of each entry; all the Hub's forms: a path, a list of paths, a list of {split, path}."""
    found: list[tuple[str, str]] = []
    for entry in data_files if isinstance(data_files, list) else [data_files]:
        told = entry if isinstance(entry, dict) else {"path": entry}
        split, paths = str(told.get("split", "train")), told.get("path")
        for path in paths if isinstance(paths, list) else [paths]:
            if not isinstance(path, str) or not path.strip():
                raise InputError(f"{place}: data_files: {entry!r} is no path; write {{split: train, path: file.csv}}")
            found.append((split, path))
    return found


def _matches(pattern: str, folder: Path, data_root: Path | None, place: str) -> tuple[Path, ...]:
    parts = PurePosixPath(pattern.replace("\\", "/")).parts
    if "://" in pattern or PurePosixPath(pattern).is_absolute() or Path(pattern).is_absolute() or ".." in parts:
        raise InputError(
            f"{place}: path {pattern} leaves the card's folder; write it relative to the folder, "
            "or relative to data_root (--data-root)"
        )
    if any("**" in part and part != "**" for part in parts):
        raise InputError(
            f"{place}: path {pattern}: ** stands for folders, between slashes; write such as data/**/*.csv"
        )
    roots = [folder] if data_root is None else [folder, data_root]
    for root in roots:
        try:
            files = tuple(sorted(_below(root, pattern)))
        except OSError as error:
            told = f"{pattern[:60]} cannot be looked for ({error.strerror})"
            raise InputError(f"{place}: path {told}; write that of a file") from None
        for path in files:
            if not path.resolve().is_relative_to(root.resolve()):
                raise InputError(f"{place}: {pattern} is a link that leaves {root}; copy the file there")
        if files:
            return files
    where = " or ".join(str(root) for root in roots)
    hint = "" if data_root else "; data that lies elsewhere needs data_root (--data-root)"
    raise InputError(f"{place}: no file {pattern} in {where}{hint or '; check the path'}")


def _below(root: Path, pattern: str) -> Iterator[Path]:
    """The files that a pattern matches; a name may hold brackets, so it is taken as it stands first."""
    found = root.glob(pattern) if glob.has_magic(pattern) and not (root / pattern).is_file() else [root / pattern]
    return (path for path in found if path.is_file() and path.name != "README.md")
