"""How much each weight matters to what a model knew: the Fisher information, which EWC holds weights by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.learning.adaptation import Masking, Windows
from pipeline.learning.freezing import depth, layer_count
from pipeline.learning.general_text import masking_of, windows_of
from pipeline.models import loading
from pipeline.models.masked_lm import IGNORED, MaskedLM
from pipeline.models.reader import Reader

WINDOWS = 256


def of_general_text(model: Any, start: Path, prepare: Path, reader: Reader) -> dict[str, Tensor]:
    """How much masked language modelling of general text minds each weight that learns below the head.

    Of a classifier that began at ``start``; of its own word embeddings, where it holds some only.

    Raises:
        InputError: there is no general text.
    """
    windows, layers = windows_of(prepare, reader, "general", WINDOWS, "regularisation.ewc"), layer_count(model)
    learns = [name for name, part in model.named_parameters() if part.requires_grad and depth(name, layers)]
    found = fisher(loading.load_masked_lm(start), windows, masking_of(reader, windows, 0), learns)
    words, rows = "bert.embeddings.word_embeddings.weight", getattr(model.get_input_embeddings(), "rows", None)
    return found if rows is None else found | {words: found[words][rows]}


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
