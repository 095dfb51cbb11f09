"""A run on a Ray cluster ends in the same bytes as one on this machine, also when a machine of it dies.

Skipped where Ray is not installed (extra ``ray``).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.common.errors import InputError
from pipeline.common.files import read_json
from pipeline.machine.plan import Plan
from pipeline.machine.recipe import load_recipe, parse_changes
from pipeline.machine.runner import StageFailedError, walk
from pipeline.machine.store import Store
from pipeline.machine.workers import Workers, engine, in_order
from tests.pipeline.machine.test_workers import do, vanish
from tests.pipeline.toy_story import STORY, write_recipe

pytest.importorskip("ray", reason="Ray is not installed (pip install '.[ray]')")
pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[3]
PROGRAM = """
from pipeline.machine import cli
from tests.pipeline.toy_story import STORY
raise SystemExit(cli.main(cli.build(STORY)))
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    write_recipe(tmp_path)


def run(store: str, workers: Workers | None, *changes: str) -> dict[str, str]:
    """Digest of each artifact by stage and run."""
    plan = Plan(STORY, load_recipe("toy.yaml", STORY, parse_changes(changes)), Store(Path(store)))
    steps = [step for step in walk(plan, workers=workers) if step.folder]
    return {f"{step.stage.name} {step.run}": read_json(step.folder / "manifest.json")["digest"] for step in steps}


def test_it_makes_the_same_bytes_as_this_machine() -> None:
    assert run("cluster", engine("ray:cpus=0.5")) == run("local", None)


def test_errors_arrive_as_they_do_locally() -> None:
    for changes in ("grow.fails=error", "grow.fails=memory"):
        found = []
        for store, workers in (("cluster", engine("ray", 1)), ("local", None)):
            with pytest.raises((InputError, StageFailedError)) as raised:
                run(store, workers, changes)
            found.append((type(raised.value), str(raised.value).replace(store, "STORE")))
        assert found[0] == found[1]


def test_a_machine_that_dies_costs_its_task_alone_which_goes_on_from_its_checkpoint(
    cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    expected = run("local", None, "grow.steps=40")
    fewest: list[int] = []

    def disturb() -> None:
        """Once three steps are saved, take away the machine that has them, and watch that none is lost."""

        def saved() -> int:
            try:
                return len(next(Path("cluster").glob("grow/*.partial/checkpoint.txt")).read_text().splitlines())
            except (StopIteration, OSError):
                return -1

        while saved() < 3:
            time.sleep(0.02)
        before = saved()
        working = [node for node in cluster.worker_nodes if _works(node)]
        cluster.remove_node(working[0], allow_graceful=False)
        while (now := saved()) >= 0:
            fewest.append(now - before)
            time.sleep(0.02)

    watching = threading.Thread(target=disturb, daemon=True)
    watching.start()
    assert run("cluster", engine("ray", 1), "grow.steps=40", "grow.pause=0.1") == expected
    watching.join(30)
    assert fewest
    assert min(fewest) >= 0
    assert "its task is begun again, from its last checkpoint" in caplog.text


def _works(node: Any) -> bool:
    import ray

    (found,) = (each for each in ray.nodes() if each["NodeID"] == node.node_id)
    return "CPU" not in ray._private.state.available_resources_per_node().get(found["NodeID"], {})


def test_a_task_that_kills_whoever_does_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.machine.workers.ray_tasks.TRIES", 2)
    with pytest.raises(InputError, match=r"died 2 times \(WorkerCrashedError\)"), engine("ray", 1) as workers:
        do(workers, vanish, [1])


def vanish_once(place: str) -> tuple[int, int]:
    """Which process this is, and how often it has been asked; the first one dies of its second task."""
    asked.append(place)
    if len(asked) == 2 and not Path(place).exists():
        Path(place).touch()
        vanish(0)
    return os.getpid(), len(asked)


asked: list[str] = []


def test_what_lasts_goes_from_task_to_task_and_another_takes_over_where_it_dies(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with engine("ray", 1, lasting=True) as workers:
        found = list(in_order(workers, vanish_once, [str(tmp_path / "dead")] * 4))
    assert [number for _, number in found] == [1, 1, 2, 3]
    assert len({process for process, _ in found}) == 2
    assert "a worker died (ActorDiedError); its task is begun again" in caplog.text


def test_what_no_machine_has_is_refused() -> None:
    with pytest.raises(InputError, match=r"no machine of the cluster has 1 CPU, 1 GPU"), engine("ray:gpus=1"):
        pass


def test_a_stop_saves_and_stops_all(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, "run", "--recipe", "toy.yaml", "--engine", "ray:cpus=0.5"]
    slow = ["--set", "grow.steps=300", "--set", "grow.pause=0.1"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen([*command, *slow], stderr=subprocess.PIPE, text=True, env=environment)

    def saved() -> list[int]:
        return [len(path.read_text().splitlines()) for path in tmp_path.glob("artifacts/grow/*.partial/checkpoint.txt")]

    while len(saved()) < 2 and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 130, told
    assert told.splitlines()[-1] == "stopped in grow; the same command continues from there"
    before = saved()
    assert len(before) == 2
    time.sleep(0.5)
    assert saved() == before
