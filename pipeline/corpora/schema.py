"""The words of a card: roles, columns, splits, and the closed section under ``retone``."""

from __future__ import annotations

import site
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from pipeline.common import program
from pipeline.common.errors import InputError
from pipeline.common.labels import LABELS
from pipeline.common.settings import Group
from pipeline.common.validation import allowed, nearest

Role = Literal["informal", "reviews", "general", "pairs"]
Split = Literal["train", "dev", "test"]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "reviews": ("text", "label"),
    "informal": ("text",),
    "general": ("text",),
    "pairs": ("good", "bad", "phenomenon"),
}
"""The columns a corpus of each role must have, by our names."""

SPLITS: Mapping[str, Split] = {
    "train": "train",
    "dev": "dev",
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "test": "test",
}
"""Names of splits that people use, and ours."""

_PLACES = [Path(__file__).parents[2], *(Path(base, "share", "retone") for base in (sys.prefix, site.getuserbase()))]
SHIPPED = next((found for place in _PLACES if (found := place / "data_cards").is_dir()), _PLACES[0] / "data_cards")
"""The starter's cards: in a clone, and where a package was installed (``data-files`` of pyproject.toml)."""
TEMPLATE = SHIPPED / "TEMPLATE.md" if program.installed() else "data_cards/TEMPLATE.md"

QUESTION = "?"
"""What ``new-card`` writes where it could not guess; a card that still holds one is refused."""


class Hub(Group):
    """A data set on the Hugging Face Hub, pinned so that it cannot change under us."""

    id: str = Field(pattern=r"^[\w.-]+(/[\w.-]+)?$")
    revision: str
    config: str | None = None

    @field_validator("revision")
    @classmethod
    def _pinned(cls, revision: str) -> str:
        if len(revision) != 40 or set(revision) - set("0123456789abcdef"):
            raise ValueError("is not a full commit hash (40 hex digits); branches and tags move")
        return revision


class Retone(Group):
    """The card's own section: closed, an unknown key is an error."""

    role: Role
    columns: dict[str, str | tuple[str, ...]] = Field({})
    labels: dict[str, tuple[str, ...]] = Field({})
    cuts: tuple[float, float] | None = None
    drop: tuple[str, ...] = ()
    hub: Hub | None = None

    @field_validator("labels", "drop", mode="before")
    @classmethod
    def _as_written(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: _labels(values) for key, values in value.items()}
        return _labels(value)


def _labels(values: Any) -> tuple[str, ...]:
    values = values if isinstance(values, (list, tuple)) else [values]
    for value in values:
        if isinstance(value, bool):
            raise ValueError(f"YAML reads an unquoted yes, no, on or off as {str(value).lower()}; quote it")
        if not isinstance(value, (str, int, float)):
            raise ValueError(f"{value!r} is no label; write a word or a number")
    return tuple(str(value).strip() for value in values)


def own_section(front: dict[str, Any], place: str) -> Retone:
    """The checked section ``retone`` of a card's front matter. Raises InputError with the key and the next step."""
    section = front.get("retone")
    if not isinstance(section, dict):
        raise InputError(f"{place}: no section `retone:` with a role; see {TEMPLATE}")
    if keys := list(dict.fromkeys(questions(section, "retone"))):
        more = f", and so {'is' if len(keys) == 2 else 'are'} {', '.join(keys[1:])}" if keys[1:] else ""
        raise InputError(f"{place}: {keys[0]} is still a question ({QUESTION}){more}; answer in the front matter")
    try:
        own = Retone.model_validate(section)
    except ValidationError as error:
        raise InputError(f"{place}: " + "; ".join(_explain(problem) for problem in error.errors())) from None
    _check_meaning(own, place)
    return own


def questions(value: Any, key: str) -> Iterator[str]:
    """The keys below ``key`` whose values are still open."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from questions(inner, f"{key}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from questions(inner, key)
    elif value == QUESTION:
        yield key


def _explain(problem: Any) -> str:
    key, kind = ".".join(str(part) for part in ("retone", *problem["loc"])), problem["type"]
    if kind == "extra_forbidden":
        known = [*Hub.model_fields] if "hub" in problem["loc"][:-1] else [*Retone.model_fields]
        return f"unknown key {key}; {nearest(str(problem['loc'][-1]), known)}"
    if kind == "missing":
        return f"{key} is needed; see {TEMPLATE}"
    if kind == "literal_error":
        return f"{key}: {problem['input']!r} does not fit; it takes {allowed(Retone, str(problem['loc'][0]))}"
    if problem["loc"][0] == "columns":
        return f"{'.'.join(key.split('.')[:3])}: {problem['input']!r} is no column's name; write one, in quotes"
    return f"{key}: {problem['msg'].removeprefix('Value error, ')}"


def _check_meaning(own: Retone, place: str) -> None:
    wanted = COLUMNS[own.role]
    for column in own.columns:
        if column not in wanted:
            raise InputError(f"{place}: retone.columns: role {own.role} has no {column}; {nearest(column, wanted)}")
        if not own.columns[column] or (column != "text" and not isinstance(own.columns[column], str)):
            raise InputError(f"{place}: retone.columns.{column}: name one column; text alone may be a list of several")
    named = [
        column for columns in own.columns.values() for column in ([columns] if isinstance(columns, str) else columns)
    ]
    if twice := sorted({column for column in named if named.count(column) > 1}):
        raise InputError(f"{place}: retone.columns: {', '.join(twice)} stands in two places; each is read as one thing")
    if own.role != "reviews":
        if own.labels or own.drop or own.cuts:
            raise InputError(f"{place}: role {own.role} has no labels; remove retone.labels, cuts and drop")
        return
    for label in own.labels:
        if label not in LABELS:
            raise InputError(f"{place}: retone.labels: unknown class {label}; {nearest(label, LABELS)}")
    if own.cuts and own.cuts[0] > own.cuts[1]:
        raise InputError(f"{place}: retone.cuts: {own.cuts[0]:g} is above {own.cuts[1]:g}; write the lower one first")
    for label in () if own.cuts else LABELS:
        if not own.labels.get(label):
            raise InputError(f"{place}: retone.labels says nothing of {label}; add `{label}: [values in the file]`")
    values = [value for label in own.labels.values() for value in label] + list(own.drop)
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise InputError(f"{place}: retone.labels: {', '.join(twice)} stands in two places; keep one")
