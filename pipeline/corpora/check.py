"""The desk where cards are looked over: each read, mapped and shown with a few of its rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.common import program
from pipeline.common.errors import InputError
from pipeline.common.labels import LABELS
from pipeline.common.yaml import split_front_matter
from pipeline.corpora.cards import load_card
from pipeline.corpora.corpus import Corpus, Limits, read_corpus
from pipeline.corpora.texts import NO_LABEL
from pipeline.text.languages import KNOWN, language

SHOWN = 5
ACCIDENT = 0.02
"""Share of texts in other languages that is not worth a word: a few are always taken for what they are not."""
SHOWN_OF_CLASS = 3
MOST_ASKED = 20_000
"""Texts, spread evenly over a corpus, that tell its shares of languages: to half a point and less."""


@dataclass(frozen=True)
class CardReport:
    """What a look at one card found."""

    name: str
    role: str
    """Empty where the card itself cannot be read."""
    rows: int
    """Rows that would be used."""
    splits: Mapping[str, int]
    """Rows of each split that the files give; what is missing is cut from train later."""
    dropped: Mapping[str, int]
    problems: tuple[str, ...]
    """Empty for a card in order."""
    sample: tuple[Mapping[str, str], ...]
    """The first five rows as Retone reads them: texts normalised, labels as class names."""
    notes: tuple[str, ...] = ()
    """What is no mistake and should be known."""


def describe_cards(folder: Path, data_root: Path | None) -> list[CardReport]:
    """Look over every card in a folder of cards, by name, or one card; a problem is reported, not raised.

    Raises InputError where the folder holds no card at all.
    """
    cards = sorted(path.parent for path in folder.glob("*/README.md"))
    cards = cards or [path.parent for path in folder.glob("README.md")]
    if not cards:
        raise InputError(f"{folder}: no cards there; `{program.name()} new-card FILE` drafts one")
    return [describe_card(card, data_root) for card in cards]


def describe_card(folder: Path, data_root: Path | None) -> CardReport:
    """Look over one card."""
    role = ""
    try:
        card = load_card(folder, data_root)
        role = card.role
        corpus = read_corpus(card, Limits())
    except InputError as error:
        return CardReport(folder.name, role, 0, {}, {}, (str(error),), ())
    splits: dict[str, int] = {name: len(rows) for name, rows in corpus.splits.items()}
    if corpus.pairs:
        splits["test"] = len(corpus.pairs)
    rows = sum(splits.values())
    return CardReport(card.name, role, rows, splits, corpus.dropped, (), _sample(corpus), _notes(corpus))


def _notes(corpus: Corpus) -> tuple[str, ...]:
    """The share of texts in other languages than the card's, where all of those can be told and it is no accident."""
    texts = corpus.texts()
    ours = {code.partition("-")[0] for code in corpus.card.languages}
    if not texts or not ours <= KNOWN:
        return ()
    texts = texts[:: math.ceil(len(texts) / MOST_ASKED)]
    found = Counter(map(language, texts.column("text")))
    other = {code: count for code, count in found.most_common() if code is not None and code not in ours}
    if sum(other.values()) <= ACCIDENT * len(texts):
        return ()
    told = sum(count for code, count in found.items() if code is not None)
    shares = ", ".join(f"{code} {count / told:.0%}" for code, count in other.items())
    strange, spoken = f"{sum(other.values()) / told:.0%}", ", ".join(sorted(ours))
    said = f"of texts whose language shows, {strange} are not in {spoken}: {shares}"
    return (f"{said}; a base reads the languages it was made for (docs/bases.md)",)


def drafted(folder: Path, data_root: Path | None = None) -> tuple[list[str], list[str], list[str]]:
    """Of a card just drafted, lines for people: what it still asks, what else it noticed, and three rows of each class.

    There are rows only where it asks nothing. Raises InputError where they cannot be read.
    """
    text = (folder / "README.md").read_text(encoding="utf-8")
    asked, noticed = (
        text.partition(f"\n## {title}\n")[2].partition("\n## ")[0].strip().split("\n")
        for title in ("Questions", "Noticed")
    )
    if asked != [""]:
        return asked, [line for line in noticed if line], []
    card = load_card(folder, data_root)
    texts = read_corpus(card, Limits()).texts()
    shown = []
    for index, label in enumerate(LABELS) if card.role == "reviews" else [(NO_LABEL, card.role)]:
        shown += [f"{label}  {text.text}" for text in texts.take(texts.labels() == index)[:SHOWN_OF_CLASS]]
    return [], [line for line in noticed if line], shown


def _sample(corpus: Corpus) -> tuple[Mapping[str, str], ...]:
    pairs = [{"good": pair.good, "bad": pair.bad, "phenomenon": pair.phenomenon} for pair in corpus.pairs[:SHOWN]]
    texts = list(corpus.texts()[:SHOWN])
    labels = [{} if text.label is None else {"label": LABELS[text.label]} for text in texts]
    return (*pairs, *({"text": text.text} | label for text, label in zip(texts, labels, strict=True)))


def contents(folder: Path, data_root: Path | None = None) -> str:
    """The Markdown of ``data_cards/README.md``: a table made from the cards.

    Raises InputError where a card there is not in order.
    """
    lines = [
        "# Data cards",
        "",
        "One folder per corpus; its `README.md` is the card. This table is made from the cards by",
        "`python -m stages cards --write`; what a card may say is in [TEMPLATE.md](TEMPLATE.md).",
        "",
        "| corpus | role | what | rows | language | licence |",
        "|---|---|---|---:|---|---|",
    ]
    for report in describe_cards(folder, data_root):
        if report.problems:
            raise InputError(report.problems[0])
        text = (folder / report.name / "README.md").read_text(encoding="utf-8")
        front, _ = split_front_matter(text, f"card {report.name}")
        cells = (
            f"[{report.name}]({report.name}/README.md)",
            report.role,
            *(_cell(value) for value in (front.get("pretty_name"), f"{report.rows:,}")),
            *(_cell(front.get(key)) for key in ("language", "license")),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value or "not stated")
    return " ".join(text.split()).replace("|", "\\|")
