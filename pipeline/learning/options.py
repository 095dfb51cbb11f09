"""What a tuning asks to be told, of the settings of the stage ``finetune``, which has their meaning and ranges."""

from __future__ import annotations

from typing import Any, Literal, Protocol


class Compute(Protocol):
    """How the machine is used."""

    @property
    def precision(self) -> Literal["auto", "fp32", "bf16"]:
        """Of training."""

    def model_dump(self) -> dict[str, Any]:
        """All of it, as ``loop.Schedule`` takes it."""


class Options(Protocol):
    """How to tune without forgetting."""

    method: Literal["full", "lora"]
    frozen_layers: int
    dropout: float | None
    label_smoothing: float
    class_weights: bool
    num_train_epochs: int
    batch_size: int
    tokens_per_batch: int
    gradient_accumulation_steps: int
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

    @property
    def compute(self) -> Compute:
        """How the machine is used."""

    def model_dump(self, *, include: set[str]) -> dict[str, Any]:
        """Those named, and others that are handed on as they are: rates, patience."""
