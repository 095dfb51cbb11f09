"""Codes of languages, as the cards of corpora and of models say them under ``language``."""

from __future__ import annotations

from collections.abc import Collection

ENGLISH = ("en",)
"""What cards of corpora are in where they say nothing."""
_MANY = {"multilingual", "mul"}
"""What bases of a hundred languages say."""


def languages(said: object) -> tuple[str, ...]:
    """Codes of front matter, where it says one or a list of them, in small letters; none where it says nothing."""
    listed = said if isinstance(said, list) else [said]
    return tuple(str(code).lower() for code in listed if code)


def reads(model: Collection[str], text: Collection[str]) -> bool:
    """Whether a model is for one of a text's languages, regions apart; one of which nobody says what it is for is."""
    codes, others = ({code.partition("-")[0] for code in each} for each in (model, text))
    return not codes or bool(codes & (others | _MANY))
