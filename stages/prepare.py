"""Read the data cards: clean, labelled, split corpora, an audit of duplicates and leaks, and the domain shift."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pipeline.common.settings import by_content
from pipeline.corpora.cards import load_cards
from pipeline.corpora.domains import Target, check_target
from pipeline.machine.stage import Reads, Stage, StageSettings

if TYPE_CHECKING:
    from pipeline.corpora.cards import Card
    from pipeline.corpora.corpus import Limits

Rule = Literal[
    "bytes written out", "escapes", "HTML entities", "HTML tags", "terminal commands", "shortcodes", "kaomoji",
    "rows of stars", "styled letters", "mojibake", "quotes and spaces", "line breaks written out", "links", "names",
    "elongation",
]  # fmt: skip
"""Of ``text.cleaning.RULES``, which is not imported to say so."""


class Settings(StageSettings):
    """What to read, how to split it, and what counts as the same text."""

    corpora: tuple[str, ...] = Field(
        ("starter-reviews", "starter-informal", "starter-general", "starter-pairs"),
        min_length=1,
        description="Cards: names of folders under data_cards/, or paths of card folders.",
    )
    data_root: Path | None = by_content(
        None, description="Folder for data that lies outside the cards' folders. The content counts, not the place."
    )
    share_of_rows: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Share of the reviews and of informal texts that is kept, to try things out sooner.",
    )
    target: Target = Target()
    seed: int = Field(
        0,
        ge=0,
        lt=1 << 32,
        description="Of the hash that makes the splits which a card does not give, and picks share_of_rows.",
    )
    dev_share: float = Field(0.1, gt=0, lt=0.5, description="Share of each class for dev, where a card gives none.")
    test_share: float = Field(0.2, gt=0, lt=0.5, description="Share of each class for test, where a card gives none.")
    folds: Literal[1, 3, 4, 5, 6, 7, 8, 9, 10] = Field(
        1,
        description="From 3 on, reviews without a split of their own are scored by cross-validation: each is tested "
        "once, by a model tuned on the others. For under some 2,000 reviews; dev_share and test_share rest there, and "
        "near duplicates are dropped.",
    )
    uncleaned: tuple[Rule, ...] = Field(
        (),
        description="Rules of cleaning that reviews and posts are read without, in training, in tests and by predict. "
        "What stands twice or leaks is told with all of them.",
    )
    near_duplicate_threshold: float = Field(
        0.8,
        ge=0.5,
        le=1,
        description="Similarity from which two texts count as the same when leaks are looked for. Reviews that "
        "are merely alike do not where they differ in label, emoji, numbers or negation.",
    )
    max_review_characters: int = Field(
        20_000, ge=100, description="Longer reviews and posts are dropped as too long. Articles are not limited."
    )
    max_text_characters: int = Field(2_000_000, ge=1000, description="A single text above it stops the run.")
    max_file_bytes: int = Field(4 << 30, ge=1000, description="Above it a file, unpacked, stops the run.")


def reads(settings: Settings) -> Reads:
    """The cards (what in them can change the result) and their data files."""
    found: dict[str, str | Path] = {}
    for card in load_cards(settings.corpora, settings.data_root):
        found |= card.reads()
    return found


def prepare(settings: Settings, *, out: Path) -> None:
    """Write corpora.json, texts/<corpus>/<split>.jsonl, audit.json and shift.json; nothing before all was checked."""
    from pipeline.common.files import write_json
    from pipeline.corpora.audit import audit
    from pipeline.corpora.corpus import read_corpus
    from pipeline.corpora.domains import set_apart
    from pipeline.corpora.prepared import write_corpora
    from pipeline.corpora.shift import shift
    from pipeline.corpora.splits import check_trainable, split, thin

    read = (read_corpus(*asked) for asked in _asked(settings))
    corpora = [part for corpus in read for part in set_apart(corpus, settings.target)]
    for corpus in corpora:
        thin(corpus, settings.share_of_rows, settings.seed)
        split(
            corpus,
            settings.dev_share,
            settings.test_share,
            settings.seed,
            folds=settings.folds,
            threshold=settings.near_duplicate_threshold,
        )
    found = audit(corpora, settings.near_duplicate_threshold)
    for corpus in corpora:
        check_trainable(corpus)
    write_corpora(corpora, out, settings.uncleaned)
    write_json(out / "audit.json", found)
    write_json(out / "shift.json", shift(corpora))


def _asked(settings: Settings) -> Iterator[tuple[Card, Limits, str | None]]:
    """How each card is read: within which limits, and of which column its domains are asked."""
    from pipeline.corpora.corpus import Limits

    limits = Limits(settings.max_file_bytes, settings.max_text_characters, settings.max_review_characters)
    for card in load_cards(settings.corpora, settings.data_root):
        yield card, limits, settings.target.column if card.name == settings.target.corpus else None


def tell(folder: Path) -> list[str]:
    """What became of each corpus."""
    from pipeline.corpora.prepared import told

    return told(folder)


def check(settings: Mapping[str, Any]) -> None:
    """Refuse a target of a card that is not there."""
    own = settings["prepare"]
    if own.target.corpus:
        check_target(own.target, load_cards(own.corpora, own.data_root))


def look(settings: Settings) -> None:
    """Refuse cards of which the first rows show that they cannot be read."""
    from pipeline.corpora.corpus import glance

    for asked in _asked(settings):
        glance(*asked)


STAGE = Stage(
    "prepare",
    prepare,
    makes=("corpora.json", "texts", "audit.json", "shift.json"),
    version=8,
    reads=reads,
    check=check,
    look=look,
    tell=tell,
    tell_once=True,
)
