"""How surely domains are told apart, and the alarms, on figures made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.measuring.domains import alarm, told_apart


def test_what_a_line_parts_is_told_and_noise_is_not() -> None:
    noise = np.random.default_rng(0).normal(size=(2, 200, 5))
    assert told_apart(noise[0], noise[1] + 10).value == 1
    assert told_apart(noise[0], noise[1]).value == pytest.approx(0.5, abs=0.06)


def test_as_many_of_each_are_asked_about() -> None:
    """Else who always says the commoner domain were right nine times in ten."""
    noise = np.random.default_rng(0).normal(size=(500, 5))
    found = told_apart(noise[:450], noise[450:])
    assert found.n == 100
    assert found.value < 0.65


def test_of_too_few_nothing_is_told() -> None:
    assert math.isnan(told_apart(np.zeros((4, 2)), np.ones((100, 2))).value)


def test_a_coins_loss_from_the_start_is_an_alarm_and_at_the_end_alone_it_is_none() -> None:
    assert "learnt nothing" in str(alarm(0.69, 0.685, 1.0))
    assert alarm(0.69, 0.5, 1.0) is None


def test_features_that_collapse_are_an_alarm() -> None:
    assert "collapsed: 4% of their variance" in str(alarm(0.69, 0.3, 0.04))
    assert alarm(0.69, 0.3, 0.2) is None
