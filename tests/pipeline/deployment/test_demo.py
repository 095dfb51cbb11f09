"""The page to try: what it shows, through gradio's own client, and in a browser with texts that mean harm."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.common.errors import InputError
from pipeline.common.labels import LABELS
from pipeline.deployment import demo
from pipeline.predictor import Predictor
from tests import chromium

HARM = "<audio src=x onerror=window.harmed=1> good <script>window.harmed=1</script> 😍"


@pytest.fixture(scope="module")
def predictor(model: Path) -> Predictor:
    return Predictor(model)


def test_a_piece_weighs_what_is_lost_without_it(predictor: Predictor) -> None:
    (ids,) = predictor.reader.raw_ids(["good food 😂"])
    weights = demo.occlusion(predictor, ids)
    assert len(weights) == len(ids) - 2
    told = predictor("good food 😂")[0]
    for place in (1, len(ids) - 2):
        without = ids.copy()
        without[place] = predictor.reader.tokenizer.mask_token_id
        left = demo.scoring.class_probabilities(predictor.model, [without])[0, LABELS.index(told.label)]
        assert weights[place - 1] == pytest.approx(told.probabilities[told.label] - left, abs=1e-5)


def test_it_says_how_a_text_is_read(predictor: Predictor) -> None:
    found = demo.shown(predictor, "good &amp; 😂 日 " + "x " * 200)
    assert found.classes == predictor("good &amp; 😂 日 " + "x " * 200)[0].probabilities
    assert [piece for piece, _ in found.pieces[:2]] == ["good", "&"]
    lines = found.reading.splitlines()
    assert lines[0].startswith("Read: good & face with tears of joy 日 x x")
    assert lines[1:3] == ["Mended: HTML entities", "Emoji: 😂, as the words of their names"]
    assert lines[3] == "Not known: 1 of 126 pieces"
    assert lines[4] == "Cut: no more than 128 pieces are read"
    assert demo.shown(predictor, "goooood food").reading == "Read: goooood food"  # as it was trained: see conftest
    with pytest.raises(InputError, match="nothing to read"):
        demo.shown(predictor, " ")


def test_arms_are_those_of_the_report_around_a_model(model: Path) -> None:
    assert demo.arms(model) == ({"full": model}, "full")
    assert demo.arms(model.parents[1] / "model") == ({"full": model}, "full")


@pytest.fixture(scope="module")
def address(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("gradio", reason="gradio (extra demo) is not installed")
    other = tmp_path_factory.mktemp("other") / "naive"
    shutil.copytree(model, other)
    (other / "retone.json").write_text('{"emoji": "none"}')
    blocks = demo.page({"naive": other, "full": model}, "full")
    yield demo.serve(blocks, None, wait=False)
    blocks.close(verbose=False)


def test_the_page_answers_gradios_client(address: str, predictor: Predictor, tmp_path: Path) -> None:
    from gradio_client import Client, handle_file

    client = Client(address, verbose=False)
    classes, pieces, reading = client.predict("full", HARM, api_name="/left")
    expected = demo.shown(predictor, HARM)
    assert {each["label"]: each["confidence"] for each in classes["confidences"]} == pytest.approx(expected.classes)
    assert [each["token"] for each in pieces] == [piece for piece, _ in expected.pieces]
    assert reading == expected.reading
    assert (
        client.predict("naive", "good 😂", api_name="/right")[2].splitlines()[1] == "Emoji: 😂, as the base reads them"
    )
    (tmp_path / "in.csv").write_text(f'id,body\n1,"{HARM}"\n2, \n3,good food\n', "utf-8")
    table = client.predict("full", handle_file(tmp_path / "in.csv"), "body", api_name="/file")
    assert table["headers"] == ["text", "label", *LABELS]
    texts = [HARM, "good food"]
    assert [row[:2] for row in table["data"]] == [[text, predictor(text)[0].label] for text in texts]
    np.testing.assert_allclose([float(cell) for cell in table["data"][1][2:]],
                               [*predictor("good food")[0].probabilities.values()], atol=1e-4)  # fmt: skip
    with pytest.raises(Exception, match="no column &lt;b&gt;; name one"):
        client.predict("full", handle_file(tmp_path / "in.csv"), "<b>", api_name="/file")


@pytest.mark.skipif(chromium.BROWSER is None, reason="no Chromium here; name one in RETONE_BROWSER")
def test_nothing_in_a_text_runs_in_a_browser(address: str, tmp_path: Path) -> None:
    box = "document.querySelector('textarea')"
    type_in = f"""Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call({box},
        {json.dumps(HARM)}); {box}.dispatchEvent(new Event('input', {{bubbles: true}}));"""
    click = "[...document.querySelectorAll('button')].find(each => each.textContent.includes('Classify')).click()"
    reads = (
        "[...document.querySelectorAll('textarea')].map(each => each.value).filter(text => text.startsWith('Read:'))"
    )
    steps = [
        ("", f"!!{box}"),
        (type_in + click, f"{reads}.filter(text => text.includes('<audio')).length === 2 && {reads}"),
        ("", "document.body.innerText.includes('neutral') && document.body.innerText"),
        ("", "[window.harmed || 0, document.querySelectorAll('audio').length]"),
        ("", "performance.getEntriesByType('resource').map(entry => entry.name)"),
    ]
    _, (left, right), page, harmed, asked = chromium.answers(address, steps, tmp_path / "profile")
    assert "face with" in left
    assert "😍" in right
    assert "Pieces" in page
    assert harmed == [0, 0]
    assert [name for name in asked if not name.startswith((address, "data:", "blob:"))] == []
