"""What frozen features still tell about a sentence's structure: a logistic regression per layer, cross-validated.

Two questions of Conneau et al. 2018, "What you can cram into a single $&!#* vector: Probing sentence embeddings for
linguistic properties", section 2.2: have two neighbouring words been swapped (bigram shift), and how long is the
sentence (in three bins)? Every sentence is tested, by a probe that has seen neither it nor its swapped twin.

A probe can be right because it learns much, not because the layer tells much: so each task has a control task, whose
answers were drawn for the sentences' first words. How much more often a probe is right than on its control is its
selectivity (Hewitt & Liang 2019, "Designing and Interpreting Probes with Control Tasks", section 2). Two models, or a
task and its control, are compared sentence by sentence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
from pipeline.measuring.statistics.bootstrap import Array, Figure, interval, share

VERSION = 4
"""Raise it when the same features get other answers to the same tasks."""
FOLDS = 5
BINS = 3
INVERSE_PENALTY = 0.1
"""C of the logistic regression: few sentences, many dimensions."""
Row = Mapping[str, Any]
Ids = NDArray[np.int64]
Features = NDArray[np.floating[Any]]


def length_bins(words: ArrayLike) -> Ids:
    """The third, 0 to 2, that each sentence falls in when all are ordered by their number of words."""
    counts = np.asarray(words)
    edges = np.quantile(counts, np.arange(1, BINS) / BINS, method="lower")
    return np.searchsorted(edges, counts)


@dataclass(frozen=True)
class Task:
    """A question to every layer. All that is asked, scored, written and shown of it goes by this."""

    name: str
    caption: str
    sides: int
    """1: the sentence is asked about; 2: its twin with two words swapped as well."""
    key: Callable[[Sequence[Row]], Ids]
    """Right answers, counted from 0, of sentences (rows of ``text.sentences``): [sentences, sides]."""


TASKS = (
    Task("shuffled_bigram", "Were two words swapped?", 2, lambda rows: np.tile([0, 1], (len(rows), 1))),
    Task("length", "How long is the sentence?", 1, lambda rows: length_bins([row["words"] for row in rows])[:, None]),
)


def control(task: Task, sentences: Sequence[Row], seed: int) -> Ids:
    """Answers of a task's control, drawn for first words, each for about as many sentences as have it in the task."""
    first = [row["text"].split()[0].lower() for row in sentences]
    kinds, own, counts = np.unique(first, return_inverse=True, return_counts=True)
    lacking, answer = np.bincount(task.key(sentences).ravel()) / task.sides, np.zeros(len(kinds), dtype=np.int64)
    for kind in np.random.default_rng(seed).permutation(len(kinds)):
        answer[kind] = lacking.argmax()
        lacking[answer[kind]] -= counts[kind]
    return np.repeat(answer[own][:, None], task.sides, axis=1)


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
        sentences: ``id``, ``text``, and ``words``, its number of words.

    Returns:
        A row a sentence, none where there are too few of them: ``id``, and by task, and by ``<task>_control``, how many
        answers were right on each layer, of the task's ``sides``.
    """
    table = np.asarray(features, dtype=np.float64)
    folds = folds_of([int(item["words"]) for item in sentences], seed)
    if not folds:
        return []
    keys = {task.name: task.key(sentences) for task in TASKS}
    keys |= {f"{task.name}_control": control(task, sentences, seed) for task in TASKS}
    right = {name: np.zeros((len(table), table.shape[2]), dtype=np.int64) for name in keys}
    for name, key in keys.items():
        for train, test in folds:
            for layer in range(table.shape[2]):
                asked = table[:, : key.shape[1], layer]
                learned = asked[train].reshape(-1, asked.shape[-1])
                right[name][test, layer] = (_guesses(learned, key[train].ravel(), asked[test]) == key[test]).sum(1)
    return [
        {"id": item["id"], **{name: counts[place].tolist() for name, counts in right.items()}}
        for place, item in enumerate(sentences)
    ]


def answers(
    seen: Mapping[str, Features], sentences: Sequence[Row], *, seed: int, remember: Remember
) -> dict[str, list[dict[str, Any]]]:
    """``right_by_layer`` of every model, remembered by features and tasks, so that arms share what they can."""
    asked = [
        [[item["id"], item["words"], item["text"]] for item in sentences],
        {task.name: task.key(sentences).tolist() for task in TASKS if sentences},
    ]

    def key(features: Features) -> list[Any]:
        looked_at = hashlib.sha256(np.ascontiguousarray(features).tobytes()).hexdigest()
        return ["probes", VERSION, sklearn.__version__, looked_at, digest(asked), seed]

    look = partial(right_by_layer, sentences=sentences, seed=seed)
    found = remember([(key(features), partial(look, features)) for features in seen.values()])
    return dict(zip(seen, found, strict=True))


def accuracy_by_layer(rows: Sequence[Row], task: Task) -> list[Figure]:
    """Share of right answers on each layer with Wilson's interval; a sentence and its twin count as one."""
    return [share(column) for column in _right(rows, task).T]


