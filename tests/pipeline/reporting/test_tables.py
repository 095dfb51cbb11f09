import pytest

from pipeline.reporting import tables
from pipeline.reporting.tables import Cell


def estimate(value: float | None, low: float | None = None, high: float | None = None) -> dict[str, float | int | None]:
    return {"value": value, "low": low, "high": high, "n": 100}


def test_percent_shows_value_and_interval() -> None:
    assert tables.percent(estimate(0.6543, 0.6, 0.7)) == Cell("65.4", "60.0–70.0")
    assert tables.percent(estimate(0.5)) == Cell("50.0")
    assert tables.percent(estimate(None)) == tables.percent(None) == Cell("–", tone="quiet")


@pytest.mark.parametrize(
    ("value", "text"), [(0.052, "+5.2"), (-0.052, "−5.2"), (0.0, "0.0"), (-0.0001, "0.0"), (0.0001, "0.0")]
)
def test_points_carry_their_sign_and_zero_none(value: float, text: str) -> None:
    assert tables.points(estimate(value)) == text
    assert tables.points(estimate(value, -0.01, 0.1)) == f"{text} (−1.0 to +10.0)"


def test_prose() -> None:
    assert [tables.prose(items) for items in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]


@pytest.mark.parametrize(
    ("question", "word", "text"),
    [
        ("rung", "helped", "▲ helped"),
        ("rung", "hurt", "▼ hurt"),
        ("rung", "undecided", "● undecided"),
        ("floor", "helped", "▲ above it"),
        ("floor", "hurt", "▼ below it"),
        ("floor", "undecided", "● undecided"),
    ],
)
def test_a_verdict_is_written_as_well_as_coloured(question: str, word: str, text: str) -> None:
    verdict = {"question": question, "verdict": word, "difference": estimate(0.01, 0.005, 0.015)}
    assert tables.verdict_cell(verdict) == Cell(text, "+1.0 (+0.5 to +1.5)", word)
