"""From a card to its rows: columns found, labels mapped to classes, texts normalised, every drop counted by reason."""

from __future__ import annotations

import csv
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from tqdm import tqdm

from pipeline.common.errors import InputError
from pipeline.common.labels import LABELS
from pipeline.common.languages import ENGLISH
from pipeline.common.printable import many
from pipeline.common.validation import nearest
from pipeline.corpora.cards import Card, Split
from pipeline.corpora.cells import as_written, label_as_written
from pipeline.corpora.cells import joined as joined_cells
from pipeline.corpora.lines import MAX_FILE_BYTES
from pipeline.corpora.readers import read_rows
from pipeline.corpora.texts import Text, Texts, joined, stored
from pipeline.text.cleaning import cleaned, rejoin, repair, unknown

_Row = tuple[Split, str, int, dict[str, Any]]
"""The split a row is given for, the name of its file, its number there, its values."""
_FIRST_ROWS = 3
_MOST_VALUES = 20


@dataclass(slots=True)
class Pair:
    """A minimal pair: a good sentence and the same one spoilt in one point."""

    id: str
    good: str
    bad: str
    phenomenon: str


@dataclass
class Corpus:
    """The rows of one card by split, and how many were dropped for which reason."""

    card: Card
    splits: dict[Split, Texts] = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    doubles: dict[str, Counter[str]] = field(default_factory=dict)
    """What stood twice, by the part it was looked for in: figures for the audit."""
    mended: Counter[str] = field(default_factory=Counter)
    """Rows that were damaged, by the kind of damage that was undone; a row may have several."""
    unknown: Counter[str] = field(default_factory=Counter)
    """Rows that hold what few BERTs read, by kind; letters are told of English corpora alone."""
    repeated: list[str] = field(default_factory=list)
    """The texts that were most often dropped as standing twice, or with two labels, for people to see."""
    folds: int = 1
    """Above 1 every text is tested once, by a model tuned on other folds; ``splits`` are those of fold 0."""

    def texts(self) -> Texts:
        """Those of all splits, one after the other."""
        return joined(list(self.splits.values()))

    def classes(self) -> Counter[int]:
        """How many texts each class id has."""
        return Counter(self.texts().labels().tolist())


@dataclass(frozen=True)
class Limits:
    """Bounds against files that are broken or hostile."""

    max_file_bytes: int = MAX_FILE_BYTES
    max_text_characters: int = 2_000_000
    """A single text above it is an error: no text, but a file gone wrong."""
    max_review_characters: int = 20_000
    """A review or post above it is dropped as ``too long``."""


SAID_EVERY = 10.0
"""Seconds."""
_LINE = "{desc}: {n_fmt} rows\n"
GLANCED_AT = 20
"""Rows of each file that show whether a card is about it."""
FEWEST = 10
"""Rows that each class must have: below it neither a split nor a score means anything."""


def read_corpus(card: Card, limits: Limits, domain: str | None = None) -> Corpus:
    """Read all rows of a card. Nothing is written, so an error leaves nothing behind.

    Args:
        domain: the file's name of the column that tells each text's; None: nobody asks.

    Raises InputError for a file without rows, a missing column, a label that belongs to no class (all of them at
    once, with counts and rows), a text that cannot be one, and a class with fewer than ``FEWEST`` rows.
    """
    corpus = Corpus(card)
    problems = LabelProblems(card)
    # Where no bar can be drawn, a line now and then, if it takes long.
    how = {} if sys.stderr.isatty() else {"delay": SAID_EVERY, "mininterval": SAID_EVERY, "bar_format": _LINE}
    rows = tqdm(_rows(card, limits), desc=f"reading {card.name}", unit=" rows", leave=False, **how)
    if card.role == "pairs":
        _add_pairs(corpus, rows, limits)
    else:
        corpus.splits = stored(_texts(corpus, rows, limits, problems, domain))
    problems.raise_if_any()
    _check_counts(corpus)
    return corpus


def glance(card: Card, limits: Limits, domain: str | None = None) -> None:
    """Raise what ``read_corpus`` would, where the first rows of a file show that it would; the Hub is not asked."""
    if card.hub is not None:
        return
    corpus, problems = Corpus(card), LabelProblems(card)
    plain = replace(card.reading, quoting=card.reading.quoting or csv.QUOTE_MINIMAL)  # or all rows tell what quotes are
    try:
        rows = _rows(replace(card, reading=plain), limits, GLANCED_AT)
        if card.role == "pairs":
            _add_pairs(corpus, rows, limits)
        else:
            deque(_texts(corpus, rows, limits, problems, domain), maxlen=0)
        problems.raise_if_any()
    except InputError:
        read_corpus(card, limits, domain)  # which tells of all rows that are so


def _texts(
    corpus: Corpus, rows: Iterable[_Row], limits: Limits, problems: LabelProblems, domain: str | None
) -> Iterator[tuple[Split, Text]]:
    """The texts that are kept of rows, each with the split it was given for; the rest is counted."""
    card = corpus.card
    for split, key, number, values in rows:
        if domain is not None and domain not in values:
            raise InputError(
                f"card {card.name}, {key}: no column {domain} (prepare.target.column); {nearest(domain, values)}"
            )
        row_id, place = f"{card.name}:{key}:{number}", f"card {card.name}, {key}, row {number}"
        text = _text(corpus, row_id, values, place, limits, problems)
        if text is not None:
            text.domain = None if domain is None else as_written(label_as_written(values[domain]))
            yield split, text


