"""The Fisher by its definition."""

from __future__ import annotations

from pathlib import Path

import torch

from pipeline.learning import adaptation, general_text
from pipeline.learning.fisher import fisher
from pipeline.models import loading
from pipeline.models.reader import Reader
from tests.toys import SENTENCES


def test_the_fisher_is_the_mean_square_of_each_windows_gradient(toy_model: Path) -> None:
    reader = Reader.of(toy_model, 32)
    windows = adaptation.cut(reader.tokenizer, SENTENCES[:3], 32)
    masking = general_text.masking_of(reader, windows, 0)
    names = ["bert.encoder.layer.1.output.dense.bias", "bert.embeddings.word_embeddings.weight"]
    found = fisher(loading.load_masked_lm(toy_model), windows, masking, names)
    model = loading.load_masked_lm(toy_model).eval()
    squares = []
    for place in range(3):
        batch = masking.batch(windows, [place], place)
        full = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[0]
        chosen = batch["labels"][0] >= 0
        nats = -full[chosen].log_softmax(dim=-1).gather(1, batch["labels"][0][chosen][:, None]).sum()
        gradients = torch.autograd.grad(nats, [model.get_parameter(name) for name in names])
        squares.append([gradient.square() for gradient in gradients])
    expected = [torch.stack(own).mean(dim=0) for own in zip(*squares, strict=True)]
    mean = torch.cat([part.flatten() for part in expected]).mean()
    for name, own in zip(names, expected, strict=True):
        torch.testing.assert_close(found[name], own / mean, atol=1e-4, rtol=1e-3)
