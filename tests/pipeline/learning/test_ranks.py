"""One training by several processes makes the updates that one makes, and rank 0 alone decides and writes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import torch.distributed as dist
from transformers import TrainerCallback

from pipeline.common.errors import InputError
from pipeline.learning import checkpoints, ranks, ray_ranks, tuning
from pipeline.learning.options import Compute
from pipeline.machine.fingerprint import chosen_settings
from pipeline.machine.workers import engine
from stages import finetune, prepare, pretrain, source, tokenizer
from tests.test_story import write_place
from tests.toy_texts import write_prepared
from tests.toy_training import Crash, run, same

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[3]
QUICK: dict[str, Any] = {"tokens_per_batch": 256, "compute": {"precision": "fp32"}, "regularisation": {"dropout": 0.0}}
PRETRAIN: dict[str, Any] = {
    **QUICK,
    "num_train_epochs": 2,
    "evaluations": 4,
    "dev_windows": 8,
    "freezing": {"layers": 0},
    "distillation": {"cls": 0.5, "states": 1.0},
    "emoji_prediction": {"weight": 0.5},
}
FINETUNE: dict[str, Any] = {
    **QUICK,
    "regularisation": {"dropout": 0.0, "l2_sp": 0.1},
    "freezing": {"layers": 0, "schedule": "gradual", "every_epochs": 1},
    "gradient_accumulation_steps": 2,
    "num_train_epochs": 3,
    "patience": None,
    "batch_size": 7,
    "distillation": {"states": 1.0},
    "replay": {"mlm": 0.5, "states": 0.5, "windows": 8, "windows_per_batch": 2},
}
SIZE = 3
"""Ranks that make the updates of one: of the two windows of a batch one of them has none."""
near = partial(pytest.approx, rel=1e-6, abs=1e-6)
Told = tuple[dict[str, Any], list[dict[str, float]], dict[str, Any]]
"""What a training says of itself, its history, and its weights."""


@pytest.fixture(scope="module")
def start(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("start")
    at = {name: root / name for name in ("prepare", "source", "tokenizer")}
    for folder in at.values():
        folder.mkdir()
    write_prepared(at["prepare"])
    source.source(source.Settings(model=str(toy_model)), prepare=at["prepare"], out=at["source"])
    tokenizer.tokenizer(tokenizer.Settings(), prepare=at["prepare"], source=at["source"], out=at["tokenizer"])
    return at


def trainings(at: dict[str, Path], folder: Path) -> list[Told]:
    """An adaptation and a tuning."""
    settings = pretrain.Settings(**PRETRAIN)
    model, _, story, history = pretrain._adapted(settings, at["prepare"], at["tokenizer"], folder / "adaptation")
    tuned = tuning.tuned(
        finetune.Settings(**FINETUNE),
        at["tokenizer"] / "model",
        at["prepare"],
        0,
        0,
        folder / "cache",
        folder / "tuning",
    )
    return [(story, history, dict(model.state_dict())), (tuned.summary, tuned.history, dict(tuned.model.state_dict()))]


class Killed(TrainerCallback):
    """A signal to one rank before an update."""

    def __init__(self, rank: int, number: signal.Signals, step: int) -> None:
        self.rank, self.number, self.step = rank, number, step

    def on_step_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        if ranks.rank() == self.rank and state.global_step == self.step:
            os.kill(os.getpid(), self.number)


def disturbed(toy_model: Path, folder: Path) -> dict[str, Any]:
    """Runs by ranks with dropout that save all the time, are broken off, taken up again, and taken up when finished."""
    often, never = (Compute(checkpoint_seconds=seconds, precision="fp32") for seconds in (0.01, 1e9))
    model, *told = run(toy_model, folder / "whole", compute=often)
    again, *finished = run(toy_model, folder / "whole", compute=often)
    with pytest.raises(RuntimeError, match="power cut"):
        run(toy_model, folder / "cut", Crash(6), compute=often)
    resumed, *after = run(toy_model, folder / "cut", compute=often)
    with pytest.raises(KeyboardInterrupt):
        run(toy_model, folder / "stopped", Killed(0, signal.SIGTERM, 6), compute=never)
    saved = checkpoints.latest_complete(folder / "stopped")
    continued, *rest = run(toy_model, folder / "stopped", compute=never)
    return {
        "told": told,
        "finished": finished,
        "after": after,
        "rest": rest,
        "same": [same(model, other) for other in (again, resumed, continued)],
        "saved": saved and saved.name,
    }


def poison(model: Any) -> None:
    with torch.no_grad():
        model.bert.encoder.layer[0].output.dense.weight.fill_(float("nan"))


class Together(NamedTuple):
    """What ranks make that are started once, for to start them takes longer than what they do."""

    trainings: list[Told]
    disturbed: dict[str, Any]
    heard: list[int]
    """Signals that reach who was there before the training."""
    folder: Path


def asked(at: dict[str, Path], toy_model: Path, folder: Path) -> tuple[list[Told], dict[str, Any]]:
    """Of each rank; a loss that is not finite ends a run on all of them, and leaves them in step."""
    with pytest.raises(InputError, match="loss is nan at step 1"):
        run(toy_model, folder / "poisoned", touch=poison)
    return trainings(at, folder), disturbed(toy_model, folder)


@pytest.fixture(scope="module")
def shared(start: dict[str, Path], toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Together:
    folder, heard = tmp_path_factory.mktemp("shared"), list[int]()
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        return Together(*ranks.together(SIZE, asked, start, toy_model, folder), heard, folder)
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="module")
def alone(start: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> list[Told]:
    return ranks.together(1, trainings, start, tmp_path_factory.mktemp("alone"))


def alike(alone: list[Told], shared: list[Told]) -> None:
    for (story, history, weights), (other, found, learnt) in zip(alone, shared, strict=True):
        exact = {name: value for name, value in story.items() if not isinstance(value, float)}
        assert {name: other[name] for name in exact} == exact
        assert other == {name: near(value) for name, value in story.items() if name not in exact} | exact
        assert len(history) >= 4
        assert [row.keys() for row in found] == [row.keys() for row in history]
        for row, one in zip(history, found, strict=True):
            assert one == near(row)
        moved = max(float((learnt[name] - weight).abs().max()) for name, weight in weights.items())
        assert moved < 1e-4


def test_so_many_processes_make_the_updates_of_one(alone: list[Told], shared: Together) -> None:
    """The same batches in the same order, each text once; means over rows, hidden tokens, held tokens, whole texts."""
    alike(alone, shared.trainings)


def test_rank_0_decides_when_to_save_and_stop_and_runs_go_on_where_they_were(shared: Together) -> None:
    found = shared.disturbed
    assert shared.heard == [signal.SIGTERM]
    assert found["told"][0].steps == 12
    assert found["saved"] == "checkpoint-7"
    assert json.dumps(found["after"][1]) == json.dumps(found["rest"][1]) == json.dumps(found["told"][1])
    assert found["finished"] == found["after"] == found["rest"] == found["told"]  # no thirteenth update
    assert found["same"] == [True] * 3
    assert ranks.size() == 1
    for folder in ("whole", "cut", "stopped"):
        written = sorted((shared.folder / folder).glob("checkpoint-*"))
        assert written
        assert all(checkpoints.is_complete(each) for each in written)
        assert not list((shared.folder / folder).glob("damaged-*"))


def broken(toy_model: Path, folder: Path, kind: str) -> None:
    """A rank that is killed, or fails."""
    if kind == "killed":
        run(toy_model, folder, Killed(1, signal.SIGKILL, 3))
    elif kind == "failed" and ranks.rank():
        raise ValueError("no such thing here")
    ranks.agreed(None)


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("killed", InputError, "a process of the training was killed"),
        ("failed", RuntimeError, "its traceback is above"),
    ],
)
def test_what_breaks_one_rank_ends_all_in_a_line(
    toy_model: Path, tmp_path: Path, kind: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        ranks.together(2, broken, toy_model, tmp_path, kind)
    assert ranks.size() == 1


def test_so_many_processes_are_another_piece_of_work() -> None:
    """They sum in another order: what one number of them has begun, another does not take up."""
    for settings in (finetune.Settings, pretrain.Settings):
        chosen = [chosen_settings(settings(compute={"processes": size})) for size in (1, 2)]
        assert chosen == [{}, {"compute": {"processes": 2}}]


@pytest.mark.parametrize(
    "asked", [{"contrast": {"weight": 1}}, {"regularisation": {"mixout": 0.5}}, {"domain_adversary": {"weight": 1}}]
)
def test_what_is_of_whole_batches_is_refused(asked: dict[str, Any]) -> None:
    said = "it is of whole batches, and 2 processes read a part each; set it to 0, or finetune.compute.processes to 1"
    own = finetune.Settings(**asked, compute={"processes": 2})
    with pytest.raises(InputError, match=said):
        finetune.check({"finetune": own, "prepare": prepare.Settings(), "source": source.Settings()})


def test_a_head_is_restored_by_one_process() -> None:
    with pytest.raises(InputError, match=r"source.compute.processes: .* leave it at 1"):
        source.check({"source": source.Settings(compute={"processes": 2})})


def test_another_number_than_torchrun_has_begun_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    with pytest.raises(InputError, match=r"compute.processes: 3 are asked for, and torchrun has begun 2"):
        ranks.together(3, trainings)


def test_torchrun_has_one_process_run_the_story_and_the_others_train(toy_model: Path, tmp_path: Path) -> None:
    place = write_place(tmp_path, toy_model)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "stages"]
    command = [*launcher, "run", "finetune", "--recipe", "recipe.yaml", "--arm", "full"]
    command += ["--set", "prepare.folds=1 finetune.compute.processes=2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" done in ") == 5  # each stage made, and told of, once
    (history,) = (place / "artifacts" / "finetune").glob("*/history.jsonl")
    rows = [json.loads(line) for line in history.read_text().splitlines()]
    assert [row["step"] for row in rows] == [9, 18]  # as many as one process makes: 135 texts in batches of 16


def test_a_process_of_torchrun_ends_without_threads_that_would_abort_it() -> None:
    """A module that Trainer imports keeps the group in its defaults, unless it was there before the group."""
    code = """
