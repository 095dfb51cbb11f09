import pytest

from pipeline.drawing import tables
from pipeline.drawing.tables import Cell


def estimate(value: float | None, low: float | None = None, high: float | None = None) -> dict[str, float | int | None]:
    return {"value": value, "low": low, "high": high, "n": 100}


def cell(text: str, detail: str, number: float, low: float, high: float) -> Cell:
    return Cell(text, detail, value=number, beside={"low": low, "high": high})


def test_percent_shows_value_and_interval() -> None:
    assert tables.percent(estimate(0.6543, 0.6, 0.7)) == cell("65.4", "60.0–70.0", 65.4, 60.0, 70.0)
    assert tables.percent(estimate(0.5)) == Cell("50.0", value=50.0)
    assert tables.percent(estimate(None)) == tables.percent(None) == Cell("–", tone="quiet")


def test_a_minus_is_a_minus_and_zero_has_none() -> None:
    assert tables.percent(estimate(0.267, -0.2256, 0.809)) == cell("26.7", "−22.6 to 80.9", 26.7, -22.6, 80.9)
    assert tables.amount(estimate(-1.5, -0.004, 1234.5)) == cell("−1.50", "0.00 to 1,234.50", -1.5, 0.0, 1234.5)
    assert tables.number(-1234.5, 1) == Cell("−1,234.5", value=-1234.5)
    assert tables.number(-0.04, 1) == Cell("0.0", value=0.0)


@pytest.mark.parametrize(
    ("low", "high", "count", "few"),
    [(-0.04, 0.05, 500, False), (-0.04, 0.05, 499, True), (-0.06, 0.05, 9000, True), (None, None, 500, False)],
)
def test_few_texts_are_few_by_number_or_by_interval(
    low: float | None, high: float | None, count: int, few: bool
) -> None:
    assert tables.too_few({"value": 0.0, "low": low, "high": high, "n": count}) is few


def test_chance_is_one_in_so_many_classes() -> None:
    report = {"labels": ["a", "b", "c"]}
    assert tables.at_chance(report, estimate(0.35, 0.33, 0.37))
    assert not tables.at_chance(report, estimate(0.35, 0.34, 0.37))
    assert not tables.at_chance(report, estimate(0.35))


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
    ("seeds", "question", "word", "text"),
    [
        (1, "rung", "better", "▲ better"),
        (1, "rung", "worse", "▼ worse"),
        (2, "rung", "better", "▲ better"),
        (3, "rung", "better", "▲ helped"),
        (3, "rung", "worse", "▼ hurt"),
        (3, "rung", "undecided", "● undecided"),
        (3, "rung", "no-worse", "◆ no worse (within 1 point)"),
        (1, "rung", "exploratory", "○ exploratory"),
        (3, "floor", "better", "▲ above it"),
        (1, "floor", "worse", "▼ below it"),
        (1, "floor", "undecided", "● undecided"),
    ],
)
def test_a_verdict_is_written_as_well_as_coloured(seeds: int, question: str, word: str, text: str) -> None:
    report = {"ladder": [{"seeds": list(range(seeds))}], "margin": 0.01}
    verdict = {"question": question, "verdict": word, "difference": estimate(0.01, 0.005, 0.015)}
    expected = Cell(text, "+1.0 (+0.5 to +1.5)", word, word, {"difference": 1.0, "low": 0.5, "high": 1.5})
    assert tables.verdict_cell(report, verdict) == expected
