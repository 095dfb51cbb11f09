"""Trackers: off unless asked for, no part of any result, told what the history has and the final figures."""

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from pipeline.common import extras
from pipeline.learning import trackers
from pipeline.machine import cli
from pipeline.machine.fingerprint import result_settings
from stages import evaluate, finetune
from stages.__main__ import build
from tests.toy_training import SCHEDULE, run, same


def test_they_change_no_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: name)
    every = ["tensorboard", "trackio", "wandb", "mlflow"]
    asked = finetune.Settings.model_validate({"compute": {"report_to": every}})
    assert asked.compute.report_to == tuple(every)
    assert result_settings(asked) == result_settings(finetune.Settings())
    assert result_settings(evaluate.Settings(report_to=("wandb",))) == result_settings(evaluate.Settings())


def test_one_that_is_not_installed_is_refused_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    line = ["run", "--dry-run", "--store", str(tmp_path), "--set", "finetune.compute.report_to=[wandb]"]
    assert cli.main(build(), line) == 2
    assert "wandb: needs wandb; pip install '.[wandb]', or leave it out" in capsys.readouterr().err
    assert trackers.callbacks([]) == []


def test_tensorboard_has_the_history_and_the_final_figures(
    toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard", reason="an extra: pip install '.[tensorboard]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def scalars(name: str) -> dict[str, list[Any]]:
        (folder,) = tmp_path.glob(f"logs/{name} *")
        found = EventAccumulator(str(folder)).Reload()
        return {
            tag: [(one.step, pytest.approx(one.value)) for one in found.Scalars(tag)] for tag in found.Tags()["scalars"]
        }

    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "logs"))
    monkeypatch.setattr(multiprocessing.current_process(), "name", "pretrain full#0")
    plain, *outcome = run(toy_model, tmp_path / "plain")
    assert not (tmp_path / "logs").exists()
    compute = SCHEDULE.compute.model_copy(update={"report_to": ("tensorboard",)})
    followed, *told = run(toy_model, tmp_path / "followed", compute=compute)
    assert (same(plain, followed), told) == (True, outcome)
    rows = [(row["step"], row["general_dev_loss"]) for row in outcome[1] if "general_dev_loss" in row]
    assert scalars("pretrain full#0")["eval/general_dev_loss"] == rows
    monkeypatch.setattr(multiprocessing.current_process(), "name", "evaluate full#0")
    trackers.tell(["tensorboard"], {"macro_recall/shop": 0.75, "masked_kept/wiki": 0.97})
    assert scalars("evaluate full#0") == {"test/macro_recall/shop": [(0, 0.75)], "test/masked_kept/wiki": [(0, 0.97)]}


def test_what_trackers_are_told_of_an_arm() -> None:
    value = {"value": 0.5}
    scores = {"macro_recall": {"value": 0.7}, "accuracy": value, "macro_f1": {"value": None}}
    corpora = {
        "shop": {"model": scores, "slices": {"emoji": None}},
        "other": {"model": scores, "slices": {"emoji": scores}},
    }
    kept = {"scores": {"base_to_tuned": {"masked": {"wiki": {"value": 0.97}}}}}
    assert evaluate._final(corpora, kept) == {
        "macro_recall/shop": 0.7,
        "accuracy/shop": 0.5,
        "macro_recall/other": 0.7,
        "accuracy/other": 0.5,
        "emoji_macro_recall/other": 0.7,
        "masked_kept/wiki": 0.97,
    }
