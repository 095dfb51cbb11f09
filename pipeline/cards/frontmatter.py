"""YAML from strangers, read as plain data: no tags, no doubled keys, no aliases that explode."""

from __future__ import annotations

from typing import Any

import yaml

from pipeline.errors import InputError

MOST_NODES = 100_000
"""Values that a document may hold once its aliases are written out."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which also refuses a key that stands twice (YAML says error; PyYAML keeps the last)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if str(key) in keys:
                raise yaml.constructor.ConstructorError(None, None, f"key {key} stands twice", key_node.start_mark)
            keys.add(str(key))
        return super().construct_mapping(node, deep)


def safe_yaml(text: str, place: str) -> Any:
    """Parse one YAML document into plain data; ``place`` names it in errors.

    Raises InputError for bad syntax, a tag such as ``!!python/object``, a doubled key, or aliases that expand to more
    than ``MOST_NODES`` values (the "billion laughs").
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _expanded(node, {}) > MOST_NODES:
            raise InputError(f"{place}: its YAML aliases expand to more than {MOST_NODES:,} values; write them out")
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{place}{line}: {error.problem or 'not YAML'}; only plain YAML is read") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{place}: {str(error).splitlines()[0]}; only plain YAML is read") from None
    finally:
        loader.dispose()


def _expanded(node: yaml.Node, sizes: dict[int, int]) -> int:
    """How many values a node holds with every alias written out; a node inside itself counts as too many."""
    if id(node) not in sizes:
        sizes[id(node)] = MOST_NODES + 1
        children: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            children = [child for pair in node.value for child in pair]
        elif isinstance(node, yaml.SequenceNode):
            children = node.value
        sizes[id(node)] = 1 + sum(_expanded(child, sizes) for child in children)
    return sizes[id(node)]


def split_front_matter(text: str, place: str) -> tuple[dict[str, Any], str]:
    """Split a Markdown file into its YAML front matter (between two ``---`` lines) and its body.

    Raises InputError where there is no front matter, or where it is not a mapping.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    ends = [number for number, line in enumerate(lines) if line.rstrip() == "---"]
    if len(ends) < 2 or ends[0] != 0:
        raise InputError(f"{place}: no front matter; a card opens with YAML between two lines of ---")
    front = safe_yaml("\n".join(["", *lines[1 : ends[1]]]), place)
    if not isinstance(front, dict):
        raise InputError(f"{place}: the front matter is no mapping; write `key: value` lines")
    return front, "\n".join(lines[ends[1] + 1 :]).strip() + "\n"
