"""Labels that belong to no class: all of them collected, so that one look is enough to mend a card."""

from __future__ import annotations

from collections import Counter

from pipeline.common.errors import InputError
from pipeline.corpora.cards import Card

_FIRST_ROWS = 3
_MOST_VALUES = 20


class LabelProblems:
    """Collects values of the label column that the card does not know, with how often and where first."""

    def __init__(self, card: Card) -> None:
        self._card = card
        self._counts: Counter[str] = Counter()
        self._first: dict[str, list[str]] = {}

    def note(self, value: str, place: str) -> None:
        """Count one row whose label is ``value``."""
        self._counts[value] += 1
        rows = self._first.setdefault(value, [])
        if len(rows) < _FIRST_ROWS:
            rows.append(place.removeprefix(f"card {self._card.name}, "))

    def raise_if_any(self) -> None:
        """Raise InputError with every offending value, commonest first, if there was one."""
        if not self._counts:
            return
        card = f"card {self._card.name}"
        ordered = self._counts.most_common()
        if len(ordered) == 1:
            ((value, count),) = ordered
            raise InputError(
                f"{card}: {_rows(count)} {_shown(value)}, which belongs to no class; "
                f"add it under labels{self._near(value)} (first: {'; '.join(self._first[value])})"
            )
        table = [
            f"  {_rows(count)} {_shown(value)}{self._near(value)} (first: {'; '.join(self._first[value])})"
            for value, count in ordered[:_MOST_VALUES]
        ]
        if len(ordered) > _MOST_VALUES:
            table.append(f"  and {len(ordered) - _MOST_VALUES} more values; is this the label column?")
        raise InputError(
            f"{card}: {_rows(self._counts.total())} labels that belong to no class; "
            "add them under labels, or under drop:\n" + "\n".join(table)
        )

    def _near(self, value: str) -> str:
        known = {name.casefold(): name for name in self._card.classes}
        near = known.get(value.casefold()) or known.get(value.casefold().removesuffix(".0"))
        return f", the card has {near}" if near else ""


def _rows(count: int) -> str:
    return "1 row has" if count == 1 else f"{count} rows have"


def _shown(value: str) -> str:
    # A label may hold anything, commands to a terminal too.
    plain = "".join(character if character.isprintable() else "\ufffd" for character in value[:40])
    return f"label {plain}{'...' if len(value) > 40 else ''}" if value else "no label (an empty field)"
