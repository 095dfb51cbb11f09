from itertools import pairwise

import pytest

from pipeline.measuring.statistics import ladder
from pipeline.measuring.statistics.comparison import masked_kept
from tests.toy_runs import Toy, predictions

DRAWS = ladder.Draws(500, 0)


def headline(share: float) -> dict[ladder.Key, ladder.Measured]:
    return {("macro_recall", "shop"): ladder.measured([predictions(Toy(), share, "shop")])}


ARMS = {"naive": headline(0.55), "careful": headline(0.70), "same": headline(0.70), "worse": headline(0.60)}


def test_scores_by_hand() -> None:
    found = ladder.scores([predictions(Toy(), 0.6, "shop")], DRAWS)
    # 60 of 100 of each class are right and every wrong text goes to the next class, so precision is 60%, too
    for name in ("accuracy", "macro_recall", "macro_f1", "neutral_f1"):
        assert found[name]["value"] == pytest.approx(0.6), name
        assert found[name]["n"] == 300
    assert found["emoji_macro_recall"]["n"] == 60


def test_without_emoji_there_is_no_emoji_slice() -> None:
    assert ladder.scores([predictions(Toy(emoji=False), 0.6, "shop")], DRAWS)["emoji_macro_recall"] is None


def test_a_class_that_never_occurs_gives_no_figure_instead_of_a_wrong_one() -> None:
    rows = [{"id": str(place), "label": 0, "predicted": 0, "emoji": False} for place in range(9)]
    assert ladder.scores([rows], DRAWS)["neutral_f1"] == {"value": None, "low": None, "high": None, "n": 9}


def test_rungs_are_neighbours_and_overall_is_against_the_first() -> None:
    found = ladder.climb(ARMS, DRAWS)
    rungs = {(one["arm"], one["against"]): one["verdict"] for one in found if one["question"] == "rung"}
    assert rungs == {("careful", "naive"): "helped", ("same", "careful"): "undecided", ("worse", "same"): "hurt"}
    assert {(one["arm"], one["against"]) for one in found if one["question"] == "overall"} == {
        (arm, "naive") for arm in ("careful", "same", "worse")
    }
    careful = next(one for one in found if one["arm"] == "careful")
    assert careful["difference"]["value"] == pytest.approx(0.15)
    assert careful["p"] <= careful["p_holm"]


def test_no_verdict_of_help_or_harm_covers_zero() -> None:
    arms = {f"arm{place}": headline(0.5 + place / 100) for place in range(12)}
    for found in ladder.climb(arms, DRAWS):
        low, high = found["difference"]["low"], found["difference"]["high"]
        if found["verdict"] != "undecided":
            assert low > 0 if found["verdict"] == "helped" else high < 0


def test_retention_is_judged_apart_from_scores() -> None:
    base = [20.0 + place % 7 for place in range(50)]
    arms = {
        name: found | {("masked", "wiki"): masked_kept(base, [nats + lost for nats in base], [10] * 50)}
        for (name, found), lost in zip(ARMS.items(), (9, 1, 1, 1), strict=True)
    }
    found = ladder.climb(arms, DRAWS)
    alone = [one for one in ladder.climb(ARMS, DRAWS) if one["measure"] == "macro_recall"]
    assert [one for one in found if one["measure"] == "macro_recall"] == alone, "Holm runs over one question at a time"
    words = [one["verdict"] for one in found if (one["measure"], one["question"]) == ("masked", "rung")]
    assert words == ["helped", "undecided", "undecided"]


def test_against_each_floor() -> None:
    found = ladder.against_floors(ARMS, {"lower": headline(0.60), "higher": headline(0.70)}, DRAWS)
    words = {
        floor: {one["arm"]: one["verdict"] for one in found if one["against"] == floor} for floor in ("lower", "higher")
    }
    assert words["lower"] == {"naive": "hurt", "careful": "helped", "same": "helped", "worse": "undecided"}
    assert words["higher"] == {"naive": "hurt", "careful": "undecided", "same": "undecided", "worse": "hurt"}
    alone = ladder.against_floors(ARMS, {"lower": headline(0.60)}, DRAWS)
    assert found[: len(alone)] == alone, "Holm runs over one floor at a time"


def test_the_best_arm_is_advised_with_its_equals_and_the_one_that_kept_more() -> None:
    base = [20.0 + place % 7 for place in range(50)]
    lost = {"naive": 0, "careful": 5, "same": 1, "worse": 0}
    kept = {
        arm: {("masked", "wiki"): masked_kept(base, [nats + much for nats in base], [10] * 50)}
        for arm, much in lost.items()
    }
    found = ladder.recommend(ARMS, kept, DRAWS)
    assert (found["arm"], found["equal"], found["keeps_more"]) == ("careful", ["same"], "same")
    assert found["macro_recall"]["worse"] == pytest.approx(0.6)
    noisy = [nats + 5 + (3 if place % 2 else -3.1) for place, nats in enumerate(base)]
    by_chance = kept | {"same": {("masked", "wiki"): masked_kept(base, noisy, [10] * 50)}}
    assert ladder.recommend(ARMS, by_chance, DRAWS)["keeps_more"] is None, "more, but not told apart"
    assert ladder.recommend(ARMS, {arm: {} for arm in ARMS}, DRAWS)["keeps_more"] is None
    alone = ladder.recommend({"only": ARMS["naive"]}, {"only": {}}, DRAWS)
    assert (alone["arm"], alone["equal"]) == ("only", [])


def test_the_toy_ladder_climbs() -> None:
    assert all(lower < higher for lower, higher in pairwise(Toy().arms.values()))
