"""What frozen features still tell about a sentence's structure: a logistic regression per layer, cross-validated.

Two questions of Conneau et al. 2018, "What you can cram into a single $&!#* vector: Probing sentence embeddings for
linguistic properties", section 2.2: have two neighbouring words been swapped (bigram shift), and how long is the
sentence (in three bins)? Every sentence is tested, by a probe that has seen neither it nor its swapped twin.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import sklearn
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.common.cache import Remember
from pipeline.common.files import digest
from pipeline.measuring.statistics.bootstrap import Figure, interval

VERSION = 1
"""Raise it when the same features get other answers."""
FOLDS = 5
BINS = 3
INVERSE_PENALTY = 0.1
"""C of the logistic regression: few sentences, many dimensions."""
TASKS = ("shuffled_bigram", "length")
Row = Mapping[str, Any]
Ids = NDArray[np.int64]
Features = NDArray[np.floating[Any]]


def length_bins(words: ArrayLike) -> Ids:
    """The third, 0 to 2, that each sentence falls in when all are ordered by their number of words."""
    counts = np.asarray(words)
    edges = np.quantile(counts, np.arange(1, BINS) / BINS, method="lower")
    return np.searchsorted(edges, counts)


def folds_of(words: Sequence[int], seed: int) -> list[tuple[Ids, Ids]]:
    """(training, test) places, each sentence tested once, lengths spread evenly; none if there are too few."""
    if not len(words):
        return []
    bins = length_bins(words)
    counts = np.bincount(bins, minlength=BINS)
    count = min(FOLDS, int(counts.min()))
    if count < 2:
        return []
    return list(StratifiedKFold(count, shuffle=True, random_state=seed).split(bins, bins))


def right_by_layer(features: ArrayLike, sentences: Sequence[Row], *, seed: int) -> list[dict[str, Any]]:
    """How often the probes on each layer are right about each sentence.

    Args:
        features: [sentences, 2, layers, hidden]: of the sentence, and of its twin with two words swapped.
        sentences: ``id``, and ``words``, its number of words.

    Returns:
        A row a sentence, none where there are too few of them: ``id``; ``shuffled_bigram``: 0 to 2 by layer (it and its
        twin); ``length``: 0 or 1 by layer; ``bin``: the third its length is in.
    """
    table, words = np.asarray(features, dtype=np.float64), [int(item["words"]) for item in sentences]
    folds = folds_of(words, seed)
    if not folds:
        return []
    bins, layers = length_bins(words), range(table.shape[2])
    found = {task: np.zeros((len(words), len(layers)), dtype=np.int64) for task in TASKS}
    for train, test in folds:
        for layer in layers:
            twins = table[:, :, layer]
            guessed = _guesses(twins[train].reshape(-1, twins.shape[-1]), np.tile([0, 1], len(train)), twins[test])
            found["shuffled_bigram"][test, layer] = (guessed == [0, 1]).sum(axis=1)
            guessed = _guesses(twins[train, 0], bins[train], twins[test, :1])
            found["length"][test, layer] = guessed[:, 0] == bins[test]
    return [
        {"id": item["id"], **{task: found[task][place].tolist() for task in TASKS}, "bin": int(bins[place])}
        for place, item in enumerate(sentences)
    ]


def answers(
    seen: Mapping[str, Features], sentences: Sequence[Row], *, seed: int, remember: Remember
) -> dict[str, list[dict[str, Any]]]:
    """``right_by_layer`` of every model, remembered by features and lengths, so that arms share what they can."""
    asked = [[item["id"], item["words"]] for item in sentences]

    def key(features: Features) -> list[Any]:
        looked_at = hashlib.sha256(np.ascontiguousarray(features).tobytes()).hexdigest()
        return ["probes", VERSION, sklearn.__version__, looked_at, digest(asked), seed]

    look = partial(right_by_layer, sentences=sentences, seed=seed)
    found = remember([(key(features), partial(look, features)) for features in seen.values()])
    return dict(zip(seen, found, strict=True))


def accuracy_by_layer(rows: Sequence[Row], task: str, *, draws: int, seed: int) -> list[Figure]:
    """Share of right answers on each layer; a sentence and its twin are drawn together."""
    right = np.array([row[task] for row in rows], dtype=np.float64) / (2 if task == "shuffled_bigram" else 1)
    return [
        interval(column[:, None], lambda sums: sums[..., 0] / len(rows), draws=draws, seed=seed) for column in right.T
    ]


def chance(rows: Sequence[Row], task: str) -> float:
    """Share that who always gives the commonest answer gets right."""
    counts = np.bincount([row["bin"] for row in rows])
    return 0.5 if task == "shuffled_bigram" else float(counts.max() / len(rows))


def marked(answers: Mapping[str, Sequence[Row]], *, draws: int, seed: int) -> dict[str, Any]:
    """Every model's accuracy on every layer, as retention.json has it; empty where there were too few sentences."""
    first = next(iter(answers.values()), [])
    if not first:
        return {}
    return {
        task: {
            "chance": chance(first, task),
            **{
                model: [figure.as_json() for figure in accuracy_by_layer(rows, task, draws=draws, seed=seed)]
                for model, rows in answers.items()
            },
        }
        for task in TASKS
    }


def _guesses(train: NDArray[np.float64], labels: ArrayLike, test: NDArray[np.float64]) -> Ids:
    """Labels [test rows, 2 or 1] of features [test rows, 2 or 1, hidden]."""
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=INVERSE_PENALTY, max_iter=500))
    probe.fit(train, labels)
    found: Ids = probe.predict(test.reshape(-1, test.shape[-1])).reshape(test.shape[:-1])
    return found
