"""Settings that every stage which trains has: how the machine is used."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.machine.stage import StageSettings, speed_only


class Compute(StageSettings):
    """How the machine is used."""

    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto", description="bf16 where the machine computes it natively"
    )
    compile: bool = Field(
        default=False,
        description="torch.compile in training, for a GPU: a minute or so at first, and it rounds otherwise",
    )
    checkpoint_seconds: float = speed_only(60.0, gt=0, description="time between checkpoints")
