from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pipeline.search.luck import expected
from pipeline.search.results import Outcome, Tried
from tests.pipeline.search import toy

LABELS = "012" * 40


def outcome(right: Sequence[float], *, kept: float = 1.0, labels: str = LABELS, seeds: int = 1) -> Outcome:
    """Of a model that is right of a share of the texts of each class, the first ones, and else of another class."""
    draw = np.random.default_rng(round(1000 * sum(right)))
    hits = draw.random(len(labels)) < np.array([right[int(label)] for label in labels])
    said = "".join(label if hit else str((int(label) + 1) % 3) for label, hit in zip(labels, hits, strict=True))
    answers: Any = [[{"corpus": "shop", "labels": labels, "predicted": said}]] * seeds
    return {"macro_recall": toy.figure(0.5), "kept": toy.figure(kept), "at_least": kept, "answers": answers,
            "seconds": 1.0, "artifacts": [], "made": [], "problem": ""}  # fmt: skip


def tried(*outcomes: Outcome) -> list[Tried]:
    return [{"number": number, "values": {}, "outcome": own, "front": False} for number, own in enumerate(outcomes)]


NOTHING: Outcome = {**outcome([1, 1, 1]), "answers": [], "problem": "broken"}


def test_a_trial_that_is_always_right_leads_by_what_the_recipe_lacks() -> None:
    found = expected(outcome([0, 1, 1]), tried(outcome([1, 1, 1]), NOTHING), 0.95)
    assert found == {"value": pytest.approx(1 / 3), "low": pytest.approx(1 / 3), "high": pytest.approx(1 / 3), "n": 120}


def test_only_those_that_keep_the_budget_are_chosen_from() -> None:
    both = tried(outcome([1, 1, 1], kept=0.5), outcome([0, 1, 1]))
    found = expected(outcome([0, 0, 1]), both, 0.95)
    assert found
    assert found["value"] == pytest.approx(1 / 3)
    assert expected(outcome([0, 0, 1]), both, 1.5) is None


def test_of_two_seeds_each_text_counts_once() -> None:
    of_one, of_two = (
        expected(outcome([0.5, 0.5, 0.5], seeds=seeds), tried(outcome([0.7, 0.7, 0.7], seeds=seeds)), 0.95)
        for seeds in (1, 2)
    )
    assert of_one == of_two


@pytest.mark.parametrize("other", [LABELS[1:], "012" * 41])
def test_other_texts_are_not_compared(other: str) -> None:
    assert expected(outcome([0, 1, 1], labels=other), tried(outcome([1, 1, 1])), 0.95) is None


def test_of_a_few_texts_nothing_is_told() -> None:
    few = {"labels": "012" * 9}
    assert expected(outcome([0, 1, 1], **few), tried(outcome([1, 1, 1], **few)), 0.95) is None


def test_without_answers_nothing_is_told() -> None:
    silent: Outcome = {**outcome([1, 1, 1]), "answers": []}
    assert expected(silent, tried(silent), 0.95) is None
