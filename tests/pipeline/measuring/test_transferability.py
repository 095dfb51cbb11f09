"""Which model to start from: scores on features whose answer is known, and that they order as tuning would."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.common.errors import InputError
from pipeline.measuring import transferability
from pipeline.measuring.transferability import h_score, log_me, suitability
from pipeline.models.reader import Reader

RANDOM = np.random.default_rng(0)
LABELS = np.arange(600) % 3


def features(told: float, width: int = 8, labels: np.ndarray = LABELS) -> np.ndarray:
    """Noise, and so much of the class."""
    noise = np.random.default_rng(1).normal(size=(len(labels), width))
    noise[:, :3] += told * np.eye(3)[labels]
    return noise


def test_log_me_is_the_evidence_at_its_maximum() -> None:
    """Of one dimension by hand: targets are normal with covariance I / noise + f f' / prior, looked at on a grid."""
    table, labels = features(2.0, 3)[:40, :1], LABELS[:40] % 2
    found = []
    for target in np.eye(2)[:, labels]:
        best = -np.inf
        for prior in np.geomspace(1e-2, 1e6, 100):
            for noise in np.geomspace(0.5, 20, 300):
                # Woodbury: with one feature the covariance has one axis that differs
                square, along = float(table[:, 0] @ table[:, 0]), float(table[:, 0] @ target)
                log_det = 39 * -np.log(noise) + np.log(1 / noise + square / prior)
                inner = noise * float(target @ target) - noise**2 * along**2 / (prior + noise * square)
                best = max(best, -0.5 * (40 * np.log(2 * np.pi) + log_det + inner))
        found.append(best / 40)
    assert log_me(table, labels) == pytest.approx(np.mean(found), abs=1e-3)


def test_more_told_is_more_and_noise_is_the_least() -> None:
    for score in (log_me, h_score):
        levels = [score(features(told), LABELS) for told in (0.5, 1.0, 2.0, 4.0)]
        assert levels == sorted(levels)
        assert score(features(0.0), LABELS) < levels[1] < levels[3] - 0.3


def test_h_score_is_two_where_three_classes_are_all_there_is() -> None:
    assert h_score(np.eye(3)[LABELS], LABELS) == pytest.approx(2, abs=0.05)
    assert h_score(RANDOM.normal(size=(600, 8)), LABELS) == pytest.approx(0, abs=0.1)


def test_features_that_never_vary_change_nothing() -> None:
    table = features(1.0)
    padded = np.concatenate([table, np.zeros((600, 2))], axis=1)
    assert log_me(padded, LABELS) == pytest.approx(log_me(table, LABELS), abs=0.02)
    assert np.isfinite(h_score(padded, LABELS))


def test_the_layer_that_tells_most_is_read_and_models_are_ordered_by_it() -> None:
    good = np.stack([features(0.2), features(2.0), features(1.0)], axis=1).astype(np.float16)
    poor = np.stack([features(0.2), features(0.5), features(0.6)], axis=1).astype(np.float16)
    found = {name: suitability(table, LABELS.tolist()) for name, table in (("poor", poor), ("good", good))}
    first, second = transferability.ranking(found, 600)
    assert (first["model"], first["layer"], second["model"], second["layer"]) == ("good", 1, "poor", 2)
    assert first["behind"] is None
    assert 0 < second["behind"]["low"] < second["behind"]["value"] < second["behind"]["high"]
    shown = transferability.tables(found, 600)
    assert [row[0].text for row in shown[0].rows] == ["good", "poor"]
    assert len(shown[1].columns) == len(shown[1].rows[0]) == 4


def test_the_interval_covers_what_new_texts_say() -> None:
    inside = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        labels = random.integers(0, 3, 400)
        table = random.normal(size=(400, 1, 6))
        table[:, 0, :3] += np.eye(3)[labels]
        found = suitability(table.astype(np.float16), labels.tolist(), seed=seed)
        figure = transferability.estimate(float(found.log_me[0]), found.halves[:, 0], 400)
        inside.append(figure.low <= TRUE <= figure.high)
    assert np.mean(inside) >= 0.85


def _true() -> float:
    random = np.random.default_rng(99)
    labels = random.integers(0, 3, 40_000)
    table = random.normal(size=(40_000, 6))
    table[:, :3] += np.eye(3)[labels]
    parts = [log_me(table[start : start + 400], labels[start : start + 400]) for start in range(0, 40_000, 400)]
    return float(np.mean(parts))


TRUE = _true()
"""What 400 texts score in the mean of a hundred samples."""


def test_a_model_folder_is_read_as_it_reads(toy_model: Path) -> None:
    texts = [f"{word} food" for word in ("good", "bad", "box") for _ in range(20)]
    found = transferability.of_model(toy_model, Reader.of(toy_model, 32), texts, [n // 20 for n in range(60)])
    assert found.log_me.shape == (3,)
    assert found.halves.shape == (transferability.HALVES, 3)


def test_states_too_large_are_refused(toy_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transferability, "pooled_layers", lambda *_, **__: np.full((2, 1, 4), np.inf, np.float16))
    with pytest.raises(InputError, match="its states are beyond 65,504"):
        transferability.of_model(toy_model, Reader.of(toy_model, 32), ["good", "bad"], [0, 1])
