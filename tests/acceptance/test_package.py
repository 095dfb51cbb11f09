"""The wheel, built as ``pip wheel .`` does, in an environment of its own: the command, and every verb's help."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from tests.acceptance.test_real_text import ROOT

pytestmark = pytest.mark.acceptance


def run(*line: object, cwd: Path) -> str:
    alone = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run([*map(str, line)], cwd=cwd, env=alone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_works_where_the_wheel_is_installed(tmp_path: Path) -> None:
    wheel = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "-w", tmp_path]
    run(*wheel, cwd=ROOT)
    (file,) = tmp_path.glob("retone-*.whl")
    assert file.stat().st_size < 20_000_000
    assert any(name.endswith("data_cards/starter-reviews/reviews.csv") for name in zipfile.ZipFile(file).namelist())
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    (site,) = (tmp_path / "venv").glob("lib/*/site-packages")
    run(sys.executable, "-m", "pip", f"--python={tmp_path}/venv", "install", "--no-deps", "--no-index", file, cwd=ROOT)
    (site / "libraries.pth").write_text(f"{Path(torch.__file__).parents[1]}\n")  # what Retone needs, not Retone itself
    retone, home = tmp_path / "venv" / "bin" / "retone", tmp_path / "home"
    home.mkdir()
    verbs = [line.split()[0] for line in run(retone, "--help", cwd=home).partition("Commands:")[2].splitlines() if line]
    assert {"run", "status", "show", "cards", "new-card", "predict", "compare", "rank"} <= set(verbs)
    for verb in verbs:
        assert f"Usage: retone {verb}" in run(retone, verb, "--help", cwd=home)
    assert "4 cards, all in order" in run(retone, "cards", cwd=home)
    run(retone, "run", "source", cwd=home)
    assert list(home.glob("artifacts/source/*/model/model.safetensors"))
    where = "import pipeline; print(pipeline.Predictor, pipeline.__file__)"
    assert str(site) in run(tmp_path / "venv" / "bin" / "python", "-c", where, cwd=home)
