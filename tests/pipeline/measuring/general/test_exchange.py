"""What adaptation paid in general English, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.measuring.general.exchange import exchange
from pipeline.measuring.statistics.ladder import Draws

DRAWS = Draws(500, 0)


def rows(nats: list[float], masked: int = 10) -> list[dict[str, Any]]:
    return [{"nats": value, "masked": masked} for value in nats]


def test_general_nats_lost_for_each_informal_nat_gained() -> None:
    """General: 30 -> 34 nats over 20 pieces, 0.2 lost. Informal: two corpora, 1.0 and 0.6 gained a piece, mean 0.8."""
    general = {"articles": (rows([10, 20]), [rows([12, 22])])}
    informal = {
        "posts": (rows([50, 50]), [rows([40, 40])]),
        "tweets": (rows([50, 50], masked=5), [rows([46, 48], masked=5)]),
    }
    found = exchange(general, informal, DRAWS)
    assert found is not None
    assert {name: figure["value"] for name, figure in found.items()} == pytest.approx(
        {"rate": 0.2 / 0.8, "lost": 0.2, "gained": 0.8}
    )
    assert found["lost"]["low"] == pytest.approx(0.2) == found["lost"]["high"]  # both articles lose the same
    assert found["gained"]["low"] < 0.8 < found["gained"]["high"]
    assert found["rate"]["n"] == 6


def test_every_seed_counts() -> None:
    """Two adaptations, of which one lost 0.1 nats a piece and the other 0.3."""
    general = {"articles": (rows([10] * 8), [rows([11] * 8), rows([13] * 8)])}
    informal = {"posts": (rows([50] * 8), [rows([40] * 8), rows([40] * 8)])}
    found = exchange(general, informal, DRAWS)
    assert found is not None
    assert found["lost"]["value"] == pytest.approx(0.2)
    assert found["lost"]["low"] < 0 < found["lost"]["high"], "two seeds that differ so much show little"


def test_without_gain_there_is_no_rate_but_a_loss() -> None:
    found = exchange({"articles": (rows([10]), [rows([12])])}, {"posts": (rows([10]), [rows([11])])}, DRAWS)
    assert found is not None
    assert (found["rate"]["value"], found["gained"]["value"]) == (None, pytest.approx(-0.1))


@pytest.mark.parametrize(
    ("general", "informal"),
    [
        ({}, {"posts": (rows([10]), [rows([9])])}),
        ({"articles": (rows([10]), [rows([9])])}, {}),
        ({"articles": (rows([10]), [rows([10])])}, {"posts": (rows([10]), [rows([10])])}),
    ],
)
def test_nothing_measured_or_nothing_changed_is_no_figure(general: Any, informal: Any) -> None:
    assert exchange(general, informal, DRAWS) is None