def selectivity(rows: Sequence[Row], task: Task, **sure: int) -> list[dict[str, Any]]:
    """How much more often the probes of each layer are right than on the control task, as figures."""
    return _apart(_right(rows, task), _right(rows, task, "_control"), **sure)


def beside(rows: Sequence[Row], others: Sequence[Row], **sure: int) -> dict[str, list[dict[str, Any]]]:
    """By task and layer: how much more often one model's probes are right than another's, as figures.

    Args:
        rows, others: of the same sentences in the same order; of no sentences there is nothing, nor of models with
            other numbers of layers.
    """
    if [row["id"] for row in rows] != [row["id"] for row in others]:
        raise ValueError("probes are compared on the same sentences in the same order")
    sides = {task.name: (_right(rows, task), _right(others, task)) for task in TASKS if rows}
    return {name: _apart(one, other, **sure) for name, (one, other) in sides.items() if one.shape == other.shape}


def _right(rows: Sequence[Row], task: Task, of: str = "") -> Array:
    """Share of right answers about each sentence, [sentences, layers]."""
    return np.array([row[task.name + of] for row in rows], dtype=np.float64) / task.sides


def _apart(one: Array, other: Array, **sure: int) -> list[dict[str, Any]]:
    """Mean difference over sentences, for each layer."""
    n = len(one)
    return [interval(each[:, None], lambda sums: sums[..., 0] / n, **sure).as_json() for each in (one - other).T]


def chance(task: Task, sentences: Sequence[Row]) -> float:
    """Share that who always gives the commonest answer gets right."""
    key = task.key(sentences)
    return float(np.bincount(key.ravel()).max() / key.size)


def scored(answers: Mapping[str, Sequence[Row]], sentences: Sequence[Row], **sure: int) -> dict[str, dict[str, Any]]:
    """Every model on every layer, as retention.json has it; empty where there were too few sentences."""
    moved = {model: beside(rows, answers["base"], **sure) for model, rows in answers.items() if model != "base"}
    return {
        task.name: {
            "chance": chance(task, sentences),
            "accuracy": {
                model: [figure.as_json() for figure in accuracy_by_layer(rows, task)] for model, rows in answers.items()
            },
            "selectivity": {model: selectivity(rows, task, **sure) for model, rows in answers.items()},
            "minus_base": {model: found[task.name] for model, found in moved.items()},
        }
        for task in TASKS
        if next(iter(answers.values()), [])
    }


def _guesses(train: NDArray[np.float64], labels: ArrayLike, test: NDArray[np.float64]) -> Ids:
    """Labels [test rows, 2 or 1] of features [test rows, 2 or 1, hidden]; where all answers are the same, that one."""
    (first, *others) = np.unique(labels)
    if not others:
        return np.full(test.shape[:-1], first)
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=INVERSE_PENALTY, max_iter=500))
    probe.fit(train, labels)
    found: Ids = probe.predict(test.reshape(-1, test.shape[-1])).reshape(test.shape[:-1])
    return found
