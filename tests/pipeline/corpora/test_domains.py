"""Reviews of some domains as a corpus of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.common.errors import InputError
from pipeline.common.files import read_jsonl
from pipeline.corpora.domains import Target
from stages.prepare import Settings, check, prepare
from tests.cards import REVIEWS, write_card


def settings(folder: Path, **target: Any) -> Settings:
    """Of a card whose texts are of shops, cafes and trips, thirty of each class in each domain."""
    lines = ["text,stars,kind"]
    for kind in ("shop", "cafe", "trip"):
        lines += [f"{word} {kind} number {n} {word * (n % 5)},{stars},{kind}" for n in range(30)
                  for stars, word in ((1, "awful"), (3, "plain"), (5, "lovely"))]  # fmt: skip
    card = write_card(folder / "mine", "reviews.csv", REVIEWS)
    (card / "reviews.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Settings(corpora=(str(card),), near_duplicate_threshold=1, target={"column": "kind", **target})


def test_the_rows_of_some_domains_become_a_corpus_of_their_own(tmp_path: Path) -> None:
    asked, out = settings(tmp_path, corpus="mine", values=["trip", "cafe"]), tmp_path / "out"
    out.mkdir()
    prepare(asked, out=out)
    described = json.loads((out / "corpora.json").read_text())
    assert list(described) == ["mine", "mine-target"]
    assert [sum(corpus["splits"].values()) for corpus in described.values()] == [90, 180]
    assert all(min(corpus["splits"].values()) > 0 for corpus in described.values())
    for name, kinds in (("mine", {"shop"}), ("mine-target", {"trip", "cafe"})):
        rows = [row for path in (out / "texts" / name).glob("*.jsonl") for row in read_jsonl(path)]
        assert {row["text"].split()[1] for row in rows} == kinds


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({"values": ["trips"]}, r"prepare\.target\.values: mine has no trips in column kind; did you mean trip\?"),
        (
            {"values": ["shop", "cafe", "trip"]},
            "they are all that mine has in column kind, no source is left",
        ),
        ({"values": ["shop"], "column": "kin"}, r"no column kin \(prepare\.target\.column\); did you mean kind\?"),
    ],
)
def test_what_cannot_be_set_apart_is_refused_in_one_line(tmp_path: Path, target: dict[str, Any], said: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(InputError, match=said) as caught:
        prepare(settings(tmp_path, corpus="mine", **target), out=out)
    assert "\n" not in str(caught.value)
    assert not list(out.iterdir())


def test_a_card_that_is_not_there_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"prepare\.target\.corpus: no reviews mein in prepare\.corpora; .* mine"):
        check({"prepare": settings(tmp_path, corpus="mein", values=["trip"])})
    check({"prepare": settings(tmp_path, corpus="mine", values=["trip"])})


def test_values_without_a_corpus_are_refused() -> None:
    with pytest.raises(ValidationError, match="give both, or neither"):
        Target(values=("trip",))
