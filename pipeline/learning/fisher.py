"""How much each weight matters to what a model knew: the Fisher information, which EWC holds weights by."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.learning.adaptation import Masking, Windows
from pipeline.models.masked_lm import IGNORED, MaskedLM


def fisher(model: MaskedLM, windows: Windows, masking: Masking, names: Sequence[str]) -> dict[str, Tensor]:
    """How much masked language modelling minds each of some weights: their mean is 1, over all of them.

    Kirkpatrick et al. 2017, "Overcoming catastrophic forgetting in neural networks", section 2: the diagonal of the
    Fisher information; here the empirical one, of the hidden tokens as they are: the mean over windows of the squared
    gradient of a window's nats.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.to(device).eval().requires_grad_(False)
    weights = {name: model.get_parameter(name).requires_grad_(True) for name in names}
    sums = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for place in range(len(windows)):
        batch = {name: part.to(device) for name, part in masking.batch(windows, [place], place).items()}
        model.zero_grad()
        (model(**batch).loss * (batch["labels"] != IGNORED).sum()).backward()
        for name, weight in weights.items():
            if weight.grad is not None:
                sums[name] += weight.grad.to_dense().square()
    mean = torch.stack([part.sum() for part in sums.values()]).sum() / sum(part.numel() for part in sums.values())
    return {name: part / mean.clamp_min(1e-30) for name, part in sums.items()}
