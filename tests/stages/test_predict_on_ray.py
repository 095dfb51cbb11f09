"""A cluster labels the same bytes as this machine, and where it was stopped the same command goes on.

Skipped where Ray is not installed (extra ``ray``).
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.common.files import read_json
from pipeline.machine import cli
from pipeline.machine.workers import in_order
from stages.__main__ import build

pytest.importorskip("ray", reason="Ray is not installed (pip install '.[ray]')")
pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from pipeline.corpora import new_texts
from stages.__main__ import main
new_texts.CHUNK_ROWS = 50
raise SystemExit(main())
"""
ROWS = 6_000


@pytest.fixture
def classifier(toy_model: Path, tmp_path: Path) -> Path:
    from pipeline.models import loading

    folder = tmp_path / "model"
    loading.save(loading.load_classifier(toy_model), loading.load_tokenizer(toy_model), folder, emoji="words")
    return folder


def ours(said: str) -> list[str]:
    """Its lines, without those of Ray's own processes."""
    return [line for line in said.splitlines() if "(raylet" not in line]


def test_a_cluster_labels_the_same_bytes_also_after_a_stop(
    classifier: Path, tmp_path: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["good food", "", "bad", "=1+1", "so 😂", "meh " * 40]
    source = Path("in.csv")
    source.write_text("n,text\n" + "".join(f'{n},"{words[n % 6]} {n}"\n' for n in range(ROWS)), "utf-8")
    monkeypatch.setattr("pipeline.corpora.new_texts.CHUNK_ROWS", 50)
    command = ["predict", "in.csv", "--model", "model", "-o"]
    assert cli.main(build(), [*command, "local.csv"]) == 0
    said = capsys.readouterr().err

    environment = {**os.environ, "RAY_ADDRESS": cluster.address}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    clustered = [sys.executable, "-c", PROGRAM, *command, "cluster.csv", "--engine", "ray:cpus=0.5"]
    process = subprocess.Popen(clustered, stderr=subprocess.PIPE, text=True, env=environment)
    note = Path("cluster.csv.part.json")
    while not note.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 130, told
    rows = read_json(note)["told"]["rows"]
    assert 0 < rows < ROWS
    assert ours(told)[-1] == f"stopped after {rows:,} of {ROWS:,} rows; the same command goes on from there"
    again = subprocess.run(clustered, capture_output=True, text=True, env=environment, check=False)
    assert again.returncode == 0, again.stderr
    assert ours(again.stderr)[0] == f"going on after the {rows:,} rows that an earlier try has labelled"
    assert Path("cluster.csv").read_bytes() == Path("local.csv").read_bytes()
    assert ours(again.stderr)[1:] == said.replace("local", "cluster").splitlines()


def test_what_is_wrong_on_another_machine_is_one_line(
    classifier: Path, tmp_path: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here, where all machines are one, a model that is gone when they look for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    Path("in.txt").write_text("good\n")

    def gone(*given: Any) -> Any:
        classifier.rename(tmp_path / "elsewhere")
        return in_order(*given)

    monkeypatch.setattr("pipeline.machine.workers.in_order", gone)
    assert cli.main(build(), ["predict", "in.txt", "--model", "model", "-o", "out.csv", "--engine", "ray"]) == 2
    assert re.search(rf"^model {classifier}: .*$", capsys.readouterr().err, re.MULTILINE)
    assert not Path("out.csv").exists()
