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
    assert asked(third, 2) == [expected[3], expected[4]]


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
