"""Probes on features made by hand: what is there is found, what is not there is chance."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.common.results import checked
from pipeline.measuring.general.results import Retention
from pipeline.measuring.layers import probes, show
from pipeline.report import csv_export

SURE = {"draws": 200, "seed": 0}
WORDS = [5 + place % 30 for place in range(90)]
BY_NAME = {task.name: task for task in probes.TASKS}
BIGRAM, LENGTH = BY_NAME["shuffled_bigram"], BY_NAME["length"]
FIRST = ["the", "it", "a", "we", "in", "no", "my", "so", "on"]
SENTENCES = [
    {"id": str(place), "words": words, "text": f"{FIRST[place * 7 % 9].title()} rest of it"}
    for place, words in enumerate(WORDS)
]


def features() -> np.ndarray:
    """Layer 0 knows nothing, layer 1 the third of its length, layer 2 if words were swapped: [90, 2, 3, 4]."""
    table = np.random.default_rng(0).normal(size=(90, 2, 3, 4)) * 0.1
    table[:, 1] = table[:, 0]
    table[:, :, 1, :3] += 5 * np.eye(3)[probes.length_bins(WORDS)][:, None]
    table[:, :, 2, 0] += [0.0, 5.0]
    return table


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return probes.right_by_layer(features(), SENTENCES, seed=0)


def test_where_all_answers_are_the_same_that_is_the_guess() -> None:
    assert probes._guesses(np.eye(4), [1, 1, 1, 1], np.zeros((2, 1, 4))).tolist() == [[1], [1]]


def test_length_is_cut_in_thirds() -> None:
    assert probes.length_bins([5, 6, 7, 8, 9, 10]).tolist() == [0, 0, 1, 1, 2, 2]
    assert probes.length_bins([7, 7, 7, 7]).tolist() == [0, 0, 0, 0]


def test_each_layer_tells_what_it_holds(rows: list[dict[str, Any]]) -> None:
    swapped = [figure.value for figure in probes.accuracy_by_layer(rows, BIGRAM)]
    length = [figure.value for figure in probes.accuracy_by_layer(rows, LENGTH)]
    assert swapped == [0.5, 0.5, 1.0]  # equal features of both twins: one of the two answers is right
    assert length[1] == 1.0
    assert length[0] < 0.5 > length[2]


def test_a_control_has_its_tasks_proportions() -> None:
    """Or a probe that knows nothing would be right more often on an uneven task than on its even control."""
    rare = replace(BY_NAME["length"], key=lambda rows: np.array([[int(place < 9)] for place in range(len(rows))]))
    sentences = [{"text": f"word{place} then"} for place in range(90)]
    drawn = probes.control(rare, sentences, seed=0)
    assert np.bincount(drawn.ravel()).tolist() == [81, 9]
    assert drawn.ravel()[:9].sum() < 9


def test_a_twin_is_never_learned_from() -> None:
    """Features that name the sentence alone: a probe that had seen the twin would know the other's answer."""
    table = np.zeros((90, 2, 1, 90))
    table[np.arange(90), :, 0, np.arange(90)] = 1.0
    table[:, 1] *= 2.0  # the twin stands further out on the sentence's own axis, and on no other
    found = probes.right_by_layer(table, SENTENCES, seed=0)
    (accuracy,) = probes.accuracy_by_layer(found, BIGRAM)
    assert accuracy.value == 0.5
    for train, test in probes.folds_of(WORDS, 0):
        assert not set(train) & set(test)
    assert sorted(np.concatenate([test for _, test in probes.folds_of(WORDS, 0)])) == list(range(90))


def test_accuracy_and_chance_by_hand() -> None:
    rows = [
        {"id": "a", "shuffled_bigram": [2], "length": [1], "shuffled_bigram_control": [1], "length_control": [1]},
        {"id": "b", "shuffled_bigram": [1], "length": [0], "shuffled_bigram_control": [0], "length_control": [0]},
        {"id": "c", "shuffled_bigram": [0], "length": [1], "shuffled_bigram_control": [0], "length_control": [0]},
        {"id": "d", "shuffled_bigram": [2], "length": [1], "shuffled_bigram_control": [2], "length_control": [1]},
    ]
    others = [row | {"shuffled_bigram": [1], "length": [1]} for row in rows]
    sentences = [{"id": row["id"], "words": words} for row, words in zip(rows, (5, 5, 6, 7), strict=True)]
    found = probes.scored({"base": rows, "adapted": rows, "tuned": others}, sentences, **SURE)
    swapped, length = found["shuffled_bigram"], found["length"]
    assert swapped["accuracy"]["base"][0]["value"] == pytest.approx(5 / 8)
    assert length["accuracy"]["adapted"][0] == length["accuracy"]["base"][0]
    assert (length["accuracy"]["base"][0]["value"], length["accuracy"]["base"][0]["n"]) == (0.75, 4)
    assert [swapped["selectivity"][model][0]["value"] for model in ("base", "tuned")] == [2 / 8, 1 / 8]
    assert [length["selectivity"][model][0]["value"] for model in ("base", "tuned")] == [1 / 4, 2 / 4]
    assert [swapped["minus_base"][model][0]["value"] for model in ("adapted", "tuned")] == [0, -1 / 8]
    assert [length["minus_base"][model][0]["value"] for model in ("adapted", "tuned")] == [0, 1 / 4]
    same, moved = length["minus_base"]["adapted"][0], length["minus_base"]["tuned"][0]
    assert (same["low"], same["high"]) == (0, 0)  # sentence by sentence: nothing is left to chance
    assert moved["low"] < 1 / 4 < moved["high"]
    assert probes.beside(others, rows, **SURE)["length"][0] == moved
    deeper = [row | {"length": [*row["length"], *row["length"]]} for row in rows]
    assert probes.beside(deeper, rows, **SURE).keys() == {
        "shuffled_bigram"
    }  # of other depths nothing stands side by side
    with pytest.raises(ValueError, match="the same sentences"):
        probes.beside(rows, rows[::-1], **SURE)
    assert (found["shuffled_bigram"]["chance"], found["length"]["chance"]) == (0.5, 0.5)


