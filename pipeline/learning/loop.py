"""One training run through Trainer: a fixed plan of batches, exact resume, early stopping, and no silent failure."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    EarlyStoppingCallback,
    PreTrainedModel,
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainingArguments,
    set_seed,
)
from transformers.utils import logging as transformers_logging

from pipeline.learning import ranks, trackers
from pipeline.learning.callbacks import Bar, Draws, Guard, History, Watch
from pipeline.learning.checkpoints import latest_complete
from pipeline.learning.options import Compute, Training
from pipeline.learning.shards import sharded, share
from pipeline.models.batches import BatchPlan, only_item
from pipeline.models.memory import GiveBack, bound_kernel_cache

Batch = dict[str, Any]
"""What a model is given of some texts; and under ``extra`` what only objectives read."""
Objective = Callable[[Any, Batch], torch.Tensor]
"""Of a model and a batch: a scalar to minimise, the mean over the batch, or this rank's part of it (``shards``)."""
Term = Callable[[Any, Batch], torch.Tensor]
"""The same of a model's outputs: terms of one objective share a forward pass."""
Penalty = Callable[[nn.Module, int], torch.Tensor]
"""Of a model's weights and how many updates they have had: a scalar to add to each batch's loss, such as L2-SP."""


def own_loss(outputs: Any, batch: Batch) -> torch.Tensor:
    """What the model itself makes of its labels."""
    return outputs.loss * share(batch, "labels")


def summed(loss: Term = own_loss, terms: Sequence[tuple[float, Term]] = ()) -> Objective:
    """``loss``, and each term by its weight, of one forward pass."""

    def objective(model: Any, batch: Batch) -> torch.Tensor:
        outputs = model(**{name: part for name, part in batch.items() if name != "extra"})
        return loss(outputs, batch) + sum(weight * term(outputs, batch) for weight, term in terms)

    return objective


Groups = list[dict[str, Any]]
"""Parameters with their rate and decay, as torch's optimizers take them."""
Observer = Callable[[int, Mapping[str, float]], None]
"""Is told of each update: its number, and the row it left in the history; empty if none."""


def adamw(groups: Groups) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019), all weights of a group in one kernel."""
    return torch.optim.AdamW(groups, fused=True)


@dataclass(frozen=True)
class Schedule:
    """How long, how often and how carefully to train. Steps are optimizer updates."""

    steps: int
    eval_steps: int
    warmup_ratio: float
    patience: int | None
    """Evaluations without improvement before it stops early; None trains to the end. Either way the best is kept."""
    metric: str
    """Name of the evaluation figure that decides, as ``evaluate`` returns it."""
    greater_is_better: bool
    seed: int
    gradient_accumulation_steps: int = 1
    max_grad_norm: float = 1.0
    lr_scheduler_type: str = "linear"
    compute: Compute = Compute()  # noqa: RUF009  immutable

    @classmethod
    def of(cls, options: Training, **rest: Any) -> Schedule:
        """What a stage's settings say, and the rest."""
        return cls(
            warmup_ratio=options.warmup_ratio,
            patience=options.patience,
            gradient_accumulation_steps=options.gradient_accumulation_steps,
            compute=options.compute,
            **rest,
        )


@dataclass(frozen=True)
class Outcome:
    """What a finished run reports: updates made, why it stopped, the best evaluation and its step."""

    steps: int
    stopped: str
    best_step: int
    best: float


