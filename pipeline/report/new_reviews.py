"""A model's score on newly labelled reviews, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.common.labels import LABELS
from pipeline.drawing.tables import NOTHING, Cell, Estimate, Table, change, percent


def tables(found: Mapping[str, Any], then: Estimate | None) -> list[Table]:
    """What ``new_reviews.scored`` gives, and macro-recall of then; a row for each figure that is known."""
    scores, emoji = found["scores"], found["emoji"]
    rows = [("macro-recall", scores["macro_recall"]), ("macro-recall when it was tested", then)]
    rows += [(name.replace("_", "-"), scores[name]) for name in ("accuracy", "macro_f1")]
    rows += [
        (f"macro-recall on texts {word} emoji", (emoji[word] or {}).get("macro_recall")) for word in ("with", "without")
    ]
    rows += [(f"recall of {name}", found["classes"][name]["recall"]) for name in LABELS]
    rows += [
        ("calibration error", found["calibration"]["error"]),
        ("confidence less accuracy", found["calibration"]["overconfidence"]),
    ]
    return [
        Table(
            "Scores",
            ("score", "%"),
            tuple((Cell(name), percent(figure)) for name, figure in rows if figure),
            f"{scores['macro_recall']['n']:,} texts; 95% intervals.",
        )
    ]


def drifted(found: Mapping[str, Mapping[str, Any]], strange: Sequence[str]) -> Table:
    """What ``new_reviews.drift`` gives, and the commonest words that are new."""
    rows = tuple(
        (Cell(what), percent(one["then"]), percent(one["now"]), change(one["difference"]),
         Cell("▲ drifted" if one["moved"] else "") if one["moved"] else NOTHING)
        for what, one in found.items()
    )  # fmt: skip
    note = f"New to it: {' '.join(strange)}" if strange else "Nothing is new to it."
    return Table("Inputs", ("share", "then, %", "now, %", "difference, points", ""), rows, note)
