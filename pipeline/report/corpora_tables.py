"""The tables about the corpora: their texts and what was dropped, the audit, how far they are from general English."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.drawing.tables import Cell, Report, Table, amount, number, prose

HABITS = {
    "vocabulary_overlap": ("words that general text knows, %", 100),
    "vocabulary_overlap_types": ("different words that it knows, %", 100),
    "top_words_overlap": ("commonest words in common, %", 100),
    "mean_words": ("words a text", 1),
    "emoji_rate": ("texts with emoji, %", 100),
    "different_emoji": ("different emoji", 1),
    "elongated_words": ("sooo long words, %", 100),
    "capital_words": ("SHOUTED words, %", 100),
    "masks_per_text": ("masks a text", 1),
}
"""Figures of shift.json in the order of the columns: what they say, and the factor to that unit."""


def corpora(report: Report) -> Table:
    """Each corpus: what it is for, texts a split, and rows dropped by reason."""
    rows = []
    for name, corpus in report["corpora"].items():
        dropped = {reason: count for reason, count in corpus.get("dropped", {}).items() if count}
        called = corpus.get("pretty_name", "")
        named = Cell(name, called, beside={"name": called})
        rows.append((named, Cell(corpus["role"]), _counts(corpus["splits"]), _counts(dropped)))
    return Table("Corpora", ("corpus", "role", "texts", "rows dropped, by reason"), tuple(rows), words=(1, 2, 3))


def _counts(found: Mapping[str, int]) -> Cell:
    said = prose(f"{count:,} {what}" for what, count in found.items())
    return Cell(said or "none", value=sum(found.values()), beside=found)


def classes(report: Report) -> Table:
    """Texts of each class in each split of the review corpora."""
    rows = [
        (Cell(name, split, beside={"split": split}), *(number(counts.get(label, 0)) for label in report["labels"]))
        for name, corpus in report["corpora"].items()
        for split, counts in corpus.get("classes", {}).items()
    ]
    return Table("Classes", ("corpus and split", *report["labels"]), tuple(rows), alone={0: "corpus"})


def damage(report: Report) -> list[Table]:
    """Rows whose text was mended, and rows that hold what a BERT does not read, by kind; none of either: no table."""
    titles = {"mended": "Audit: rows mended, by kind of damage", "unknown": "Audit: rows with what BERT does not read"}
    found = []
    for what, title in titles.items():
        rows = report["audit"].get(what, {})
        kinds = sorted({kind for counts in rows.values() for kind in counts})
        cells = tuple((Cell(name), *(number(counts.get(kind, 0)) for kind in kinds)) for name, counts in rows.items())
        found += [Table(title, ("corpus", *kinds), cells)] if rows else []
    return found


def doubles(report: Report) -> Table:
    """What stands twice within a split."""
    within = report["audit"].get("within", {})
    kinds = list(dict.fromkeys(kind for counts in within.values() for kind in counts))
    rows = tuple((Cell(part), *(number(counts.get(kind, 0)) for kind in kinds)) for part, counts in within.items())
    note = (
        "Near duplicates are counted; dropped are those of reviews that are scored by folds."
        if rows
        else "No text stands twice within a split."
    )
    return Table("Audit: twice in one split", ("corpus/split", *(kind.replace("_", " ") for kind in kinds)), rows, note)


def leaks(report: Report) -> Table:
    """What stands on both sides of a split: the training side has lost it."""
    rows = tuple(
        (
            Cell(where),
            number(found["exact"]),
            number(found["near"]),
            number(found["rows_removed"]),
            Cell(" / ".join(found.get("examples", []))),
        )
        for where, found in report["audit"].get("across", {}).items()
    )
    columns = ("training side <-> held-out side", "held-out texts found in training", "found nearly the same")
    note = "No held-out text was found in a training split, in the adaptation text or in the general text."
    if rows:
        note = (
            "Leaks are removed from the training side: no test text was seen before. Beside examples: their likeness."
        )
    return Table("Audit: leaks", (*columns, "rows removed from training", "examples"), rows, note, words=(4,))


def shift(report: Report) -> Table:
    """How people write in each corpus, and how much of it general text knows."""
    known = [key for key in HABITS if any(key in found for found in report["shift"].values())]
    rows = []
    for name, found in report["shift"].items():
        strange = Cell(str(found.get("commonest_unknown_words") or "–"))
        rows.append((Cell(name), *(_habit(key, found.get(key)) for key in known), strange))
    columns = ("corpus", *(HABITS[key][0] for key in known), "commonest words that general text lacks")
    return Table("Ways of writing, against general text", columns, tuple(rows), words=(len(columns) - 1,))


def masked_loss(report: Report) -> Table:
    """How well the base, and the adapted model of the final arm, guess words of each corpus."""
    rows = []
    for name, found in report["masked_loss"].get(report["final_arm"], {}).items():
        what = {part: found.get(part, "") for part in ("role", "split")}
        corpus = Cell(name, ", ".join(what.values()), beside=what)
        rows.append((corpus, amount(found.get("base")), amount(found.get("adapted"))))
    columns = ("corpus", "base: loss in nats, lower is better", "adapted: loss in nats")
    return Table(f"Masked words of every corpus, {report['final_arm']}", columns, tuple(rows))


def _habit(key: str, value: float | None) -> Cell:
    factor = HABITS[key][1]
    return number(None if value is None else factor * value, 0 if key == "different_emoji" else 1)
