"""Settings that belong together: closed, immutable, checked; a stage's, and the groups in them that rooms ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Group(BaseModel):
    """Some settings: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)
    renamed: ClassVar[Mapping[str, str]] = {}
    """Names that are refused, and what to write instead."""

    @model_validator(mode="before")
    @classmethod
    def _fill_groups(cls, given: Any) -> Any:
        """What is not written of an inner group is as it is here by default, which may differ from the group's own."""
        if not isinstance(given, Mapping):
            return given
        usual = {name: field.default for name, field in cls.model_fields.items() if isinstance(field.default, Group)}
        partly = {name: given[name] for name in usual if isinstance(given.get(name), Mapping)}
        return {**given, **{name: dict(usual[name]) | dict(value) for name, value in partly.items()}}


def speed_only(default: Any, **constraints: Any) -> Any:
    """Declare a setting that cannot change the result, and so is left out of the fingerprint."""
    return Field(default, json_schema_extra={"speed_only": True}, **constraints)


def by_content(default: Any, **constraints: Any) -> Any:
    """Declare a path that counts by what lies there, which ``Stage.reads`` must tell, and not by its name."""
    return Field(default, json_schema_extra={"by_content": True}, **constraints)


def declared(settings: type[BaseModel], kind: str) -> set[str]:
    """Names of the fields that were declared ``speed_only`` or ``by_content``; those of groups are theirs to tell."""
    fields = settings.model_fields.items()
    return {name for name, field in fields if kind in cast("dict[str, Any]", field.json_schema_extra or {})}


def completed(stages: Mapping[str, Mapping[str, Any]], usual: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The settings of each stage, as a manifest tells them, with those that are missing as ``usual`` has them.

    What an older version made is reused where a newer setting is at its default, which it did as well: its manifest
    does not know it. A stage of which nothing is told stays so.
    """
    return {stage: _filled(own, usual.get(stage, {})) if own else {} for stage, own in stages.items()}


def _filled(own: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    groups = {name: _filled(value, usual[name]) for name, value in own.items()
              if isinstance(value, Mapping) and isinstance(usual.get(name), Mapping)}  # fmt: skip
    return {**own, **groups} | {name: value for name, value in usual.items() if name not in own}
