"""Reviews of some domains, told by a column of their file, as a corpus of their own: a target to transfer to."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field, ValidationInfo, field_validator

from pipeline.common.errors import InputError
from pipeline.common.settings import Group
from pipeline.common.validation import nearest

if TYPE_CHECKING:
    from pipeline.corpora.cards import Card
    from pipeline.corpora.corpus import Corpus


class Target(Group):
    """Reviews set apart as a corpus of their own, named as their card and ``-target``."""

    values: tuple[str, ...] = Field(default=(), description="what the column says of them; none: nothing is set apart")
    column: str = Field(default="domain", description="the file's name of the column that tells a review's domain")
    corpus: str | None = Field(default=None, description="the card they are taken from")

    @field_validator("corpus")
    @classmethod
    def _of_a_card(cls, corpus: str | None, info: ValidationInfo) -> str | None:
        if (corpus is None) != (not info.data.get("values")):
            raise ValueError("values are taken from a corpus: give both, or neither")
        return corpus

    @property
    def name(self) -> str | None:
        """Of the corpus that they make."""
        return f"{self.corpus}-target" if self.corpus else None


def check_target(target: Target, cards: Iterable[Card]) -> None:
    """Raise InputError for a target of a card that is not there or has no labels, or whose name another card has."""
    roles = {card.name: card.role for card in cards}
    if target.corpus and roles.get(target.corpus) != "reviews":
        known = [name for name, role in roles.items() if role == "reviews"]
        raise InputError(
            f"prepare.target.corpus: no reviews {target.corpus} in prepare.corpora; {nearest(target.corpus, known)}"
        )
    if target.name in roles:
        raise InputError(f"prepare.target.corpus: a card has the name {target.name} already; rename its folder")


def check_sources(unlabelled: Collection[str], target: Target, cards: Iterable[Card]) -> None:
    """Raise InputError for a name in ``finetune.target`` that no reviews corpus has, or if none is left as a source."""
    known = [card.name for card in cards if card.role == "reviews"] + ([target.name] if target.name else [])
    for name in unlabelled:
        if name not in known:
            raise InputError(f"finetune.target: no reviews corpus {name}; {nearest(name, known)}")
    if not set(known) - set(unlabelled):
        raise InputError("finetune.target: all reviews are the target, no source with labels is left; take one out")


def set_apart(corpus: Corpus, target: Target) -> list[Corpus]:
    """The corpus less the target's rows, and one of those; a corpus that the target is not of, as it is.

    What was dropped before is counted with the first.

    Raises:
        InputError: a value that no row has, or values that leave the corpus no row.
    """
    import numpy as np

    if corpus.card.name != target.corpus:
        return [corpus]
    known = sorted(set(corpus.texts().column("domain")))
    for value in target.values:
        if value not in known:
            raise InputError(
                f"prepare.target.values: {corpus.card.name} has no {value} in column {target.column}; "
                f"{nearest(value, known)}"
            )
    if not set(known) - set(target.values):
        raise InputError(
            f"prepare.target.values: they are all that {corpus.card.name} has in column {target.column}, no source is "
            "left; take one out"
        )
    card = replace(
        corpus.card, name=str(target.name), pretty_name=f"{corpus.card.pretty_name}: {'; '.join(target.values)}"
    )
    own, rest = {}, {}
    for split, texts in corpus.splits.items():
        chosen = np.array([domain in target.values for domain in texts.column("domain")])
        own[split], rest[split] = texts.take(chosen), texts.take(~chosen)
    corpus.splits = {split: texts for split, texts in rest.items() if texts}
    return [corpus, type(corpus)(card, {split: texts for split, texts in own.items() if texts})]
