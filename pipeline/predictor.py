"""A tuned model in a program of your own: texts in, labels and probabilities out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pipeline.common.errors import InputError
from pipeline.common.labels import LABELS
from pipeline.measuring import scoring
from pipeline.models import loading
from pipeline.models.batches import Ids
from pipeline.models.reader import Reader


class Prediction(NamedTuple):
    """What the model says of one text."""

    label: str
    probabilities: dict[str, float]
    """Of each class by its name."""


class Predictor:
    """The model in a folder; call it with texts, and it answers as ``evaluate`` scored it."""

    def __init__(self, model: str | Path, max_length: int | None = None) -> None:
        """Load the model.

        Args:
            max_length: word pieces of a text that are read, if fewer than in training.

        Raises:
            InputError: no model there, or not one that Retone tuned.
        """
        self.folder = folder = Path(model)
        classes = loading.check_folder(folder).get("id2label")
        if not isinstance(classes, dict) or list(classes.values()) != list(LABELS):
            raise InputError(f"model {folder}: its classes are not {', '.join(LABELS)}; give a model that Retone tuned")
        reader = Reader.of(folder)
        self.reader = replace(reader, max_length=min(max_length or reader.max_length, reader.max_length))
        self.model = loading.load_classifier(folder)

    def __call__(self, texts: str | Iterable[str]) -> list[Prediction]:
        """A prediction for each text, in order; one text alone gives a list of one.

        Raises:
            InputError: something that is no text, or a text with nothing to read in it.
        """
        many = isinstance(texts, Iterable) and not isinstance(texts, str | bytes | Mapping)
        return self._told(self.reader.raw_ids(list(texts) if many else [texts]))  # type: ignore[list-item]

    def in_bulk(self, texts: Sequence[str]) -> tuple[list[Prediction | None], int]:
        """A prediction for each text, None where nothing is left to read; and how many were too long to be read whole.

        Each different text is cleaned, read and scored once.
        """
        cleaned = {text: self.reader.cleaned(text) for text in dict.fromkeys(texts)}
        read, longest = [text for text in dict.fromkeys(cleaned.values()) if text], self.reader.max_length
        ids = list(replace(self.reader, max_length=longest + 1).ids(read))
        cut = [place for place, row in enumerate(ids) if len(row) > longest]
        for place, row in zip(cut, self.reader.ids([read[place] for place in cut]), strict=True):
            ids[place] = row
        told, long = dict(zip(read, self._told(ids), strict=True)), {read[place] for place in cut}
        return [told.get(cleaned[text]) for text in texts], sum(cleaned[text] in long for text in texts)

    def _told(self, ids: Sequence[Ids]) -> list[Prediction]:
        found = scoring.class_probabilities(self.model, ids).round(scoring.DIGITS)
        answers = zip(found.argmax(axis=1), found.tolist(), strict=True)
        return [Prediction(LABELS[best], dict(zip(LABELS, shares, strict=True))) for best, shares in answers]
