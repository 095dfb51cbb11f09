"""Power laws whose figures are known, and what fewer labels foretell of more."""

import numpy as np
import pytest

from pipeline.common.errors import InputError
from pipeline.measuring.statistics.classification import macro_recall
from pipeline.measuring.statistics.comparison import along, classified, minus
from pipeline.measuring.statistics.ladder import Draws
from pipeline.measuring.sweep import score

LABELS = {"a": 100.0, "b": 200.0, "c": 400.0, "d": 800.0, "e": 1600.0, "f": 3200.0}
TEXTS = 6000


def measured(errors, seed=0):
    """Arms that err in so many of 6,000 texts, evenly of each class, each wherever chance has it."""
    labels = np.arange(TEXTS) % 3
    found = {}
    for place, (arm, error) in enumerate(errors.items()):
        order = np.random.default_rng([seed, place]).permutation(TEXTS)
        wrong = np.concatenate([order[labels[order] == kind][: round(error * TEXTS / 3)] for kind in range(3)])
        predicted = labels.copy()
        predicted[wrong] = (labels[wrong] + 1) % 3
        found[arm] = classified(labels, predicted, macro_recall)
    return found


def falling(level, rate):
    return {arm: level * amount**-rate for arm, amount in LABELS.items()}


def test_a_power_law_is_found_again() -> None:
    amounts = np.array([*LABELS.values()])
    level, rate = score.fitted(amounts, np.stack([3 * amounts**-0.5, 2 * amounts**-0.25]))
    assert np.exp(level) == pytest.approx([3, 2])
    assert rate == pytest.approx([0.5, 0.25])


def test_what_the_first_half_foretells_of_a_law_comes_true() -> None:
    law = score.law(LABELS, measured(falling(2, 0.25)), Draws(1000, 0))
    assert law is not None
    assert law["rate"]["value"] == pytest.approx(0.25, abs=0.002)
    assert law["rate"]["low"] < 0.25 < law["rate"]["high"]
    assert law["half"]["value"] == pytest.approx(3200 * 2**4, rel=0.03)
    assert law["half"]["low"] == pytest.approx(3200 * 2 ** (1 / law["rate"]["high"]))
    assert [one["arm"] for one in law["foretold"]] == ["d", "e", "f"]
    for one in law["foretold"]:
        assert one["predicted"]["low"] < 1 - 2 * LABELS[one["arm"]] ** -0.25 < one["predicted"]["high"]
        assert one["missed"]["low"] < 0 < one["missed"]["high"]


def test_as_many_points_a_doubling_come_true_as_well() -> None:
    errors = {arm: 0.5 - 0.06 * place for place, arm in enumerate(LABELS)}
    law = score.law(LABELS, measured(errors), Draws(1000, 0))
    assert law is not None
    assert all(one["missed"]["low"] < 0 < one["missed"]["high"] for one in law["foretold"])


def test_two_shapes_agree_on_the_past_and_part_over_the_future() -> None:
    amounts, errors = np.array([100.0, 400.0]), np.array([0.4, 0.2])
    assert score.by_power(amounts, errors, 1600) == pytest.approx(0.1)
    assert score.by_doubling(amounts, errors, 800) == pytest.approx(0.1)
    assert score.by_doubling(amounts, errors, 6400) == 0


def test_arms_that_scatter_foretell_less_surely() -> None:
    amounts, on_it, off_it = np.array([100.0, 200.0, 400.0]), np.array([0.4, 0.3, 0.2]), np.array([0.4, 0.33, 0.2])
    assert score.scatter(amounts, on_it, score.by_doubling, 800) == pytest.approx(0)
    # Off the line by 0.01, 0.02 and 0.01; two steps from the middle of three: 1 + 1/3 + 4/2.
    assert score.scatter(amounts, off_it, score.by_doubling, 800) == pytest.approx(
        1.96 * (6e-4 * 10 / 3) ** 0.5, rel=1e-4
    )


def test_where_learning_stops_the_first_half_foretold_too_much() -> None:
    errors = falling(2, 0.25) | dict.fromkeys("def", 2 * 400**-0.25)
    law = score.law(LABELS, measured(errors), Draws(1000, 0))
    assert law is not None
    assert all(one["missed"]["high"] < 0 for one in law["foretold"])


def test_errors_that_do_not_fall_have_no_half() -> None:
    law = score.law(LABELS, measured(dict.fromkeys(LABELS, 0.3)), Draws(1000, 0))
    assert law is not None
    assert law["half"]["value"] is None


def test_three_arms_or_one_amount_twice_are_no_curve() -> None:
    errors = falling(2, 0.25)
    few = {arm: LABELS[arm] for arm in "abc"}
    assert score.law(few, measured({arm: errors[arm] for arm in few}), Draws(1000, 0)) is None
    assert score.law(LABELS | {"a": 200.0}, measured(errors), Draws(1000, 0)) is None


def test_values_are_the_settings_or_the_labels_learnt_from() -> None:
    asked = {"few": {score.LABELS: 100}, "most": {score.LABELS: 900}, "all": {score.LABELS: None}}
    assert score.values(score.LABELS, asked, {"few": 100, "most": 700, "all": 600}) == {
        "few": 100, "most": 700, "all": 600
    }  # fmt: skip
    depth = "finetune.freezing.layers"
    assert score.values(depth, {"a": {depth: 3}}, {"a": 700}) == {"a": 3}
    with pytest.raises(InputError, match=r"report\.across: finetune\.freezing\.layers of arm a is \[6\], which is no"):
        score.values(depth, {"a": {depth: [6]}}, {"a": 700})


def test_along_pairs_as_minus_does() -> None:
    found = measured({"a": 0.3, "b": 0.2})
    apart = along([found["a"], found["b"]], lambda values: values[..., 0] - values[..., 1])
    difference = minus(found["a"], found["b"], draws=1000, seed=0)
    assert apart.figure(draws=1000, seed=0).value == pytest.approx(difference.value)
    assert apart.value == pytest.approx(-0.1, abs=0.001)
