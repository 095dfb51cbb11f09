"""How a model reads: what it is fed passes here, cleaned, emoji in the form it was taught, as ids of word pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from transformers import BertTokenizerFast

from pipeline.common.errors import InputError
from pipeline.models import loading
from pipeline.models.batches import Ragged
from pipeline.text.cleaning import normalise
from pipeline.text.emoji import demojize

CHUNK = 512
"""Texts tokenised at a time: what a tokenizer tells of one is 4 KB, of which 0.2 are kept."""


def chunks(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    """Some texts at a time."""
    rest = iter(texts)
    while some := list(islice(rest, size)):
        yield some


@dataclass(frozen=True)
class Reader:
    """A model's tokenizer, and what else decides how it reads."""

    tokenizer: BertTokenizerFast
    emoji: str
    """``all`` (as tokens), ``words`` (as their names) or ``none`` (the base's own way)."""
    max_length: int
    """Word pieces of a text that are read, [CLS] and [SEP] counted; the rest is cut off."""
    uncleaned: tuple[str, ...] = ()
    """Rules of cleaning that it was trained without."""
    language: str = "en"
    """Of the names of emoji."""

    @classmethod
    def of(cls, folder: Path, max_length: int | None = None) -> Reader:
        """The reader of a model folder; without ``max_length`` it reads as much as the model was made for.

        Raises:
            InputError: no tokenizer there, or none that can be used; a ``max_length`` that the model cannot read.
        """
        tokenizer = loading.load_tokenizer(folder)
        positions = loading.check_folder(folder).get("max_position_embeddings", 512)
        if max_length and max_length > positions:
            raise InputError(
                f"max_length: {max_length} of a model with {positions} positions; give {positions} or less"
            )
        return cls(tokenizer, max_length=max_length or tokenizer.model_max_length, **loading.reading(folder))

    @property
    def how(self) -> dict[str, Any]:
        """What a model's folder tells of it (``loading.save``)."""
        return {"emoji": self.emoji, "uncleaned": self.uncleaned, "language": self.language}

    def cleaned(self, raw: str) -> str:
        """A text as people wrote it, cleaned as ``prepare`` did; empty where nothing is left."""
        return normalise(raw, self.uncleaned)

    def text(self, prepared: str) -> str:
        """What the tokenizer gets of a text that is cleaned already, as ``prepare`` leaves it."""
        return demojize(prepared, self.language) if self.emoji == "words" else prepared

    def ids(self, prepared: Iterable[str]) -> Ragged:
        """Ids of texts that are cleaned already."""
        return self.plain_ids(map(self.text, prepared))

    def raw_ids(self, raw: Sequence[str]) -> Ragged:
        """Ids of texts as people wrote them.

        Raises:
            InputError: one is no text, or nothing is left of it.
        """
        for place, text in enumerate(raw, start=1):
            if not isinstance(text, str):
                raise InputError(f"text {place}: a {type(text).__name__} where a text belongs; leave it out")
        cleaned = [self.cleaned(text) for text in raw]
        if "" in cleaned:
            raise InputError(f"text {cleaned.index('') + 1}: nothing to read in it; leave it out")
        return self.ids(cleaned)

    def plain_ids(self, texts: Iterable[str]) -> Ragged:
        """Ids of texts just as they are, which is how a plain ``transformers`` pipeline reads them."""

        def read(some: list[str]) -> Any:
            return self.tokenizer(some, truncation=True, max_length=self.max_length, return_attention_mask=False)

        return Ragged.of(row for some in chunks(texts, CHUNK) for row in read(some)["input_ids"])
