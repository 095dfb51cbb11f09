"""An exported model answers as the one it was made of, in a process that knows neither torch nor Retone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.common.errors import InputError
from pipeline.common.labels import LABELS
from pipeline.deployment import export as exporting
from pipeline.predictor import Predictor
from tests.toys import SENTENCES

for name in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(name, reason=f"{name} (extra export) is not installed")

HOSTILE = ["sooooo good 😍 https://x.org @me", "bad &amp; ugly \\u2019 😡", "good " * 300, "ಠ_ಠ", "日本 ☃"]
ALONE = """
import json, sys
sys.modules.update(dict.fromkeys(["torch", "transformers", "pipeline", "stages", "pydantic"]))
sys.path.insert(0, sys.argv[1])
from classify import Classifier
classify = Classifier(sys.argv[2])
print(json.dumps([classify(text) for text in json.loads(sys.argv[3])]))
"""


@pytest.fixture(scope="module")
def exported(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[exporting.Measured]]:
    out = tmp_path_factory.mktemp("exported") / "onnx"
    return out, exporting.export(model, out)


def alone(folder: Path, file: str) -> list[dict[str, float]]:
    command = [sys.executable, "-P", "-c", ALONE, str(folder), file, json.dumps(HOSTILE + SENTENCES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def test_what_ships_answers_alike_without_torch_or_retone(
    exported: tuple[Path, list[exporting.Measured]], model: Path
) -> None:
    ours = [each.probabilities for each in Predictor(model)(HOSTILE + SENTENCES)]
    for file, apart in ((exporting.FLOAT, 1e-5), (exporting.INT8, 0.2)):
        theirs = alone(exported[0], file)
        assert [list(each) for each in theirs] == [list(LABELS)] * len(ours)
        np.testing.assert_allclose([[*a.values()] for a in theirs], [[*b.values()] for b in ours], atol=apart)


def test_it_is_twenty_lines(exported: tuple[Path, list[exporting.Measured]]) -> None:
    source = (exported[0] / "classify.py").read_text("utf-8")
    code = [line for line in source.splitlines() if line.strip() and not line.startswith(("import ", "from "))]
    assert len(code) - sum('"""' in line for line in code) <= 20
    done = subprocess.run([sys.executable, "classify.py", "good"], capture_output=True, text=True, cwd=exported[0])
    assert re.match(r'\{"negative": 0\.\d+, "neutral": 0\.\d+, "positive": 0\.\d+\} good\n', done.stdout), done.stderr


def test_the_card_says_what_it_costs(exported: tuple[Path, list[exporting.Measured]]) -> None:
    out, (torch_, float_, int8) = exported
    assert (torch_.apart, torch_.recall, float_.recall) == (0, 1, 1)
    assert 0 < float_.apart < exporting.ATOL < int8.apart
    assert int8.megabytes < float_.megabytes == (out / exporting.FLOAT).stat().st_size / 1e6
    card = (out / "README.md").read_text("utf-8")
    assert card.startswith("---\nlibrary_name: onnx\n---\n\n# Mine\n\n## Use\n\n```console\npip install onnxruntime")
    assert card.endswith("\n\n## Limits\n\nsome\n")
    assert "old" not in card
    assert f"| {float_.megabytes:.1f} | {float_.milliseconds:.1f} | {float_.apart:.1e} | 100.0 |" in card
    assert exporting.sentence(exported[1]) in card


def test_no_path_or_source_is_in_it(exported: tuple[Path, list[exporting.Measured]]) -> None:
    for file in exported[0].rglob("*.onnx"):
        assert b"site-packages" not in file.read_bytes()
    left = {path.relative_to(exported[0]).as_posix() for path in exported[0].rglob("*") if path.is_file()}
    cleaning = {f"retone_text/{name}.py" for name in ("__init__", "cleaning", "emoji", "kaomoji")}
    beside = {"README.md", "classify.py", "config.json", "tokenizer.json", exporting.FLOAT, exporting.INT8}
    assert {name for name in left if "__pycache__" not in name} == cleaning | beside


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (0.8, 0.796, "no more than half a point lower"),
        (0.8, 0.79, "take model.onnx"),
        (None, None, "no labelled dev texts"),
    ],
)
def test_what_int8_costs_is_told(before: float | None, after: float | None, says: str) -> None:
    measured = [exporting.Measured("", 1, 1, 0, recall) for recall in (before, before, after)]
    assert says in exporting.sentence(measured)


def test_nothing_is_written_where_answers_differ(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apart = [exporting.Measured("", 1, 1, apart, None) for apart in (0, 2e-4, 0)]
    monkeypatch.setattr(exporting, "_write_float", lambda *_: None)
    monkeypatch.setattr(exporting, "_write_int8", lambda *_: None)
    monkeypatch.setattr(exporting, "_measured", lambda *_: apart)
    with pytest.raises(InputError, match=r"ONNX differs from torch by 2\.0e-04 in a logit"):
        exporting.export(model, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_is_refused_before_any_work(model: Path, toy_model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="something else is there"):
        exporting.export(model, tmp_path)
    with pytest.raises(InputError, match="its classes are not"):
        exporting.export(toy_model, tmp_path / "out")


def test_without_labels_random_pieces_are_asked(model: Path, toy_model: Path) -> None:
    assert [row["label"] for row in exporting.dev_rows(model)] != []
    assert exporting.dev_rows(toy_model) == []
    drawn = exporting._drawn(Predictor(model))
    assert len(drawn) == exporting.ASKED
    assert (min(map(len, drawn)), max(map(len, drawn))) == (3, 128)
