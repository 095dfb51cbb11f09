"""The same study by a Ray cluster as by this machine; whoever dies there costs the trial at most.

Skipped where Ray is not installed (extra ``ray``).
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna", reason="the extra `search` is not installed")
pytest.importorskip("ray", reason="Ray is not installed (pip install '.[ray]')")

from pipeline.machine.workers import engine
from pipeline.search.results import Found
from pipeline.search.trials import Dev
from tests.pipeline.search import toy

pytestmark = pytest.mark.timeout(900)
RANDOM = toy.RECIPE.replace("search: {", "search: {sampler: random, ")


@pytest.fixture(autouse=True)
def _there(monkeypatch: pytest.MonkeyPatch, cluster: Any) -> None:
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)


def whole(found: Found) -> dict[str, Any]:
    """All of it but what it took, and who was first to make what trials share; by number."""
    trials = [{**each, "outcome": {**each["outcome"], "seconds": 0, "made": []}} for each in found["trials"]]
    reference = {**found["reference"], "outcome": {**found["reference"]["outcome"], "seconds": 0, "made": []}}
    return {**found, "trials": sorted(trials, key=lambda each: each["number"] or 0), "reference": reference}


def fatal(folder: Path) -> Dev:
    """Figures as ever, but whoever asks for those of a high rate is killed: a machine without the memory."""
    if toy.figures(folder)[1]["value"] != 1.0:
        os.kill(os.getpid(), signal.SIGKILL)
    return toy.figures(folder)


def fatal_once(folder: Path) -> Dev:
    """Whoever is the first to ask is killed."""
    died = folder.parents[2] / folder.name
    if not died.exists() and toy.figures(folder)[1]["value"] != 1.0:
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return toy.figures(folder)


def test_a_random_sampler_makes_the_same_study_on_a_cluster_two_at_a_time(tmp_path: Path) -> None:
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
    here = toy.search(tmp_path / "here", 8, text=RANDOM)
    assert whole(toy.search(tmp_path / "there", 8, text=RANDOM, workers=engine("ray"))) == whole(here)
    best = [(tmp_path / place / "store/search/toy/best.yaml").read_text() for place in ("here", "there")]
    assert best[0] == best[1].replace("there/source.txt", "here/source.txt")


def test_a_worker_that_dies_costs_time_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
    here = toy.search(tmp_path / "here", 6, text=RANDOM)
    assert whole(toy.search(tmp_path / "there", 6, text=RANDOM, workers=engine("ray"), figures=fatal_once)) == whole(
        here
    )
    assert "a worker died (WorkerCrashedError); its task is begun again" in caplog.text


def test_one_at_a_time_so_does_the_sampler_that_learns(tmp_path: Path) -> None:
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
    here = toy.search(tmp_path / "here", 12)
    assert whole(toy.search(tmp_path / "there", 12, workers=engine("ray", 1))) == whole(here)


def test_a_trial_that_kills_its_workers_is_lost_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.machine.workers.ray_tasks.TRIES", 1)
    monkeypatch.setattr("pipeline.search.run.FAILURES", 9)
    found = toy.search(tmp_path, 6, text=RANDOM, workers=engine("ray"), figures=fatal)
    high = {each["number"] for each in found["trials"] if each["values"]["grow.learning_rate"] > 0.1}
    problems = {each["number"]: each["outcome"]["problem"] for each in found["trials"]}
    assert 0 < len(high) < len(problems) == 6
    assert {number for number, problem in problems.items() if problem} == high
    assert all("the workers of a task died 1 times" in problems[number] for number in high)


def test_when_the_minutes_are_over_what_runs_there_saves_and_stops(tmp_path: Path) -> None:
    text = RANDOM.replace("{grow.learning_rate", "{grow.pause: [0.2, 0.3], grow.learning_rate")
    text, began = text.replace("steps: 2", "steps: 900"), time.monotonic()
    assert toy.search(tmp_path, None, 1, text=text, workers=engine("ray"))["trials"] == []
    assert time.monotonic() - began < 100
    assert len(list((tmp_path / "store" / "grow").glob("*.partial/checkpoint.txt"))) == 2
