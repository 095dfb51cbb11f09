"""Pooled features: the mean over a text's own pieces, whatever batch it stood in; remembered by weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.measuring.layers.ask import observe, pooled_layers
from pipeline.models import loading
from tests import toys

SENTENCES = [{"text": text, "shuffled": " ".join(reversed(text.split()))} for text in toys.SENTENCES]


def test_features_are_means_over_pieces(toy_model: Path) -> None:
    tokenizer, model = loading.load_tokenizer(toy_model), loading.load_masked_lm(toy_model)
    texts = [*toys.SENTENCES, "a"]
    found = pooled_layers(model, tokenizer, texts, tokens_per_batch=64)
    assert found.shape == (len(texts), 3, 32)
    for text, features in zip(texts, found, strict=True):
        with torch.no_grad():
            states = model.bert(**tokenizer(text, return_tensors="pt"), output_hidden_states=True).hidden_states
        expected = np.stack([layer[0, 1:-1].mean(dim=0).numpy() for layer in states])
        np.testing.assert_allclose(features, expected, atol=2e-3)


def test_models_that_share_weights_share_features(toy_model: Path) -> None:
    tokenizer = loading.load_tokenizer(toy_model)
    known: dict[str, Any] = {}

    def remember(questions: Any) -> Any:
        return [
            known[str(key)] if str(key) in known else known.setdefault(str(key), compute())
            for key, compute in questions
        ]

    folders = {"base": toy_model, "adapted": toy_model, "tuned": toy_model}
    found = observe(tokenizer, SENTENCES, folders, tokens_per_batch=512, remember=remember)
    assert len(known) == 1
    assert found["base"].shape == (8, 2, 3, 32)
    texts = [item["shuffled"] for item in SENTENCES]
    again = pooled_layers(loading.load_classifier(toy_model), tokenizer, texts, tokens_per_batch=512)
    np.testing.assert_allclose(found["tuned"][:, 1], again, atol=2e-3)
