"""What weights pay for leaving where they were: penalties that training adds to each batch's loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pipeline.learning.freezing import depth, layer_count
from pipeline.learning.loop import Penalty


def l2_sp(model: Any, weight: float) -> Penalty:
    """Half of ``weight`` times the squared distance of what learns from where it is now, the head apart.

    Li, Grandvalet & Davoine 2018, "Explicit Inductive Bias for Transfer Learning with Convolutional Networks", section
    3.1. The head, which starts at random, is left to weight decay.
    """
    learns = [(name, part) for name, part in model.named_parameters() if part.requires_grad]
    start = {name: part.detach().clone() for name, part in learns if depth(name, layer_count(model))}

    def penalty(now: nn.Module) -> Tensor:
        moved = [(part - start[name]).square().sum() for name, part in now.named_parameters() if name in start]
        return weight / 2 * torch.stack(moved).sum() if moved else torch.zeros(())

    return penalty
