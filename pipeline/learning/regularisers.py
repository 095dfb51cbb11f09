"""What holds weights to where tuning found them: penalties on the way from there, and weights put back at random."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from pipeline.learning.freezing import depth, layer_count
from pipeline.learning.loop import Batch, Objective, Penalty
from pipeline.learning.options import TuningRegularisation


def penalty_of(
    model: Any, asked: TuningRegularisation, steps: int, fisher: Mapping[str, Tensor] | None = None
) -> Penalty | None:
    """The sum of those that are asked for, of a run of so many updates; None: none is.

    Args:
        fisher: of each weight that ``ewc`` is to hold, by its name and of its shape.
    """
    fades = fading(asked.anneal, steps) if asked.anneal is not None else None
    parts = [l2_sp(model, asked.l2_sp, fades)] if asked.l2_sp else []
    parts += [l2_sp(model, asked.ewc, fades, fisher or {})] if asked.ewc else []
    return (lambda now, step: sum((part(now, step) for part in parts), torch.zeros(()))) if parts else None


def l2_sp(
    model: Any,
    weight: float,
    fades: Callable[[int], float] | None = None,
    importance: Mapping[str, Tensor] | None = None,
) -> Penalty:
    """Half of ``weight`` times the squared distance of what learns from where it is now, the head apart.

    Li, Grandvalet & Davoine 2018, "Explicit Inductive Bias for Transfer Learning with Convolutional Networks", section
    3.1. The head, which starts at random, is left to weight decay. With the Fisher information for ``importance``, by
    which each square counts, it is elastic weight consolidation (Kirkpatrick et al. 2017, "Overcoming catastrophic
    forgetting in neural networks", section 2).

    Args:
        fades: the share of it that is left at a step (see ``fading``).
    """
    learns = [(name, part) for name, part in model.named_parameters() if part.requires_grad]
    start = {name: part.detach().clone() for name, part in learns if depth(name, layer_count(model))}
    if importance is not None:
        start = {name: part for name, part in start.items() if name in importance}

    def penalty(now: nn.Module, step: int) -> Tensor:
        moved = []
        for name, part in now.named_parameters():
            if name in start:
                squares = (part - start[name].to(part.device)).square()
                moved.append((squares if importance is None else squares * importance[name].to(part.device)).sum())
        share = weight / 2 * fades(step) if fades else weight / 2
        return share * torch.stack(moved).sum() if moved else torch.zeros(())

    return penalty


def fading(half: float, steps: int) -> Callable[[int], float]:
    """The share of a penalty left at a step: nearly 1 at first, 1/2 at the share ``half`` of the steps, a sigmoid.

    Chen et al. 2020, "Recall and Learn" (RecAdam), section 3.2, equations 8 and 9: first the model recalls, then it
    learns. The task's own loss stays whole here: Adam does not see by what a loss is multiplied as a whole.
    """
    middle = half * steps
    return lambda step: (1 - math.tanh(5 * (step / middle - 1))) / 2


def mixout(objective: Objective, model: Any, share: float) -> Objective:
    """An objective under which each weight of a linear map is where it is now with probability ``share``, drawn anew.

    Lee, Cho & Kang 2020, "Mixout", section 3: dropout whose zero is the start. What is not put back is stretched away
    from the start, so that each weight's mean stays. Head and embeddings are left alone; evaluation sees no draw.
    """
    count = layer_count(model)
    start = {
        name: part.detach().clone()
        for name, part in model.named_parameters()
        if part.requires_grad and part.dim() == 2 and 0 < depth(name, count) <= count
    }

    def mixed(_model: Any, batch: Batch) -> Tensor:
        now, drawn = dict(model.named_parameters()), {}
        for name, before in start.items():
            there = before.to(now[name].device)
            drawn[name] = there + (now[name] - there) * (torch.rand_like(there) >= share) / (1 - share)
        return objective(lambda **inputs: functional_call(model, drawn, (), inputs), batch)

    return mixed
