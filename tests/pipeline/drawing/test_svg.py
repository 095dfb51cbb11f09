import re
import xml.etree.ElementTree as ElementTree

import pytest

from pipeline.drawing import charts, curves, svg
from pipeline.drawing.dots import Dot, Line, dots, outwards
from pipeline.measuring.emoji import show as emoji_show
from pipeline.measuring.frontier import show as frontier_show
from pipeline.measuring.reviews import show as reviews_show
from tests import toy_measures

ESTIMATE = {"value": 0.7, "low": 0.6, "high": 0.8, "n": 10}
HOSTILE = "</svg><script> $x$ & 😂"
DRAWINGS = {
    "arms": lambda: frontier_show.arms(
        [{"arm": HOSTILE, "retention": ESTIMATE, "macro_recall": ESTIMATE}],
        floors={"tfidf": 0.6, "features": 0.65},
        name="a",
    ),
    "front": lambda: frontier_show.front(
        {**toy_measures.frontier(), "points": [{**toy_measures.frontier()["points"][-1], "alphas": {HOSTILE: 0.5}}]},
        name="a",
    ),
    "dots": lambda: dots(
        [(HOSTILE, [Dot(ESTIMATE, HOSTILE, svg.HURT), Dot(ESTIMATE, "other", svg.MUTED, hollow=True)])],
        name="a",
        axis="points",
        lines=[Line(0.1, HOSTILE)],
        legend=[Dot(ESTIMATE, HOSTILE, svg.HELPED)],
    ),
    "emoji": lambda: emoji_show.scatter({HOSTILE: (0.1, -0.2), "😂": (0.2, 0.3)}, name="a"),
    "reliability": lambda: reviews_show.diagram([{"confidence": 0.9, "accuracy": 0.7, "n": 12}], name="a"),
    "losses": lambda: curves.loss_curves(
        [{"step": 1, "informal_dev_loss": 3.0}, {"step": 2, "general_dev_loss": 2.0}],
        name="a",
    ),
    "confusion": lambda: charts.confusion([[3, 1, 0], [0, 2, 0], [0, 0, 0]], ["a", "b", HOSTILE], name="a"),
    "seconds": lambda: charts.seconds({HOSTILE: {"prepare": 1.0, "finetune": 20.0}}, name="a"),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_is_safe_deterministic_and_themed(name: str) -> None:
    drawn = DRAWINGS[name]()
    assert drawn == DRAWINGS[name]()
    root = ElementTree.fromstring(drawn)  # well-formed: nothing broke out
    assert not [element for element in root.iter() if element.tag.endswith(("script", "style", "metadata", "image"))]
    assert "currentColor" in drawn
    assert "var(--" in drawn
    assert not re.search(r"#0000(0[1-9]|1[0-7])", drawn), "a stand-in colour was left"
    assert "DejaVu" not in drawn
    if name not in {"losses", "reliability"}:
        assert HOSTILE in "".join(root.itertext())


def test_the_drawings_of_one_page_share_no_identifiers() -> None:
    one, other = (charts.confusion([[1]], ["a"], name=name) for name in ("x", "y"))
    ids = [set(re.findall(r'\bid="([^"]+)"', text)) for text in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert set(re.findall(r'href="#([^"]+)"', one)) | set(re.findall(r"url\(#([^)]+)\)", one)) <= ids[0]


def test_confusion_shows_shares_of_each_row() -> None:
    drawn = "".join(ElementTree.fromstring(charts.confusion([[3, 1], [0, 0]], ["no", "yes"], name="a")).itertext())
    assert re.findall(r"\d+%", drawn) == ["75%", "25%", "0%", "0%"]


def test_a_file_of_its_own_carries_its_ink() -> None:
    alone = svg.standalone(charts.confusion([[1]], ["a"], name="a"))
    assert "prefers-color-scheme:dark" in alone
    ElementTree.fromstring(alone)


def test_a_mark_says_its_values_below_the_drawing() -> None:
    drawn = dots([("row", [Dot(ESTIMATE, HOSTILE, svg.HURT), Dot(ESTIMATE, "other", svg.MUTED)])], name="a", axis="x")
    root = ElementTree.fromstring(drawn)
    marks = [element for element in root.iter() if element.get("class") == "tip"]
    assert [mark.get("aria-label") for mark in marks] == [HOSTILE, "other"]
    assert {mark.get("tabindex") for mark in marks} == {"0"}
    said = [mark[0] for mark in marks]
    assert ["".join(text.itertext()) for text in said] == [HOSTILE, "other"]
    height = float(root.get("viewBox", "").split()[3])
    axis = max(float(text.get("y") or 0) for text in root.iter() if text.tag.endswith("}text"))
    assert axis < float(said[0][0].get("y", "")) < height


def test_long_values_take_more_lines() -> None:
    drawn = [dots([("row", [Dot(ESTIMATE, said, svg.HURT)])], name="a", axis="x") for said in ("short", "long " * 20)]
    roots = [ElementTree.fromstring(text) for text in drawn]
    lines = [[span for span in root.iter() if span.tag.endswith("tspan")] for root in roots]
    assert [len(found) for found in lines] == [1, 2]
    heights = [float(root.get("viewBox", "").split()[3]) for root in roots]
    assert heights[1] - heights[0] == pytest.approx(14, abs=0.01)


def test_a_drawing_without_marks_has_no_line_for_them() -> None:
    assert "said" not in curves.curves([], name="a", across="x", upwards="y")


def test_labels_of_lines_keep_out_of_each_others_way() -> None:
    lines = [Line(0.6, "a"), Line(0.5, "b"), Line(0.55, "c")]
    assert [outwards(line, lines) for line in lines] == ["left", "right", "center"]
    same = [Line(0.5, "a"), Line(0.5, "b")]
    assert [outwards(line, same) for line in same] == ["right", "left"]
    assert outwards(lines[0], lines[:1]) == "center"
