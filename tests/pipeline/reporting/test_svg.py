import re
import xml.etree.ElementTree as ElementTree

import pytest

from pipeline.reporting import figures, svg

ESTIMATE = {"value": 0.7, "low": 0.6, "high": 0.8, "n": 10}
HOSTILE = "</svg><script> $x$ & 😂"
DRAWINGS = {
    "frontier": lambda: figures.frontier(
        [{"arm": HOSTILE, "retention": ESTIMATE, "macro_recall": ESTIMATE}], floor=0.6, name="a"
    ),
    "coverage": lambda: figures.coverage([{"corpus": HOSTILE, "before": 0.9, "after": 0.0}], name="a"),
    "losses": lambda: figures.loss_curves(
        [{"step": 1, "informal_dev_loss": 3.0}, {"step": 2, "general_dev_loss": 2.0}],
        name="a",
    ),
    "confusion": lambda: figures.confusion([[3, 1, 0], [0, 2, 0], [0, 0, 0]], ["a", "b", HOSTILE], name="a"),
    "seconds": lambda: figures.seconds({HOSTILE: {"prepare": 1.0, "finetune": 20.0}}, name="a"),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_is_safe_deterministic_and_themed(name: str) -> None:
    drawn = DRAWINGS[name]()
    assert drawn == DRAWINGS[name]()
    root = ElementTree.fromstring(drawn)  # well-formed: nothing broke out
    assert not [element for element in root.iter() if element.tag.endswith(("script", "style", "metadata", "image"))]
    assert "currentColor" in drawn
    assert "var(--" in drawn
    assert not re.search(r"#0000(0[1-5]|1[0-7])", drawn), "a stand-in colour was left"
    assert "DejaVu" not in drawn
    if name != "losses":
        assert HOSTILE in "".join(root.itertext())


def test_the_drawings_of_one_page_share_no_identifiers() -> None:
    one, other = (figures.confusion([[1]], ["a"], name=name) for name in ("x", "y"))
    ids = [set(re.findall(r'\bid="([^"]+)"', text)) for text in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert set(re.findall(r'href="#([^"]+)"', one)) | set(re.findall(r"url\(#([^)]+)\)", one)) <= ids[0]


def test_confusion_shows_shares_of_each_row() -> None:
    drawn = "".join(ElementTree.fromstring(figures.confusion([[3, 1], [0, 0]], ["no", "yes"], name="a")).itertext())
    assert re.findall(r"\d+%", drawn) == ["75%", "25%", "0%", "0%"]


def test_a_file_of_its_own_carries_its_ink() -> None:
    alone = svg.standalone(figures.confusion([[1]], ["a"], name="a"))
    assert "prefers-color-scheme:dark" in alone
    ElementTree.fromstring(alone)
