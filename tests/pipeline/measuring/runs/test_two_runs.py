import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.measuring.runs import two_runs


def figure(value: float, low: float | None, high: float | None, count: int = 6) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "n": count}


def run(arm: str, value: float, count: int = 60) -> dict[str, Any]:
    scores = {"shop": {"macro_recall": figure(value, value - 0.1, value + 0.1, count)}}
    kept = {"masked": {"books": figure(0.9, 0.8, 1.0)}, "pairs": {"pairs": None}}
    return {"ladder": [{"arm": arm, "scores": scores}], "retention": {arm: {"tuned": {"kept": kept}}}}


def test_independent_figures_get_the_interval_that_follows_from_theirs() -> None:
    # The lower end goes down by the lower half of b's interval and the upper half of a's, as legs of a right triangle.
    found = two_runs.apart(figure(0.5, 0.45, 0.54, 100), figure(0.7, 0.67, 0.82, 80))
    assert found["value"] == pytest.approx(0.2)
    assert found["low"] == pytest.approx(0.2 - 0.05)  # 3-4-5: 0.7 - 0.67 = 0.03, 0.54 - 0.5 = 0.04
    assert found["high"] == pytest.approx(0.2 + 0.13)  # 5-12-13: 0.82 - 0.7 = 0.12, 0.5 - 0.45 = 0.05
    assert found["n"] == 80
    assert two_runs.apart(figure(0.5, None, None), figure(0.7, 0.6, 0.8))["low"] is None


def test_figures_are_those_of_the_report_that_were_measured() -> None:
    assert list(two_runs.figures(run("full", 0.5))) == [("full", "macro_recall", "shop"), ("full", "masked", "books")]


def evaluated(folder: Path, right: list[int], ids: str = "abcdef") -> Path:
    """Sixty texts, ten times six, two of each class; those at the places given are right, others a class too high."""
    rows = [
        {"id": f"{name}{copy}", "label": place % 3, "predicted": place % 3 if place in right else (place + 1) % 3}
        for copy in range(10)
        for place, name in enumerate(ids)
    ]
    (folder / "predictions").mkdir(parents=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "predictions" / "shop.jsonl").write_text(lines, encoding="utf-8")
    (folder / "scores.json").write_text(json.dumps({"corpora": {"shop": {}}}), encoding="utf-8")
    return folder


def test_the_same_items_are_paired(tmp_path: Path) -> None:
    a, b = evaluated(tmp_path / "a", [0, 1, 2]), evaluated(tmp_path / "b", [0, 1, 2, 3, 4, 5])
    found = two_runs.differences(run("full", 0.5), run("full", 1.0), ({"full": [a]}, {"full": [b]}))
    score = found["full", "macro_recall", "shop"]
    assert (score["value"], score["n"], score["paired"]) == (pytest.approx(0.5), 60, True)
    assert found["full", "masked", "books"]["paired"] is False
    same = two_runs.differences(run("full", 0.5), run("full", 0.5), ({"full": [a]}, {"full": [a]}))
    assert {same["full", "macro_recall", "shop"][end] for end in ("value", "low", "high")} == {0.0}


@pytest.mark.parametrize(("ids", "count"), [("uvwxyz", 60), ("abcxyz", 60), ("abcdef", 70)])
def test_other_items_or_other_figures_are_not_paired(tmp_path: Path, ids: str, count: int) -> None:
    a, b = evaluated(tmp_path / "a", [0, 1, 2]), evaluated(tmp_path / "b", [0, 1, 2, 3], ids)
    found = two_runs.differences(run("full", 0.5), run("full", 0.6, count), ({"full": [a]}, {"full": [b]}))
    assert found["full", "macro_recall", "shop"]["paired"] is False
    assert found["full", "macro_recall", "shop"]["value"] == pytest.approx(0.1)


def test_other_numbers_of_seeds_are_not_paired(tmp_path: Path) -> None:
    a, b = evaluated(tmp_path / "a", [0, 1, 2]), evaluated(tmp_path / "b", [0, 1, 2])
    found = two_runs.differences(run("full", 0.5), run("full", 0.5), ({"full": [a]}, {"full": [a, b]}))
    assert found["full", "macro_recall", "shop"]["paired"] is False


def test_arms_of_one_run_alone_have_no_difference() -> None:
    assert two_runs.differences(run("full", 0.5), run("other", 0.6), ({}, {})) == {}
