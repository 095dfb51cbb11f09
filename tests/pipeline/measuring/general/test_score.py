"""Known answers of retention, from rows small enough to work out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pipeline.measuring.general import score as general_score
from pipeline.measuring.statistics.bootstrap import Figure
from pipeline.measuring.statistics.ladder import Draws

SURE = {"draws": 500, "seed": 0}


def document(name: str, nats: float, masked: int = 10, **more: float) -> dict[str, Any]:
    return {"id": name, "nats": nats, "nats_full": nats + 1, "masked": masked, "correct": 3, "bytes": 40, **more}


def pairs(right: int, n: int = 100, phenomenon: str = "agreement") -> list[dict[str, Any]]:
    return [
        {"id": f"{phenomenon}{place}", "phenomenon": phenomenon, "good": -10.0, "bad": -12.0 if place < right else -8.0}
        for place in range(n)
    ]


def kept_of(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> Figure | None:
    measured = general_score.grammar_kept(before, [now], Draws(**SURE))
    return measured and measured.figure(**SURE)


def test_loss_is_a_mean_over_pieces_not_over_documents() -> None:
    rows = [document("a", 10.0, masked=5), document("b", 60.0, masked=15)]
    found = {name: measured.figure(**SURE) for name, measured in general_score.losses([rows]).items()}
    assert found["loss"].value == pytest.approx(70 / 20)
    assert found["loss_full"].value == pytest.approx(72 / 20)
    assert found["accuracy"].value == pytest.approx(6 / 20)
    assert found["bits_per_byte"].value == pytest.approx(72 / 80 / math.log(2))
    assert found["loss"].n == 2


def test_masked_retention_known_answer() -> None:
    before = [document("a", 20.0), document("b", 40.0)]
    now = [document("a", 25.0), document("b", 41.0)]
    found = general_score.words_kept(before, [now]).figure(**SURE)
    assert found.value == pytest.approx(math.exp(60 / 20 - 66 / 20))
    # the worst draw holds a twice, the best b twice
    assert found.low == pytest.approx(math.exp(-10 / 20))
    assert found.high == pytest.approx(math.exp(-2 / 20))


def test_documents_are_paired() -> None:
    before = [document(str(place), 10.0 + 5 * place) for place in range(12)]
    now = [document(str(place), 11.0 + 5 * place) for place in range(12)]
    found = general_score.words_kept(before, [now]).figure(**SURE)
    # each document lost 0.1 nats a piece, so no doubt is left
    assert [found.low, found.high] == pytest.approx([math.exp(-0.1)] * 2)


def test_identical_models_keep_exactly_all() -> None:
    rows = [document(str(place), 3.7 * place + 0.1) for place in range(9)]
    found = general_score.words_kept(rows, [rows]).figure(**SURE)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)
    kept = kept_of(pairs(80), pairs(80))
    assert kept is not None
    assert (kept.value, kept.low, kept.high) == (1.0, 1.0, 1.0)


def test_pair_retention_known_answer() -> None:
    kept = kept_of(pairs(80), pairs(65))
    assert kept is not None
    assert kept.value == pytest.approx((0.65 - 0.5) / (0.80 - 0.5))
    assert kept.low < 0.5 < kept.high < 1


def test_a_base_at_chance_had_nothing_to_keep() -> None:
    assert kept_of(pairs(52), pairs(50)) is None


def test_a_base_barely_above_chance_had_too_little_to_tell_what_was_kept() -> None:
    """As in a first look at 60 pairs: 65% right, 52 to 77, and a share of that lead from -20% to 250%."""
    some, most = pairs(39, 60), pairs(260, 400)
    assert general_score.grammar([some]).figure(**SURE).low > 0.5
    assert kept_of(some, some) is None
    assert kept_of(most, most) is not None, "65%, too, but 60 to 70"


def of_phenomena(right: list[int], pairs_each: int = 20) -> list[dict[str, Any]]:
    """So many pairs of each phenomenon right."""
    return [
        {"id": f"{kind}:{place}", "phenomenon": f"kind {kind}", "good": -1.0, "bad": -2.0 if place < count else -0.5}
        for kind, count in enumerate(right)
        for place in range(pairs_each)
    ]


def test_pairs_of_a_phenomenon_are_right_or_wrong_together() -> None:
    """Twelve phenomena, each all right or all wrong: twelve things are known, not 240."""
    found = general_score.grammar([of_phenomena([20, 0, 20] * 4)]).figure(**SURE)
    assert found.value == pytest.approx(2 / 3)
    assert found.n == 240
    # standard error of a share of twelve: sqrt(2/9/12) = 0.136; of 240 pairs it would be 0.03
    assert found.high - found.low > 4 * 0.12


def test_a_base_that_knows_some_phenomena_is_not_well_above_chance() -> None:
    some, most = of_phenomena([20, 4] * 6), of_phenomena([14, 16] * 6)
    assert kept_of(some, some) is None, "60% right, 46 to 75 over phenomena"
    assert kept_of(most, most) is not None


def test_a_tie_is_no_success() -> None:
    rows = [{"id": "x", "phenomenon": "p", "good": -5.0, "bad": -5.0}]
    assert general_score.right(rows).tolist() == [0.0]


def test_other_items_are_refused() -> None:
    with pytest.raises(ValueError, match="same items"):
        general_score.words_kept([document("a", 1.0)], [[document("b", 1.0)]])


def test_retention_multiplies_along_the_steps() -> None:
    answers = {
        model: {
            "masked": {"wiki": [document(str(place), 20.0 + loss) for place in range(6)]},
            "shift": {} if model == "tuned" else {"posts": [document("p", 30.0 - loss)]},
            "pairs": {"pairs": pairs(right)},
        }
        for model, loss, right in (("base", 0.0, 90), ("adapted", 1.0, 80), ("tuned", 3.0, 60))
    }
    found = general_score.scored(answers, {"wiki": ("general", "test"), "posts": ("informal", "dev")}, **SURE)
    kept = {step: figures["masked"]["wiki"]["value"] for step, figures in found["scores"].items()}
    assert kept["base_to_adapted"] == pytest.approx(math.exp(-0.1))
    assert kept["base_to_tuned"] == pytest.approx(kept["base_to_adapted"] * kept["adapted_to_tuned"])
    assert found["scores"]["base_to_tuned"]["pairs"]["pairs"]["value"] == pytest.approx(0.1 / 0.4)
    assert found["shift"]["posts"]["base"]["value"] == pytest.approx(3.0)
    assert found["shift"]["posts"]["adapted"]["value"] == pytest.approx(2.9)
    assert list(found["shift"]) == ["wiki", "posts"]
    assert found["models"]["tuned"]["pairs"]["pairs"]["accuracy"]["value"] == pytest.approx(0.6)
