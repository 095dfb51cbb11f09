"""What follows a run in a tracker of the user's: transformers' own callbacks, offline unless the user says otherwise.

Logs lie where the user stands: of tensorboard in ``TENSORBOARD_LOGGING_DIR`` or ``artifacts/tensorboard``, of the
others where they put them by themselves.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations import get_reporting_integration_callbacks

PROJECT = "retone"
USUAL = {"WANDB_MODE": "offline", "WANDB_PROJECT": PROJECT, "MLFLOW_EXPERIMENT_NAME": PROJECT}
"""What trackers read from the environment, unless the user has said it."""


def run_name() -> str:
    """What is being made: a stage, with its arm and seed."""
    return multiprocessing.current_process().name


def callbacks(trackers: Sequence[str]) -> list[TrainerCallback]:
    """A callback for each tracker, which are installed (``options.Tracker``)."""
    for name, value in USUAL.items() if trackers else ():
        os.environ.setdefault(name, value)
    made = [kind() for kind in get_reporting_integration_callbacks(list(trackers))]
    for tracker, callback in zip(trackers, made, strict=True):
        if tracker == "tensorboard":
            folder = Path(os.environ.get("TENSORBOARD_LOGGING_DIR", "artifacts/tensorboard"))
            callback.logging_dir = str(folder / f"{run_name()} {datetime.now():%Y%m%d-%H%M%S}")
    return made


def tell(trackers: Sequence[str], figures: Mapping[str, float]) -> None:
    """Let trackers have the final figures of an arm, by name, as a run of their own."""
    if not trackers:
        return
    state, control = TrainerState(), TrainerControl()
    with TemporaryDirectory() as folder:
        how: Any = TrainingArguments(folder, report_to="none", run_name=run_name(), project=PROJECT, use_cpu=True)
        for callback in callbacks(trackers):
            callback.on_train_begin(how, state, control, model=None)
            callback.on_log(how, state, control, logs={f"test_{name}": value for name, value in figures.items()})
            callback.on_train_end(how, state, control, model=None)
