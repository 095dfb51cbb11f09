"""Checkpoints that are damaged, hostile or elsewhere: set aside, refused, found; and the run ends as undisturbed."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path

import pytest

from pipeline.learning import checkpoints
from pipeline.learning.options import Compute
from tests.toy_training import Crash, run, same


@pytest.fixture(scope="module")
def undisturbed(toy_model: Path, tmp_path_factory: pytest.TempPathFactory):
    return run(toy_model, tmp_path_factory.mktemp("undisturbed"))


def cut_short(toy_model: Path, folder: Path, step: int = 9) -> Path:
    """A run that ended in a power cut; its newest checkpoint."""
    with pytest.raises(RuntimeError, match="power cut"):
        run(toy_model, folder, Crash(step))
    return folder / f"checkpoint-{step}"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


class Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


DAMAGE = {
    "a bit of the weights flipped": lambda newest: flip(newest / "model.safetensors"),
    "killed before the state was written": lambda newest: (newest / "trainer_state.json").unlink(),
    "killed while the optimizer was written": lambda newest: (newest / "optimizer.pt").write_bytes(b"PK"),
    "no optimizer": lambda newest: (newest / "optimizer.pt").unlink(),
    "no scheduler": lambda newest: (newest / "scheduler.pt").unlink(),
    "no random state": lambda newest: (newest / "rng_state.pth").unlink(),
    "never marked": lambda newest: (newest / checkpoints.MARK).unlink(),
    "a pickle put in its place": lambda newest: (newest / "optimizer.pt").write_bytes(
        pickle.dumps(Payload(newest.parent / "ran"))
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_not_as_it_was_written_is_set_aside(
    toy_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    newest = cut_short(toy_model, tmp_path, 2)
    assert checkpoints.latest_complete(tmp_path) == newest
    DAMAGE[damage](newest)
    with caplog.at_level(logging.WARNING):
        assert checkpoints.latest_complete(tmp_path) == tmp_path / "checkpoint-1"
    assert "checkpoint-2" in caplog.text
    assert "set aside as damaged-checkpoint-2, going on from an older one" in caplog.text
    assert (tmp_path / "damaged-checkpoint-2").is_dir()
    assert not (tmp_path / "ran").exists()


def test_the_same_step_may_fail_again_and_again(toy_model: Path, tmp_path: Path) -> None:
    """As on a disk that is full: each try leaves half a checkpoint of the same step."""
    for content in ("one", "two"):
        (tmp_path / "checkpoint-1").mkdir()
        (tmp_path / "checkpoint-1" / "config.json").write_text(content)
        assert checkpoints.latest_complete(tmp_path) is None
    assert (tmp_path / "damaged-checkpoint-1" / "config.json").read_text() == "two"


def test_from_an_older_one_it_ends_as_if_nothing_had_been(toy_model: Path, tmp_path: Path, undisturbed) -> None:
    flip(cut_short(toy_model, tmp_path) / "model.safetensors")
    model, outcome, history = run(toy_model, tmp_path)
    assert same(model, undisturbed[0])
    assert (outcome, history) == undisturbed[1:]


def test_a_checkpoint_counts_only_together_with_the_best_one(toy_model: Path, tmp_path: Path) -> None:
    """Trainer would end with the best one's weights unread, or silently go without."""
    newest = cut_short(toy_model, tmp_path)
    best = tmp_path / "checkpoint-8"
    assert checkpoints.latest_complete(tmp_path) == newest
    flip(best / "model.safetensors")
    assert checkpoints.latest_complete(tmp_path) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged-checkpoint-8", "damaged-checkpoint-9"]


def test_a_folder_that_moved_still_knows_its_best(toy_model: Path, tmp_path: Path) -> None:
    undisturbed = run(toy_model, tmp_path / "undisturbed", losses=[2.0, 1.0, 3.0])
    with pytest.raises(RuntimeError, match="power cut"):
        run(toy_model, tmp_path / "here", Crash(10), losses=[2.0, 1.0])
    (tmp_path / "here").rename(tmp_path / "there")
    model, outcome, _ = run(
        toy_model, tmp_path / "there", losses=[3.0], compute=Compute(checkpoint_seconds=1e9, precision="fp32")
    )
    assert outcome == undisturbed[1]
    assert outcome.best_step == 8
    assert same(model, undisturbed[0])


def test_a_pickle_that_passes_for_a_checkpoint_runs_nothing(toy_model: Path, tmp_path: Path) -> None:
    newest = cut_short(toy_model, tmp_path, 2)
    (newest / "optimizer.pt").write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    checkpoints.mark_complete(newest)
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        run(toy_model, tmp_path)
    assert not (tmp_path / "ran").exists()
