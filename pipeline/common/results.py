"""What stages write as JSON, declared once: typed for readers, checked when it is written, told as a JSON schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from pipeline.common.files import write_json

Kind = TypeVar("Kind")
Verdict = Literal["better", "worse", "no-worse", "undecided", "exploratory", "unmeasured"]
"""Of a comparison; exploratory: its family of claims does not hold it, so there is none; unmeasured: there are too few
texts for a figure, so that it is none of a family, either."""
closed = with_config(ConfigDict(extra="forbid"))
"""No other keys than those declared."""


@closed
class Estimate(TypedDict):
    """The value on all items, its 95% interval and their number; null for what they do not settle.

    Shares run from 0 to 1, losses are nats a masked piece.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int


@closed
class Difference(Estimate):
    """Of one side less the other; ``p`` is the two-sided share of draws across zero."""

    p: float


def write(kind: type[Kind], path: Path, content: Any) -> None:
    """Write a JSON file; raises ValidationError where the content is not of that kind."""
    checked(kind, content)
    write_json(path, content)


def checked(kind: type[Kind], content: Any) -> Kind:
    """The content as it is; raises ValidationError where it is not of that kind."""
    TypeAdapter(kind).validate_python(content)
    return cast(Kind, content)
