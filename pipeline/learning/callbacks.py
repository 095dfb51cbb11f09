"""What happens beside the training loop: whole checkpoints, signals, a history that repeats, rows at their own rate."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import ProgressCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ExportableState

from pipeline.common.errors import InputError
from pipeline.learning import ranks
from pipeline.learning.checkpoints import mark_complete


class RowRates(TrainerCallback):
    """Let some rows of one matrix learn at ``factor`` times its rate.

    Rows of a parameter cannot be in a group of their own. AdamW's update is proportional to the rate, decay included,
    so stretching each update of those rows by ``factor`` is the same thing.
    """

    def __init__(self, embeddings: nn.Embedding, first_row: int, factor: float) -> None:
        self.embeddings, self.first_row, self.factor = embeddings, first_row, factor

    def _rows(self) -> torch.Tensor:
        return self.embeddings.weight.data[self.first_row :]  # asked anew: Trainer may move it to another device

    def on_pre_optimizer_step(self, *_: Any, **__: Any) -> None:
        """Remember the rows as they are."""
        self.before = self._rows().clone()

    def on_optimizer_step(self, *_: Any, **__: Any) -> None:
        """Stretch what the step did to them."""
        self._rows().copy_(self.before + self.factor * (self._rows() - self.before))


class Draws(TrainerCallback):
    """Has each of several ranks draw its own dropout: a function of seed, rank and update, whenever it was begun."""

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, _control: Any, **_: Any) -> None:
        """Begin the draws of an update."""
        if ranks.size() > 1:
            drawn = np.random.SeedSequence([args.seed, ranks.rank(), state.global_step]).generate_state(2)
            torch.manual_seed(int(drawn[0]) << 31 | int(drawn[1]))


class Guard(TrainerCallback):
    """Saves every so many seconds and on a signal; marks whole checkpoints; knows the best one wherever it lies.

    Of several ranks the first has the clock, hears the signals and writes; each would decide otherwise.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.saved, self.signal = seconds, time.monotonic(), 0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, _control: TrainerControl, **_: Any) -> None:
        """Find the best checkpoint of a resumed run where it lies now."""
        if state.best_global_step:  # resumed; the folder may have moved, and Trainer drops a best it does not find
            best = str(Path(args.output_dir) / f"checkpoint-{state.best_global_step}")
            state.best_model_checkpoint = best if ranks.rank() == 0 else None

    def on_step_end(self, _args: Any, _state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Ask for a checkpoint when it is time, or when a signal came; after a signal, for the end."""
        self.signal, late = ranks.agreed((self.signal, time.monotonic() - self.saved > self.seconds))
        if self.signal:
            control.should_training_stop = True
        if self.signal or late:
            control.should_save = True

    def on_save(self, args: TrainingArguments, state: TrainerState, _control: TrainerControl, **_: Any) -> None:
        """Mark the checkpoint whole, now that all its files are written."""
        if ranks.rank() == 0:
            mark_complete(Path(args.output_dir) / f"checkpoint-{state.global_step}")
        self.saved = ranks.agreed(time.monotonic())  # nobody goes on before it is written

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While training, SIGTERM and Ctrl-C first ask for a checkpoint; after it they do what they always did.

        In another thread than the main one no signal arrives, and none can be listened for.

        A second SIGTERM changes nothing, because ``timeout make`` sends it through its group and make once more; a
        Ctrl-C after a signal is a person who does not want to wait.
        """

        def note(number: int, _frame: Any) -> None:
            if self.signal and number == signal.SIGINT:
                signal.signal(number, earlier[signal.SIGINT])
                os.kill(os.getpid(), number)
            self.signal = self.signal or number

        main = threading.current_thread() is threading.main_thread()
        heard = (signal.SIGTERM, signal.SIGINT) if ranks.rank() == 0 and main else ()
        earlier = {number: signal.getsignal(number) for number in heard}
        for number in earlier:
            signal.signal(number, note)
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)
        if self.signal:
            if heard:
                os.kill(os.getpid(), self.signal)
            raise KeyboardInterrupt


class History(TrainerCallback, ExportableState):
    """Losses by step, without clock times; saved with each checkpoint, so a resumed run writes the same bytes.

    Training stops at a loss that is not finite: of weights that are NaN, Trainer would report a loss of 0.0. On a GPU
    that is seen before anything is logged, evaluated or saved, not in each step, which would have to wait for it. To be
    listed after whatever asks for a checkpoint.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.pending: list[float] = []
        """Losses of the batches since the last row."""
        self.arrived: list[Tensor] = []
        """Those of them that nobody has looked at, on their device."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"args": {}, "attributes": {"pairs": self.pairs, "pending": self.pending}}

    @property
    def pairs(self) -> list[list[tuple[str, float]]]:
        """The rows as a checkpoint keeps them: it sorts keys, and history.jsonl has them as they came."""
        return [list(row.items()) for row in self.rows]

    @pairs.setter
    def pairs(self, kept: list[list[tuple[str, float]]]) -> None:
        self.rows = [dict(row) for row in kept]

    def row(self, step: int) -> dict[str, float]:
        """The row of a step, made when it is first asked for."""
        if not self.rows or self.rows[-1]["step"] != step:
            self.rows.append({"step": step})
        return self.rows[-1]

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Look at the losses that came in.

        Raises:
            InputError: one is not finite.
        """
        on_gpu = self.arrived[-1].device.type != "cpu"
        if on_gpu and not (control.should_log or control.should_evaluate or control.should_save):
            return
        batches = args.gradient_accumulation_steps
        for place, loss in enumerate(map(float, self.arrived)):
            if not math.isfinite(loss):
                step = state.global_step - (len(self.arrived) - 1 - place) // batches
                raise InputError(
                    f"training: the loss is {loss} at step {step}; lower learning_rate, or raise warmup_ratio"
                )
            self.pending.append(loss * batches)
        self.arrived = []

    def on_log(self, _args: Any, state: TrainerState, _control: Any, logs: dict[str, float], **_: Any) -> None:
        """Keep what is a figure: the mean loss since the last row, the rate, the evaluations."""
        if "loss" in logs and self.pending:
            self.row(state.global_step)["train_loss"] = sum(self.pending) / len(self.pending)
            self.row(state.global_step)["learning_rate"] = logs["learning_rate"]
            self.pending = []
        figures = {key.removeprefix("eval_"): value for key, value in logs.items() if key.startswith("eval_")}
        if figures:
            self.row(state.global_step).update(figures)


class Watch(TrainerCallback):
    """Tells an observer of each update, with its row once all that belongs to it has been logged."""

    def __init__(self, observer: Callable[[int, Mapping[str, float]], None], rows: Callable[[], list[Any]]) -> None:
        self.observer, self.rows, self.step = observer, rows, 0

    def _tell(self) -> None:
        if self.step:
            last = self.rows()[-1:]
            self.observer(self.step, last[0] if last and last[0]["step"] == self.step else {})

    def on_step_end(self, _args: Any, state: TrainerState, _control: Any, **_: Any) -> None:
        """The update before is done with."""
        self._tell()
        self.step = state.global_step

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """And so is the last one."""
        self._tell()


class Bar(ProgressCallback):
    """Trainer's bar with the time left and the name of what is made, without its printing of every logged row."""

    def on_train_begin(self, *args: Any, **rest: Any) -> None:
        """Say whose bar it is: of arms side by side each has one."""
        super().on_train_begin(*args, **rest)
        if self.training_bar is not None:
            self.training_bar.set_description(multiprocessing.current_process().name)

    def on_log(self, *_: Any, **__: Any) -> None:
        """Say nothing: the history is written at the end."""
