"""What the models that `make all` leaves are worth on reviews of others, which nothing of them was tuned on.

Run by hand: ``pytest -s -m acceptance --timeout 0 tests/acceptance/test_texts_of_others.py`` after `make all`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline import Predictor
from pipeline.common.labels import LABEL_TO_ID
from pipeline.measuring.statistics.bootstrap import Figure
from pipeline.measuring.statistics.classification import METRICS
from pipeline.measuring.statistics.comparison import classified
from pipeline.measuring.statistics.sampling import fixed_sample
from tests.acceptance.test_real_text import ROOT, SHARED

MODELS = ROOT / "artifacts" / "latest" / "models"
DATA = SHARED / "data"
TEXTS = 2000
"""Of each corpus at most, evenly over the classes: enough for some two points to either side."""

Rows = list[dict[str, str]]


def _csv(path: Path, label: str) -> Rows:
    with path.open(encoding="utf-8", newline="") as stream:
        return [{"text": row["text"], "label": row[label]} for row in csv.DictReader(stream)]


def _dynasent(path: Path) -> Rows:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [{"text": row["sentence"], "label": row["gold_label"]} for row in rows]


CORPORA: dict[str, Callable[[], Rows]] = {
    "airline": lambda: _csv(DATA / "reviews_airline" / "Tweets.csv", "airline_sentiment"),
    "tweets": lambda: _csv(DATA / "tweet_sentiment" / "test.csv", "label"),
    "dynasent 1": lambda: _dynasent(DATA / "reviews_dynasent" / "r1_dev.jsonl"),
    "dynasent 2": lambda: _dynasent(DATA / "reviews_dynasent" / "r2_dev.jsonl"),
}


def macro_recall(folder: Path, rows: Rows) -> Figure:
    """Of the classifier in a folder on texts read as `predict` reads them, with its 95% interval."""
    found = [LABEL_TO_ID[each.label] for each in Predictor(folder)(row["text"] for row in rows)]
    labels = [LABEL_TO_ID[row["label"]] for row in rows]
    return classified(labels, found, METRICS["macro_recall"]).figure(draws=2000, seed=0)


@pytest.mark.acceptance
@pytest.mark.skipif(not DATA.is_dir(), reason="the real corpora (../shared/data) are not here")
@pytest.mark.skipif(not MODELS.is_dir(), reason="`make all` has left no models in artifacts/latest")
def test_the_final_arm_is_above_chance_on_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    sampled = {}
    for name, read in CORPORA.items():
        rows = [row | {"id": str(place)} for place, row in enumerate(read()) if row["label"] in LABEL_TO_ID]
        sampled[name] = fixed_sample(rows, TEXTS, 0, by="label")
    report = json.loads((MODELS.parent / "report.json").read_text(encoding="utf-8"))
    found = {
        rung["arm"]: {name: macro_recall(MODELS / rung["arm"], rows) for name, rows in sampled.items()}
        for rung in report["ladder"]
    }
    with capsys.disabled():
        for arm, figures in found.items():
            mean = np.mean([figure.value for figure in figures.values()])
            told = (f"{name} {_percent(figure)}" for name, figure in figures.items())
            print(f"\n{arm}: mean {100 * mean:.1f}; {', '.join(told)}", end="")
    assert all(figure.low > 1 / 3 for figure in found[report["final_arm"]].values())


def _percent(figure: Figure) -> str:
    return f"{100 * figure.value:.1f} ({100 * figure.low:.1f}-{100 * figure.high:.1f})"
