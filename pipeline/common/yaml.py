"""YAML as people write it by hand, alone or above a card: plain data only, every mistake named with its line."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.common.errors import InputError
from pipeline.common.files import read_whole

LARGEST_BYTES = 1_000_000


class _PlainLoader(yaml.SafeLoader):
    """SafeLoader (no Python objects) that also refuses repeated keys, keys that are not text, and aliases.

    Aliases let a page of text stand for gigabytes ("billion laughs"); a repeated key silently loses the first value.
    """

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not allowed", problem_mark=self._mark())
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                problem = f"key {key_node.value!r} is read as {key!r}; quote it"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key!r} stands twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)

    def _mark(self) -> yaml.Mark | None:
        return self.peek_event().start_mark  # type: ignore[no-untyped-call, no-any-return]


def read_mapping(path: Path, thing: str) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; ``thing`` is what errors call it, such as ``recipe starter.yaml``.

    Raises:
        InputError: if it is missing, not UTF-8, over 1 MB, not YAML, not plain data, or not a mapping.
    """
    try:
        text = read_whole(path, LARGEST_BYTES).decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{thing}: byte {error.start} is not UTF-8; save {path} as UTF-8") from error
    except OSError as error:
        raise InputError(f"{thing}: cannot read {path} ({error.strerror}); check the path") from error
    return parse_mapping(text, thing)


def parse_mapping(text: str, thing: str) -> dict[str, Any]:
    """Parse YAML text that holds a mapping (nothing at all counts as an empty one); raises InputError otherwise."""
    content = parse(text, thing)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{thing}: holds {type(content).__name__}, not `key: value` lines; write a mapping")
    return content


def parse(text: str, thing: str) -> Any:
    """Parse YAML text into plain data; raises InputError with the line of the mistake."""
    try:
        return yaml.load(text, Loader=_PlainLoader)
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        problem = (error.problem or "not valid YAML").splitlines()[0]
        raise InputError(f"{thing}{line}: {problem}; mend the YAML there") from error
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError) as error:  # of tags as !!int '' too
        raise InputError(f"{thing}: not valid YAML ({str(error).splitlines()[0]}); mend it") from error
    except RecursionError as error:
        raise InputError(f"{thing}: nested too deeply to be meant; mend the YAML") from error


def flat(content: Mapping[str, Any]) -> dict[str, Any]:
    """The values of nested mappings by their dotted paths: ``{"a": {"b": 1}}`` becomes ``{"a.b": 1}``."""
    found: dict[str, Any] = {}
    for key, value in content.items():
        inner = flat(value) if isinstance(value, Mapping) and value else None
        found |= {key: value} if inner is None else {f"{key}.{path}": each for path, each in inner.items()}
    return found


def as_plain(value: Any) -> str:
    """Write a setting's value the way a recipe would, shortened where it is long."""
    text = repr(value).replace("e-0", "e-") if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
    text = text.strip('"')
    return text if len(text) <= 60 else text[:57] + "..."


def split_front_matter(text: str, place: str) -> tuple[dict[str, Any], str]:
    """Split a Markdown file into its front matter, as plain data, and its body.

    Raises InputError where there is no front matter, or where it is not plain YAML.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    ends = [number for number, line in enumerate(lines) if line.rstrip() == "---"]
    if len(ends) < 2 or ends[0] != 0:
        raise InputError(f"{place}: no front matter; a card opens with YAML between two lines of ---")
    front = parse_mapping("\n".join(["", *lines[1 : ends[1]]]), place)
    return front, "\n".join(lines[ends[1] + 1 :]).strip() + "\n"
