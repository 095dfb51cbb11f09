import math

import numpy as np
import pytest
import torch

from pipeline.modeling import cooccurrence
from pipeline.modeling.mlm import MaskedLM
from tests.toys import toy_config


def test_counts_by_hand() -> None:
    """Specials (ids below 2) are left out; windows do not touch; a neighbour two away counts half."""
    windows = [np.array([0, 2, 3, 2, 1], dtype=np.int32), np.array([0, 4, 1], dtype=np.int32)]
    found = cooccurrence.counts(windows, 5, 2).toarray()
    expected = np.zeros((5, 5))
    expected[2, 3] = expected[3, 2] = 2.0  # 2-3 and 3-2, one apart
    expected[2, 2] = 2 * 0.5  # 2..2, two apart, counted from both sides
    np.testing.assert_allclose(found, expected)


def test_words_in_the_same_company_get_like_vectors() -> None:
    random = np.random.default_rng(0)
    first, second = [5, 6, 7], [8, 9, 10]
    windows = [np.array(random.choice(side, 6), dtype=np.int32) for side in (first, second) for _ in range(200)]
    found = cooccurrence.vectors(cooccurrence.counts(windows, 11, 5), 2, seed=0)[5:]
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    alike = unit @ unit.T
    assert alike[0, 1] > 0.9
    assert abs(alike[0, 3]) < 0.1


def test_a_head_start_has_berts_scale_and_the_words_frequencies() -> None:
    random = np.random.default_rng(0)
    windows = [random.choice(np.arange(5, 60), 30, p=np.arange(1, 56) / 1540).astype(np.int32) for _ in range(100)]
    torch.manual_seed(0)
    model = MaskedLM(toy_config(80))
    before = model.get_input_embeddings().weight.detach().clone()
    cooccurrence.head_start(model, windows, 5, seed=0)
    rows, bias = model.get_input_embeddings().weight.detach(), model.cls.predictions.bias.detach()
    seen = sorted({int(one) for window in windows for one in window})
    assert float(rows[seen].std()) == pytest.approx(0.02, rel=1e-3)
    assert torch.equal(rows[60:], before[60:])  # never in the text
    assert torch.equal(rows[:5], before[:5])
    often = np.bincount(np.concatenate(windows), minlength=80)
    assert float(bias[59]) == pytest.approx(math.log((often[59] + 0.5) / (3000 + 0.5 * 80)), rel=1e-4)
    assert float(bias.exp().sum()) == pytest.approx(1.0, rel=1e-4)
