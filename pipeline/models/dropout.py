"""Dropout for a CPU: torch's, from a seventh of the random numbers' time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

STEPS = 2**16
"""A probability is rounded to a multiple of 1 / STEPS."""
DRAWS = 4
"""Of so many bits each in one of the generator's numbers."""


class Dropout(nn.Dropout):
    """``nn.Dropout`` whose draws on a CPU are 16 bits wide, four of one random number; elsewhere just that.

    torch draws a whole Bernoulli variate for every element there, which took 5 to 7% of an update (docs/log.md).
    What is kept is scaled by the exact share that is kept, so that means are kept too. Draws come from torch's
    generator, so that seeds and checkpoints hold for them.
    """

    def forward(self, states: Tensor) -> Tensor:
        """The states, of which a share ``p`` is zero in training and the rest scaled up."""
        dropped = round(self.p * STEPS)
        if not self.training or not dropped or states.device.type != "cpu" or dropped == STEPS:
            return super().forward(states)
        draws = torch.empty(-(-states.numel() // DRAWS), dtype=torch.int64).random_(-(2**63), None)
        kept = draws.view(torch.int16)[: states.numel()].view(states.shape) >= dropped - STEPS // 2
        return states * kept.to(states.dtype).mul_(STEPS / (STEPS - dropped))


def use_dropout(model: nn.Module) -> None:
    """Put it in the place of each ``nn.Dropout`` of a model."""
    for parent in list(model.modules()):
        for name, module in parent.named_children():
            if type(module) is nn.Dropout:
                setattr(parent, name, Dropout(module.p))