def _rows(card: Card, limits: Limits, most: int | None = None) -> Iterator[_Row]:
    """(given split, file's name, number of the row, values) of a file's rows, all or ``most``; each must have one."""
    if card.hub is not None:
        from pipeline.corpora.hub_datasets import hub_rows

        for split, number, values in hub_rows(card.hub, f"card {card.name}"):
            _check_columns(card, values, f"card {card.name}, {card.hub.id}")
            yield split, split, number, values
        return
    for split, paths in card.files.items():
        for path in paths:
            key = card.key(path)
            place = f"card {card.name}, {key}"
            number = 0
            for number, values in islice(read_rows(path, place, card.reading, limits.max_file_bytes), most):
                _check_columns(card, values, f"{place}, row {number}")
                yield split, key, number, values
            if number == 0:
                raise InputError(f"{place}: no rows; the file is empty or holds only its header")


def _check_columns(card: Card, values: dict[str, Any], place: str) -> None:
    for ours, theirs in card.columns.items():
        for name in [theirs] if isinstance(theirs, str) else theirs:
            if name not in values:
                known = nearest(name, map(str, values))
                raise InputError(f"{place}: no column {name}; write the right one under retone.columns.{ours}, {known}")


def _text(
    corpus: Corpus, row_id: str, values: dict[str, Any], place: str, limits: Limits, problems: LabelProblems
) -> Text | None:
    card = corpus.card
    raw = _written(values, card.columns["text"], place, limits)
    short = card.role != "general"
    if short and len(raw) > limits.max_review_characters:
        corpus.dropped["too long"] += 1
        return None
    text, mended = cleaned(raw if short else rejoin(raw), short=short)
    corpus.mended.update(mended)
    corpus.unknown.update(unknown(text, latin=card.languages == ENGLISH) if short else ())
    if not text:
        corpus.dropped["empty"] += 1
        return None
    label = None
    if card.role == "reviews":
        value = label_as_written(values[str(card.columns["label"])])
        try:
            label = card.class_of(value)
        except KeyError:
            problems.note(value, place)
            return None
        if label is None:
            corpus.dropped["dropped label"] += 1
            return None
    return Text(row_id, raw, text, label)


def _add_pairs(corpus: Corpus, rows: Iterable[_Row], limits: Limits) -> None:
    card = corpus.card
    for _, key, number, values in rows:
        place = f"card {card.name}, {key}, row {number}"
        good, bad, phenomenon = (
            repair(_written(values, card.columns[name], place, limits)) for name in ("good", "bad", "phenomenon")
        )
        if not good or not bad:
            corpus.dropped["empty"] += 1
        elif good == bad:
            corpus.dropped["no difference"] += 1
        else:
            corpus.pairs.append(Pair(f"{card.name}:{key}:{number}", good, bad, phenomenon))


def _written(values: dict[str, Any], columns: str | Sequence[str], place: str, limits: Limits) -> str:
    """The text of a row, checked to be one of a sane length."""
    text = joined_cells(values, columns, place)
    if len(text) > limits.max_text_characters:
        raise InputError(
            f"{place}: one text of {len(text):,} characters; a quote left open? "
            f"Split it, or raise max_text_characters ({limits.max_text_characters:,})"
        )
    return text


def _check_counts(corpus: Corpus) -> None:
    name, all_rows = corpus.card.name, many(corpus.dropped.total(), "row")
    if corpus.card.role == "pairs":
        if not corpus.pairs:
            raise InputError(f"card {name}: no pair is left of {all_rows}; check retone.columns")
        return
    if not corpus.splits:
        raise InputError(f"card {name}: no text is left of {all_rows}; check retone.columns")
    if corpus.card.role == "reviews":
        rows = corpus.classes()
        for index, label in enumerate(LABELS):
            if rows[index] < FEWEST:
                raise InputError(f"card {name}: class {label} has {many(rows[index], 'row')}, needs {FEWEST}; add some")


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
            way = "add it under labels" if value else 'write `drop: [""]` under retone to drop them'
            raise InputError(
                f"{card}: {_rows_have(count)} {_shown(value)}, which belongs to no class; "
                f"{way}{self._near(value)} (first: {'; '.join(self._first[value])})"
            )
        table = [
            f"  {_rows_have(count)} {_shown(value)}{self._near(value)} (first: {'; '.join(self._first[value])})"
            for value, count in ordered[:_MOST_VALUES]
        ]
        if len(ordered) > _MOST_VALUES:
            table.append(f"  and {len(ordered) - _MOST_VALUES} more values; is this the label column?")
        raise InputError(
            f"{card}: {_rows_have(self._counts.total())} labels that belong to no class; "
            'add them under labels, or under drop (empty ones as ""):\n' + "\n".join(table)
        )

    def _near(self, value: str) -> str:
        known = {name.casefold(): name for name in self._card.classes}
        near = known.get(value.casefold()) or known.get(value.casefold().removesuffix(".0"))
        return f", the card has {near}" if near else ""


def _rows_have(count: int) -> str:
    return f"{many(count, 'row')} {'has' if count == 1 else 'have'}"


def _shown(value: str) -> str:
    # A label may hold anything, commands to a terminal too.
    plain = "".join(character if character.isprintable() else "\ufffd" for character in value[:40])
    return f"label {plain}{'...' if len(value) > 40 else ''}" if value else "no label (an empty field)"
