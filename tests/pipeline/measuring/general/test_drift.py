"""Where the loss comes from, on documents small enough to add up by hand."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.measuring.general import drift

SURE = {"draws": 200, "seed": 0}


def documents(*nats: float) -> list[dict[str, Any]]:
    return [{"id": str(place), "nats": value, "masked": 10} for place, value in enumerate(nats)]


MASKED = {
    "base": {"wiki": documents(20, 30)},
    "adapted": {"wiki": documents(21, 31)},
    "tuned": {"wiki": documents(40, 54)},
    "adapted_refitted": {"wiki": documents(20, 30)},
    "tuned_refitted": {"wiki": documents(24, 36)},
}


def test_parts_by_hand() -> None:
    found = drift.scored(MASKED, **SURE)["wiki"]
    values = {part: found[part]["value"] for part in drift.PARTS}
    assert values == pytest.approx(
        {
            "adaptation": (52 - 50) / 20,
            "tuning": (94 - 52) / 20,
            "interface": (94 - 60) / 20,
            "real": (60 - 50) / 20,
            "refitting": (50 - 52) / 20,
        }
    )
    assert values["tuning"] == pytest.approx(values["interface"] + values["real"] + values["refitting"])
    # documents are paired: the worst draw of the interface holds the second twice, the best the first
    assert (found["interface"]["low"], found["interface"]["high"]) == pytest.approx((1.6, 1.8))
    assert found["adaptation"]["low"] == found["adaptation"]["high"] == pytest.approx(0.1)


def test_without_refitted_heads_nothing_is_said() -> None:
    assert drift.scored({model: MASKED[model] for model in ("base", "adapted", "tuned")}, **SURE) == {}


def test_other_documents_are_refused() -> None:
    with pytest.raises(ValueError, match="same documents"):
        drift.gap(documents(1.0), documents(1.0, 2.0), **SURE)
