import numpy as np
import pytest

from pipeline.measuring.statistics.selection import lead_left

DRAWS = {"draws": 500, "seed": 0}
TEXTS, CANDIDATES = 600, 40
STRATA = np.arange(TEXTS) % 3


def answers(random: np.random.Generator, *shares: float) -> np.ndarray:
    """Whether each of some models is right of each text, at such shares."""
    return (random.random((len(shares), TEXTS)) < np.array(shares)[:, None]).astype(float)


def test_of_candidates_that_are_all_as_good_nothing_is_left_of_the_lead() -> None:
    leads, left = [], []
    for seed in range(20):
        rival, *found = answers(np.random.default_rng(seed), *[0.7] * (CANDIDATES + 1))
        leads.append(max(np.mean(found, axis=1)) - rival.mean())
        left.append(lead_left(STRATA, rival, found, draws=100, seed=seed).value)
    assert np.mean(leads) > 0.03
    assert abs(np.mean(left)) < 0.01


def test_a_real_lead_stays() -> None:
    left = []
    for seed in range(20):
        rival, *found = answers(np.random.default_rng(seed), 0.7, *[0.7] * (CANDIDATES - 1), 0.85)
        left.append(lead_left(STRATA, rival, found, draws=100, seed=seed))
    assert np.mean([each.value for each in left]) == pytest.approx(0.15, abs=0.01)
    assert all(each.low < 0.15 < each.high for each in left)


def test_of_one_candidate_it_is_its_lead() -> None:
    rival, found = answers(np.random.default_rng(0), 0.7, 0.8)
    lead = np.mean([found[kind == STRATA].mean() - rival[kind == STRATA].mean() for kind in range(3)])
    assert lead_left(STRATA, rival, [found], draws=4000, seed=0).value == pytest.approx(lead, abs=0.002)


def test_classes_count_alike_however_many_texts_they_have() -> None:
    strata = [0] * 90 + [1] * 10
    found = lead_left(strata, np.zeros(100), [[0.0] * 90 + [1.0] * 10], **DRAWS)
    assert (found.value, found.n) == (pytest.approx(0.5), 100)


def test_chosen_by_the_drawn_and_judged_by_the_left() -> None:
    """Two candidates that are right of one of two texts each: who is right of the drawn one is wrong of the other."""
    found = lead_left([0, 0], [0.5, 0.5], [[1.0, 0.0], [0.0, 1.0]], draws=200, seed=0)
    assert (found.value, found.low, found.high) == (-0.5, -0.5, -0.5)


def test_a_single_text_of_a_class_settles_nothing() -> None:
    assert np.isnan(lead_left([0, 0, 1], np.zeros(3), np.ones((2, 3)), **DRAWS).value)


def test_the_same_seed_gives_the_same() -> None:
    rival, *found = answers(np.random.default_rng(0), 0.7, 0.71, 0.72)
    assert lead_left(STRATA, rival, found, **DRAWS) == lead_left(STRATA, rival, found, **DRAWS)