def bf16_is_native(device: str) -> bool:
    """Whether bfloat16 products run in hardware: on GPUs since Ampere, on CPUs with AMX or AVX-512's bf16."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def use_bf16(precision: str) -> bool:
    """Resolve ``auto | fp32 | bf16`` for this machine (autocast; weights and optimizer stay float32)."""
    if precision == "auto":
        return bf16_is_native("cuda" if torch.cuda.is_available() else "cpu")
    return precision == "bf16"


class _Trainer(Trainer):
    """Trainer with our optimizer groups and an evaluation that is one function."""

    optimizer: Any
    control: TrainerControl
    loss_is_scaled_for_ga = False

    def __init__(
        self,
        *,
        groups: Groups,
        figures: Callable[[nn.Module], dict[str, float]],
        factory: Callable[[Groups], torch.optim.Optimizer],
        objective: Objective,
        penalty: Penalty | None,
        **rest: Any,
    ) -> None:
        super().__init__(**rest)
        self.groups, self.figures, self.factory = groups, figures, factory
        self.objective, self.penalty = objective, penalty
        self.model_accepts_loss_kwargs = False  # compute_loss takes none, so labels need not be counted beforehand

    @property
    def history(self) -> History:
        """The one in use: resuming replaces callbacks by copies with the checkpoint's state."""
        return next(callback for callback in self.callback_handler.callbacks if isinstance(callback, History))

    def create_optimizer(self, _model: nn.Module | None = None) -> Any:
        """The optimizer of the given groups."""
        if self.optimizer is None:
            self.optimizer = self.factory(
                [{key: value for key, value in group.items() if key != "names"} for group in self.groups]
            )
        return self.optimizer

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Log the figures, and let early stopping and best-checkpoint keeping see them."""
        self.model.eval()
        figures = {f"eval_{name}": float(value) for name, value in self.figures(self.model).items()}
        self.log(figures)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, figures)
        return figures

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *_: Any, **__: Any) -> Any:
        """The mean over one batch; Trainer divides it by the batches it accumulates."""
        loss = self.objective(model, inputs)
        if self.penalty is None:
            return loss
        return loss + self.penalty(self.model, self.state.global_step) / ranks.size()

    def training_step(self, *args: Any, **rest: Any) -> Any:
        """One batch, whose loss the history keeps; ranks sum what each has made of its part."""
        # The loss stays on its device, for the history to look at together with others: looked at here, a GPU would
        # wait for the next batch.
        loss = ranks.total(super().training_step(*args, **rest).detach())
        if self.accelerator.sync_gradients:
            ranks.sum_gradients(self.model.parameters())
        self.history.arrived.append(loss)
        return loss

    def _determine_best_metric(self, *args: Any, **rest: Any) -> bool:
        """Whether to save after an evaluation: a new best, and what ``Guard`` had asked for, which Trainer forgets."""
        best: bool = super()._determine_best_metric(*args, **rest)
        return best or self.control.should_save

    def _save_checkpoint(self, *args: Any, **rest: Any) -> None:
        if ranks.rank() == 0:
            super()._save_checkpoint(*args, **rest)


def _arguments(schedule: Schedule, folder: Path) -> TrainingArguments:
    decides = {"metric_for_best_model": schedule.metric, "greater_is_better": schedule.greater_is_better}
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=schedule.steps,
        per_device_train_batch_size=1,
        train_sampling_strategy="sequential",
        gradient_accumulation_steps=schedule.gradient_accumulation_steps,
        learning_rate=1.0,  # every group brings its own
        warmup_steps=schedule.warmup_ratio,
        lr_scheduler_type=schedule.lr_scheduler_type,
        max_grad_norm=schedule.max_grad_norm,
        eval_strategy="steps",
        eval_steps=schedule.eval_steps,
        save_strategy="best",
        save_total_limit=2,
        load_best_model_at_end=True,
        restore_callback_states_from_checkpoint=True,
        logging_steps=max(1, min(50, schedule.eval_steps)),
        logging_nan_inf_filter=False,
        seed=schedule.seed,
        bf16=use_bf16(schedule.compute.precision),
        torch_compile=schedule.compute.compile,
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=torch.cuda.is_available(),
        remove_unused_columns=False,
        disable_tqdm=not sys.stderr.isatty(),
        log_level="error",
        report_to="none",  # trackers are among the callbacks
        run_name=trackers.run_name(),
        project=trackers.PROJECT,
        **decides,
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # of several GPUs one: the others are for other processes
    return arguments


def train(
    model: PreTrainedModel,
    plan: BatchPlan,
    schedule: Schedule,
    *,
    groups: Groups,
    figures: Callable[[nn.Module], dict[str, float]],
    folder: Path,
    optimizer: Callable[[Groups], torch.optim.Optimizer] = adamw,
    objective: Objective | None = None,
    penalty: Penalty | None = None,
    observer: Observer | None = None,
    callbacks: Sequence[TrainerCallback] = (),
) -> tuple[Outcome, list[dict[str, float]]]:
    """Train ``model`` in place on ``plan`` and leave it at its best evaluation; resumes from ``folder`` if it can.

    Args:
        figures: evaluates the model (in eval mode) to named figures, among them ``schedule.metric``.
        folder: where checkpoints are kept while it runs.
        optimizer: makes one of the groups; its state is in every checkpoint.
        objective: what to minimise; None: the model's own loss.
        penalty: what its weights are to pay beside that. Made just before this call, it sees those that training will.

    Returns:
        the outcome, and the history: a row per logged step, without clock times.

    Raises:
        InputError: the loss is not finite.
        KeyboardInterrupt: a signal came; the checkpoint is saved and the run not complete.
    """
    bound_kernel_cache()
    set_seed(schedule.seed)
    transformers_logging.disable_progress_bar()  # one for every file of every checkpoint
    guard = Guard(schedule.compute.checkpoint_seconds)
    stopper = [EarlyStoppingCallback(schedule.patience)] if schedule.patience is not None else []
    followed = trackers.callbacks(schedule.compute.report_to if ranks.rank() == 0 else ())
    ranks.same_weights(model)
    read = plan.batches[
        : schedule.steps * schedule.gradient_accumulation_steps
    ]  # one epoch: of a finished run, none is left
    plan = sharded(BatchPlan(read, plan.make), ranks.rank(), ranks.size())
    trainer = _Trainer(
        model=model,
        args=_arguments(schedule, folder),
        train_dataset=plan,
        eval_dataset=plan,  # never read: evaluation is `figures`
        data_collator=only_item,
        groups=groups,
        figures=figures,
        factory=optimizer,
        objective=objective or summed(),
        penalty=penalty,
        callbacks=[*callbacks, *stopper, *followed, GiveBack(), Draws(), guard, History()],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    if sys.stderr.isatty() and ranks.rank() == 0:
        trainer.add_callback(Bar)
    if observer is not None:
        trainer.add_callback(Watch(observer, lambda: trainer.history.rows))
    checkpoint = ranks.agreed(latest_complete(folder) if ranks.rank() == 0 else None)
    with guard.listening():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)  # else it goes on computing in bfloat16
    state = trainer.state
    stopped = "done" if state.global_step >= schedule.steps else "early"
    if stopped == "early" and schedule.patience is None:
        raise RuntimeError(f"training ended at step {state.global_step} of {schedule.steps} for no reason")
    best_step = int((state.best_model_checkpoint or f"-{state.global_step}").rpartition("-")[2])
    best = state.best_metric if state.best_metric is not None else math.nan
    return Outcome(state.global_step, stopped, best_step, float(best)), trainer.history.rows