def test_a_control_is_drawn_for_first_words_and_balanced() -> None:
    for task, count in ((BIGRAM, 2), (LENGTH, 3)):
        key = probes.control(task, SENTENCES, 0)
        by_word: dict[str, set[int]] = {}
        for row, answer in zip(SENTENCES, key.tolist(), strict=True):
            by_word.setdefault(row["text"].split()[0], set()).update(answer)
        assert all(len(answers) == 1 for answers in by_word.values())
        assert key.shape == (90, task.sides)
        assert np.bincount(key[:, 0]).tolist() == ([50, 40] if count == 2 else [30, 30, 30])
        assert (key != probes.control(task, SENTENCES, 1)).any()


def test_a_probe_that_learns_anything_is_not_selective() -> None:
    """A layer that names the first word tells the control's answers, and nothing of the length."""
    table = np.zeros((90, 2, 1, 9))
    table[np.arange(90), :, 0, [place * 7 % 9 for place in range(90)]] = 1.0
    (figure,) = probes.selectivity(probes.right_by_layer(table, SENTENCES, seed=0), LENGTH, **SURE)
    assert figure["high"] < -0.5
    found = probes.right_by_layer(features(), SENTENCES, seed=0)
    assert [each["low"] > 0.4 for each in probes.selectivity(found, LENGTH, **SURE)] == [False, True, False]


def test_too_few_sentences_are_not_probed() -> None:
    assert probes.right_by_layer(features()[:3], SENTENCES[:3], seed=0) == []
    assert probes.right_by_layer(features()[:8], [{"id": "x", "words": 9, "text": "a"}] * 8, seed=0) == []
    assert probes.scored({}, []) == probes.scored({"base": []}, SENTENCES[:3]) == {}


def test_answers_are_remembered_by_features() -> None:
    known: dict[str, Any] = {}
    asked: list[Any] = []

    def remember(questions: Any) -> Any:
        for key, compute in questions:
            if str(key) not in known:
                asked.append(key)
                known[str(key)] = compute()
        return [known[str(key)] for key, _ in questions]

    few = features()[:30]
    found = probes.answers({"base": few, "tuned": few}, SENTENCES[:30], seed=0, remember=remember)
    assert len(asked) == 1
    assert found["base"] == found["tuned"]
    probes.answers({"base": few + 1}, SENTENCES[:30], seed=0, remember=remember)
    assert len(asked) == 2


def test_a_new_task_is_an_entry_of_the_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Asked, scored, declared, drawn and exported by being there; remembered answers to fewer tasks do not serve."""
    keys: list[Any] = []

    def remember(questions: Any) -> Any:
        keys.extend(key for key, _ in questions)
        return [compute() for _, compute in questions]

    few, sentences = features()[:30], SENTENCES[:30]
    probes.answers({"base": few}, sentences, seed=0, remember=remember)
    long = probes.Task(
        "long", "Has it many words?", 1, lambda rows: np.array([[int(row["words"] > 24)] for row in rows])
    )
    monkeypatch.setattr(probes, "TASKS", (*probes.TASKS, long))
    answers = probes.answers({"base": few}, sentences, seed=0, remember=remember)
    assert keys[0] != keys[1]
    found = probes.scored(answers, sentences, **SURE)
    assert found["long"]["chance"] == pytest.approx(2 / 3)
    assert found["long"]["accuracy"]["base"][1]["value"] > 0.9  # layer 1 holds the third of its length
    parts: dict[str, Any] = {key: {} for key in ("models", "scores", "shift", "cka", "drift", "masks")}
    checked(Retention, {**parts, "probes": found})
    layers = {"full": {"probes": found, "cka": {}, "drift": {}, "noise_floor": [], "by_chance": []}}
    report: Any = {"layers": layers, "ladder": []}
    assert [picture.title for picture in show.pictures(report, "full")][-1] == "Has it many words?"
    (name,) = csv_export.write(show.by_layer(report, "full"), tmp_path)
    with (tmp_path / f"{name}.csv").open(encoding="utf-8") as stream:
        assert "long, % right (chance 67), base" in next(csv.reader(stream))
