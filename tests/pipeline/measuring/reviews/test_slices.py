"""Slices by hand: what has a trait, what has not, the difference between them, and what cannot be said."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.measuring.reviews.slices import by_class, by_trait
from pipeline.measuring.statistics.ladder import Draws
from tests.toy_measures import right

DRAWS = Draws(400, 0)
Rows = list[dict[str, Any]]


def rows(count: int, share: float, name: str, classes: int = 3) -> Rows:
    """Texts of which this share is right in each class; a wrong one goes to the next class."""
    labels = [place % classes for place in range(count)]
    return [
        {"id": f"{name}{place}", "label": label, "predicted": label if right(place, share) else (label + 1) % 3}
        for place, label in enumerate(labels)
    ]


def sliced(*seeds: Rows) -> dict[str, Any]:
    """A text whose id begins with "neg" has the trait."""
    traits = {row["id"]: {"negation"} if row["id"].startswith("neg") else set() for row in seeds[0]}
    found = by_trait(seeds, traits, ("negation", "emoji"), DRAWS)
    assert list(found) == ["negation", "emoji"]
    return found


def test_both_sides_and_their_difference_by_hand() -> None:
    found = sliced(rows(300, 0.4, "neg") + rows(600, 0.8, "plain"))["negation"]
    assert (found["with"]["n"], found["without"]["n"]) == (300, 600)
    for metric in ("accuracy", "macro_recall", "macro_f1"):
        assert found["with"][metric]["value"] == pytest.approx(0.4), metric
        assert found["without"][metric]["value"] == pytest.approx(0.8), metric
        apart = found["difference"][metric]
        assert apart["value"] == pytest.approx(-0.4)
        # sides are independent: half-width 1.96 * sqrt(.24/300 + .16/600) = 0.064 for accuracy
        assert (apart["low"], apart["high"]) == pytest.approx((-0.464, -0.336), abs=0.02)
        assert (apart["verdict"], apart["n"]) == ("worse", 300)
        assert apart["p"] <= apart["p_holm"]


def test_a_trait_that_no_text_has_has_no_figures() -> None:
    found = sliced(rows(90, 0.5, "neg") + rows(90, 0.5, "plain"))["emoji"]
    assert found["with"] is None
    assert found["without"]["n"] == 180
    assert found["difference"] == {"accuracy": None, "macro_recall": None, "macro_f1": None}


def test_where_a_class_is_missing_accuracy_alone_is_told() -> None:
    found = sliced(rows(60, 0.5, "neg", classes=2) + rows(90, 0.8, "plain"))["negation"]
    assert found["with"]["accuracy"]["n"] == 60
    assert (found["with"]["macro_recall"], found["with"]["macro_f1"]) == (None, None)
    assert (found["difference"]["macro_recall"], found["difference"]["macro_f1"]) == (None, None)
    assert found["difference"]["accuracy"]["verdict"] == "worse"


def test_few_texts_give_figures_but_no_difference() -> None:
    found = sliced(rows(19, 0.5, "neg") + rows(90, 0.8, "plain"))["negation"]
    assert found["with"]["accuracy"]["n"] == 19
    assert found["with"]["macro_recall"] is None, "six texts of each class"
    assert found["without"]["macro_recall"]["n"] == 90
    assert set(found["difference"].values()) == {None}


def test_equal_sides_are_undecided() -> None:
    found = sliced(rows(300, 0.6, "neg") + rows(300, 0.6, "plain"))["negation"]["difference"]["macro_recall"]
    assert found["value"] == pytest.approx(0.0, abs=1e-12)
    assert found["verdict"] == "undecided"


def test_seeds_are_averaged() -> None:
    one, other = (rows(300, share, "neg") + rows(300, 0.8, "plain") for share in (0.4, 0.6))
    found = sliced(one, other)["negation"]
    assert found["with"]["macro_recall"]["value"] == pytest.approx(0.5)
    assert found["difference"]["macro_recall"]["value"] == pytest.approx(-0.3)
    assert found["with"]["n"] == 300


def test_classes_by_hand() -> None:
    # negative: 3 of 4 found, 1 called neutral; neutral: 1 of 2 found, 1 called negative; positive never occurs
    pairs = [(0, 0), (0, 0), (0, 0), (0, 1), (1, 1), (1, 0)]
    found = by_class([[{"id": str(place), "label": a, "predicted": b} for place, (a, b) in enumerate(pairs)]], DRAWS)
    values = {
        name: {share: of[share]["value"] for share in ("precision", "recall", "f1")} for name, of in found.items()
    }
    assert values["negative"] == pytest.approx({"precision": 3 / 4, "recall": 3 / 4, "f1": 3 / 4})
    assert values["neutral"] == pytest.approx({"precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2})
    assert values["positive"] == {"precision": None, "recall": None, "f1": None}
    assert [of["n"] for of in found.values()] == [4, 2, 0]
