"""Pseudo-log-likelihoods against the PyPI package minicons, which also has the within-word rule of Kauf & Ivanova."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.measuring.scoring import pseudo_log_likelihoods
from pipeline.models import loading

minicons = pytest.importorskip("minicons.scorer", reason="minicons is not installed: nothing to compare with")

PAIRS = Path(__file__).parents[3] / "data_cards" / "starter-pairs" / "minimal_pairs.jsonl"
SENTENCES = [json.loads(line)["good"] for line in PAIRS.read_text(encoding="utf-8").splitlines()][:200]


def test_pseudo_log_likelihoods_agree_with_minicons(toy_model: Path) -> None:
    tokenizer, model = loading.load_tokenizer(toy_model), loading.load_masked_lm(toy_model)
    ours = pseudo_log_likelihoods(
        model, tokenizer, SENTENCES, vocabulary_size=model.config.vocab_size, tokens_per_batch=8192
    )
    scorer = minicons.MaskedLMScorer(str(toy_model), "cpu")
    how = {"reduction": lambda scores: scores.sum(0).item(), "PLL_metric": "within_word_l2r"}
    encoded = [scorer.tokenizer([sentence], return_tensors="pt") for sentence in SENTENCES]  # its own way needs an
    theirs = [score for sentence in encoded for score in scorer.sequence_score(sentence, **how)]  # older transformers
    assert len(SENTENCES) == 200
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
