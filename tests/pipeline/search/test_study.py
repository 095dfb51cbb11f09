"""The journal alone: what is asked for next, whatever became of those who asked."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna", reason="the extra `search` is not installed")

from pipeline.machine.space import Search, Span
from pipeline.search.space import Dimension
from pipeline.search.study import Study
from tests.pipeline.search.test_show import outcome

SPACE = {"grow.learning_rate": Dimension(Span(low=1e-3, high=1.0, log=True))}


def opened(folder: Path) -> Study:
    return Study(folder, Search(sampler="random"), SPACE)


def asked(study: Study, count: int) -> list[dict[str, Any]]:
    return [study.ask()[1] for _ in range(count)]


def test_all_that_ran_when_a_process_died_are_begun_again_and_passed_over_when_lost_twice(tmp_path: Path) -> None:
    whole = opened(tmp_path / "whole")
    expected = asked(whole, 6)
    study = opened(tmp_path / "killed")
    number, first = study.ask()
    study.tell(number, outcome(0.7, 0.9))
    assert [first, *asked(study, 3)] == expected[:4]
    again = opened(tmp_path / "killed")  # three were running
    (lost, _), (number, values) = again.ask(), again.ask()
    again.tell(number, outcome(0.8, 0.9))
    assert values == expected[2]
    assert lost == 4
    third = opened(tmp_path / "killed")  # of them, the first was lost again, and the last was not begun anew
    problems = {each["number"]: each["outcome"]["problem"] for each in third.tried()}
    assert problems == {0: "", 4: "its process was killed, twice; it is passed over", number: ""}
    assert third.was_lost
    assert asked(third, 1) == [expected[3]]
    assert not third.was_lost
    assert asked(third, 1) == [expected[4]]


def test_what_counts_at_the_bottom_is_not_all_that_counts(tmp_path: Path) -> None:
    """Below the middle one setting decides, above it another: both have their share, whichever way is better."""
    space = {f"grow.{name}": Dimension(Span(low=0.0, high=1.0)) for name in ("low", "high", "nothing")}
    study = Study(tmp_path, Search(sampler="random"), space)
    for _ in range(120):
        number, values = study.ask()
        low, high = values["grow.low"], values["grow.high"]
        study.tell(number, outcome(0.5 + 0.2 * (low > 0.2) + 0.2 * (high > 0.8), 0.9 + 0.05 * high))
    recall, kept = (study.importance()[side] for side in ("macro_recall", "kept"))
    assert recall["grow.low"] > 0.3
    assert recall["grow.high"] > 0.3
    assert kept["grow.high"] > 0.9
    assert max(recall["grow.nothing"], kept["grow.nothing"]) < 0.05


def test_more_than_all_general_english_counts_as_all(tmp_path: Path) -> None:
    study = opened(tmp_path)
    for kept in (1.04, 0.97):
        number, _ = study.ask()
        study.tell(number, outcome(0.7, kept))
    assert [trial.values for trial in study.study.get_trials()] == [[0.7, 1.0], [0.7, 0.97]]


def test_each_trial_that_test_judges_is_counted_once(tmp_path: Path) -> None:
    study = opened(tmp_path)
    assert [study.judged(), study.judged(["a/1"]), study.judged(["a/1"]), study.judged(["a/2"])] == [0, 1, 1, 2]
    assert opened(tmp_path).judged() == 2


def test_trials_end_in_any_order(tmp_path: Path) -> None:
    one, other = opened(tmp_path / "one"), opened(tmp_path / "other")
    first = [(number, values) for number, values in (one.ask() for _ in range(3))]
    for number, _ in reversed(first):
        one.tell(number, outcome(0.7, 0.9))
    assert [values for _, values in first] + asked(one, 1) == asked(other, 4)
    assert [trial["number"] for trial in one.tried()] == [0, 1, 2]


def test_what_is_stopped_is_begun_again_as_often_as_that_happens(tmp_path: Path) -> None:
    expected = asked(opened(tmp_path / "whole"), 3)
    for _ in range(3):
        study = opened(tmp_path / "stopped")
        assert asked(study, 2) == expected[:2]
        study.stop()
    assert asked(opened(tmp_path / "stopped"), 3) == expected
