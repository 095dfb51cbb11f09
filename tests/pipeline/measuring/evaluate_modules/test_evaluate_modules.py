"""The modules of the `evaluate` library load from their folders with no network, and agree with our own arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import evaluate
import numpy as np
import pytest

import pipeline.measuring.evaluate_modules
from pipeline.measuring.general.score import words_kept
from pipeline.measuring.reviews.score import scores
from pipeline.measuring.statistics.classification import macro_recall

FOLDER = Path(pipeline.measuring.evaluate_modules.__file__).parent


@pytest.fixture(autouse=True, scope="module")
def _offline_and_out_of_the_way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a network was reached for")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("socket.socket.connect", refuse)
        patch.setattr("evaluate.config.HF_MODULES_CACHE", tmp_path_factory.mktemp("modules"))
        yield


def test_three_class() -> None:
    module = evaluate.load(str(FOLDER / "three_class"), keep_in_memory=True)
    found = module.compute(predictions=[0, 0, 0, 1, 1, 2, 2, 2, 0, 1], references=[0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
    assert found["accuracy"] == pytest.approx(0.6)
    assert found["macro_recall"] == pytest.approx((3 / 4 + 1 / 2 + 2 / 4) / 3)
    assert found["macro_f1"] == pytest.approx((6 / 8 + 2 / 5 + 4 / 7) / 3)
    assert found["precision_positive"] == pytest.approx(2 / 3)
    assert found["confusion"] == [[3, 1, 0], [0, 1, 1], [1, 1, 2]]


def test_three_class_combines_with_another() -> None:
    module = evaluate.load(str(FOLDER / "three_class"), keep_in_memory=True)
    both = evaluate.combine([module, evaluate.load(str(FOLDER / "three_class"), keep_in_memory=True)])
    both.add_batch(predictions=[0, 1], references=[0, 2])
    assert any(value == 0.5 for name, value in both.compute().items() if "accuracy" in name)


def test_retention_score() -> None:
    module = evaluate.load(str(FOLDER / "retention_score"), keep_in_memory=True)
    found = module.compute(predictions=[2.0, 3.0], references=[1.0, 3.0], masked=[3, 1])
    # before (3 x 1 + 1 x 3) / 4 = 1.5, now (3 x 2 + 1 x 3) / 4 = 2.25
    assert found == {"loss_before": 1.5, "loss_now": 2.25, "retention": pytest.approx(math.exp(-0.75))}


def test_nothing_to_score_is_refused() -> None:
    module = evaluate.load(str(FOLDER / "retention_score"), keep_in_memory=True)
    with pytest.raises(ValueError, match="no masked pieces"):
        module.compute(predictions=[1.0], references=[1.0], masked=[0])


@pytest.mark.parametrize("count", [3, 20, 500])
def test_scikit_learn_comes_to_our_scores(count: int) -> None:
    labels, guesses = np.random.default_rng(count).integers(3, size=(2, count)).tolist()
    ours = scores(labels, guesses, draws=100, seed=0)
    theirs = evaluate.load(str(FOLDER / "three_class"), keep_in_memory=True).compute(
        predictions=guesses, references=labels
    )
    for name in ("accuracy", "macro_recall", "macro_f1"):
        if name == "macro_recall" and count < 500:
            assert ours[name]["value"] is None, "of few texts of a class none is told"
            assert macro_recall(np.array(ours["confusion"])) == pytest.approx(theirs[name], rel=1e-9)
        else:
            assert ours[name]["value"] == pytest.approx(theirs[name], rel=1e-9)
    assert ours["confusion"] == theirs["confusion"]
    for name, figures in ours["per_class"].items():
        known = {figure: value for figure, value in figures.items() if figure != "n" and value is not None}
        assert known == pytest.approx({figure: theirs[f"{figure}_{name}"] for figure in known})


def test_scikit_learn_comes_to_our_retention() -> None:
    random = np.random.default_rng(0)
    masked, before, now = random.integers(1, 40, size=50), *random.uniform(1, 90, size=(2, 50))
    rows = [
        [{"id": place, "nats": nats, "masked": masked[place]} for place, nats in enumerate(side)]
        for side in (before, now)
    ]
    theirs = evaluate.load(str(FOLDER / "retention_score"), keep_in_memory=True).compute(
        predictions=now / masked, references=before / masked, masked=masked
    )
    assert words_kept(rows[0], rows[1:]).figure(draws=100, seed=0).value == pytest.approx(theirs["retention"], rel=1e-9)
