"""What trainings ask to be told, of the settings of the stages, which have their meaning and ranges."""

from __future__ import annotations

from typing import Literal, Protocol


class Compute(Protocol):
    """How the machine is used."""

    @property
    def checkpoint_seconds(self) -> float:
        """Between two checkpoints."""

    @property
    def precision(self) -> Literal["auto", "fp32", "bf16"]:
        """Of training."""

    @property
    def compile(self) -> bool:
        """Whether torch.compile is worth its minute."""


class Training(Protocol):
    """How fast and how carefully; of ``pretrain`` and ``finetune`` alike."""

    learning_rate: float
    head_learning_rate: float | None
    layerwise_lr_decay: float
    weight_decay: float
    warmup_ratio: float
    patience: int | None
    gradient_accumulation_steps: int

    @property
    def compute(self) -> Compute:
        """How the machine is used."""


class Options(Training, Protocol):
    """How to tune without forgetting; of ``finetune``."""

    method: Literal["full", "lora"]
    frozen_layers: int
    dropout: float | None
    label_smoothing: float
    class_weights: bool
    state_distillation: float
    num_train_epochs: int
    batch_size: int
    tokens_per_batch: int
    max_length: int
    emoji_augmentation: float
    emoji_noise: float
    lora_rank: int
    lora_alpha: int
    lora_dropout: float
    prefix_states: Literal["float32", "float16", "recomputed"]
    prefix_memory_megabytes: int
    prefix_disk_megabytes: int
    frontier_points: int
    frontier_windows: int
    retention_budget: float | None
