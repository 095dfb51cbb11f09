"""The two halves of a card: YAML front matter between two lines of ``---``, and the prose below."""

from __future__ import annotations

from typing import Any

from pipeline.common.errors import InputError
from pipeline.common.yaml import parse_mapping


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