import pathlib
from pipeline.learning import ranks

def command() -> int:
    import torch.distributed.nn.functional
    import transformers.trainer
    return 0

assert ranks.launched(command) == 0
print(*(place.read_text().strip() for place in pathlib.Path("/proc/self/task").glob("*/comm")))
"""
    told = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    environment = os.environ | told | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "python" in done.stdout
    assert "gloo" not in done.stdout


def test_a_rank_elsewhere_has_its_environment_before_it_imports_what_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch reads it as it is loaded, once."""
    code = """
import os, pathlib
seen = os.environ["TOLD"]
def work(*given): pathlib.Path("said").write_text(f"{seen} {given}")
"""
    (tmp_path / "loaded.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(Path.cwd())
    monkeypatch.setenv("TOLD", "before")
    ray_ranks._elsewhere(str(tmp_path), {"TOLD": "here"}, b"cloaded\nwork\n.", 1, 2)
    assert (tmp_path / "said").read_text() == "here (1, 2)"


def by_ray(cluster: Any, monkeypatch: pytest.MonkeyPatch, size: int, work: Any, *given: Any) -> Any:
    """What so many ranks give back of which the first is a task of a cluster, and takes a processor."""
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    with engine("ray", 1) as workers:
        workers.begin(_together, [(size, work, *given)])
        ((_, found),) = workers.finished()
    return found


def _together(given: Any) -> Any:
    ray_ranks.ROOM_SECONDS = 5.0
    return ranks.together(*given)


def by_machine(start: dict[str, Path], folder: Path) -> tuple[list[Told], list[str]]:
    """What trainings tell, and on which machine each rank is."""
    import ray

    machines: list[Any] = [None] * ranks.size()
    dist.all_gather_object(machines, ray.get_runtime_context().get_node_id())
    return trainings(start, folder), machines


with_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (pip install '.[ray]')")


@with_ray
@pytest.mark.timeout(900)
def test_ranks_of_a_ray_cluster_are_placed_where_there_is_room(
    start: dict[str, Path], alone: list[Told], tmp_path: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, machines = by_ray(cluster, monkeypatch, 2, by_machine, start, tmp_path)
    alike(alone, found)
    assert len(set(machines)) == 2
    with pytest.raises(InputError, match=r"compute.processes: 2 more with 1 CPU each found no room in the cluster"):
        by_ray(cluster, monkeypatch, 3, print)


@with_ray
@pytest.mark.timeout(900)
def test_a_rank_of_a_ray_cluster_that_dies_ends_all_in_a_line(
    toy_model: Path, tmp_path: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="a process of the training was killed"):
        by_ray(cluster, monkeypatch, 2, broken, toy_model, tmp_path, "killed")
