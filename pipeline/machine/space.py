"""What of a recipe may be searched, and how: its section ``search``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from pipeline.common.settings import Group
from pipeline.common.validation import explain


class Span(Group):
    """The values that a setting may take: all between two ends, both included, or some."""

    low: float | None = Field(default=None, description="lower end")
    high: float | None = Field(default=None, description="upper end")
    log: bool = Field(default=False, description="drawn evenly in the logarithm, as rates are")
    choices: tuple[bool | int | float | str | None, ...] | None = Field(default=None, description="or these values")

    @field_validator("choices", mode="before")
    @classmethod
    def _numbers(cls, choices: Any) -> Any:
        """YAML reads 1e-4 as text."""
        if not isinstance(choices, list | tuple):
            return choices
        return [float(each) if isinstance(each, str) and re.fullmatch(r"\d+e-?\d+", each) else each for each in choices]

    @model_validator(mode="after")
    def _possible(self) -> Self:
        low, high = self.low, self.high
        if self.choices is not None:
            if (low, high, self.log) != (None, None, False):
                raise ValueError("choices have no low, high or log; give either")
            if len({(type(each), each) for each in self.choices}) < max(2, len(self.choices)):
                raise ValueError("give two choices or more, all different")
        elif low is None or high is None:
            raise ValueError("give {low: ..., high: ...}, or a list of choices")
        elif low >= high:
            raise ValueError(f"low is {low:g} and high {high:g}: low must be below high")
        elif self.log and low <= 0:
            raise ValueError(f"low is {low:g}, which has no logarithm; let it be above 0, or leave log out")
        return self


class Search(Group):
    """The section: settings by path, the values they may take, and what is asked of the best."""

    settings: dict[str, Span] = Field(
        default={}, description="`finetune.learning_rate: {low: 1e-5, high: 1e-4, log: true}`"
    )
    sampler: Literal["tpe", "nsga2", "random"] = Field(
        default="tpe",
        description="who proposes values; nsga2: by crossing the best, ten at a time; random learns from no trial",
    )
    seed: int = Field(default=0, ge=0, lt=1 << 32, description="of what is proposed")
    budget: float = Field(
        default=0.95,
        ge=0,
        le=1.5,
        description="share of general English that the best keeps, as a lower bound on dev text",
    )


def read(section: Mapping[str, Any]) -> tuple[Search, list[tuple[list[Any], str]]]:
    """The section as written, checked by itself, and what is wrong with it: where, and in words."""
    spans: dict[str, Span] = {}
    problems: list[tuple[list[Any], str]] = []
    written = section.get("settings") or {}
    if not isinstance(written, dict):
        return Search(), [(["settings"], "must hold `stage.key: values` lines")]
    for path, values in written.items():
        if not isinstance(values, dict | list):
            problems.append((["settings", path], "give {low: ..., high: ...}, or a list of choices"))
            continue
        try:
            spans[path] = Span.model_validate({"choices": values} if isinstance(values, list) else values)
        except ValidationError as error:
            problems += [(["settings", path, *loc], text) for loc, text in explain(error, Span)]
    try:
        return Search.model_validate({**section, "settings": spans}), problems
    except ValidationError as error:
        return Search(), problems + list(explain(error, Search, "search."))
