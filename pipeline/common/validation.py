"""What a pydantic model refused, in words: the field that was probably meant, and what it takes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError


def explain(error: ValidationError, model: type[BaseModel], within: str = "") -> Iterator[tuple[list[Any], str]]:
    """Turn pydantic's errors into where they are and words with the next step.

    Args:
        within: what stands before the model's own names where they are typed, such as ``finetune.``.
    """
    for each in error.errors(include_url=False):
        loc, kind = list(each["loc"]), each["type"]
        group, name = _field_at(model, loc)
        if kind == "extra_forbidden":
            new = getattr(group, "renamed", {}).get(loc[-1])
            others = (path for path, _, _ in settings_of(model, within))
            hint = nearest(str(loc[-1]), group.model_fields, others)
            text = f"is now {within}{new}" if new else f"unknown key; {hint}"
        elif kind == "missing":
            text = f"is needed; it takes {allowed(group, name)}"
        elif kind == "literal_error" and isinstance(loc[-1], int):  # one of a list of names
            named = re.findall("'(.*?)'", each["ctx"]["expected"])
            text = f"unknown {each['input']!r}; {nearest(str(each['input']), named)}"
        elif loc and kind != "value_error":
            text = f"{each['input']!r} does not fit; it takes {allowed(group, name)}"
        else:
            text = each["msg"].removeprefix("Value error, ")
        yield loc, text


def settings_of(model: type[BaseModel], within: str = "") -> Iterator[tuple[str, str, str]]:
    """Dotted path, what it takes and what it means, of each field; of groups, of the fields in them."""
    for name, field in model.model_fields.items():
        if inner := _group(model, name):
            yield from settings_of(inner, f"{within}{name}.")
        else:
            yield f"{within}{name}", allowed(model, name), field.description or ""


def _group(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    """The model of a field that is a group of fields."""
    field = model.model_fields.get(name)
    kind = field.annotation if field else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _field_at(model: type[BaseModel], loc: Sequence[Any]) -> tuple[type[BaseModel], str]:
    """The field that a place lies in, and the model of the innermost group that has it."""
    name = str(loc[0]) if loc else ""
    inner = _group(model, name)
    return _field_at(inner, loc[1:]) if inner and len(loc) > 1 else (model, name)


def nearest(name: str, known: Iterable[str], elsewhere: Iterable[str] = ()) -> str:
    """Suggest what was probably meant: the known name, or where else one has this very name; or list those known.

    Args:
        elsewhere: dotted paths; the name may be that of a setting, or of a group on the way to one.
    """
    known = list(known)
    split = (f"{path}.".partition(f".{name}.") for path in elsewhere)
    there = dict.fromkeys(f"{above}.{name}" for above, found, _ in split if found)
    here = near(name, known, cutoff=0.85 if there else 0.6)
    close = [here, *there] if here else list(there)
    if not close:
        return f"known: {', '.join(known) or 'none'}"
    most = ", ".join(close[:-1])
    return f"did you mean {most}{' or ' if most else ''}{close[-1]}?"


def near(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that is spelt most like this one, capitals aside, if any is alike enough (0 to 1)."""
    by_lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[close[0]] if close else None


def allowed(model: type[BaseModel], name: str) -> str:
    """Say in words what a field may be, such as ``number > 0 and <= 0.1, or null``."""
    schema = model.model_json_schema()
    return _allowed(schema["properties"].get(name, {}), schema.get("$defs", {}))


def _allowed(schema: Mapping[str, Any], named: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return _allowed(named[schema["$ref"].rpartition("/")[2]], named)
    if "anyOf" in schema:
        return ", or ".join(_allowed(each, named) for each in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    kinds = {"integer": "whole number", "boolean": "true or false", "string": "text", "array": "list"}
    kinds["object"] = "`key: value` lines"
    kind = kinds.get(schema.get("type", ""), schema.get("type", "anything"))
    if "items" in schema:
        kind = f"list of: {_allowed(schema['items'], named)}"
    signs = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    bounds = [f"{sign} {schema[key]:g}" for key, sign in signs.items() if key in schema]
    return f"{kind} {' and '.join(bounds)}".strip()
