from itertools import pairwise
from typing import Any

import pytest

from pipeline.measuring.statistics import ladder
from pipeline.measuring.statistics.bootstrap import Difference
from pipeline.measuring.statistics.comparison import masked_kept, verdicts
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


def test_backward_transfer_by_hand() -> None:
    """Old corpora, large and small, count alike: one loses a fifth of each class, the other wins a tenth: −5 points."""
    before = {"old": [predictions(Toy(), 0.8, "old")], "older": [predictions(Toy(), 0.6, "older")[:150]]}
    after = {"old": [predictions(Toy(), 0.6, "old")], "older": [predictions(Toy(), 0.7, "older")[:150]]}
    own = [ladder.measured(side["older"]).value for side in (before, after)]
    found = DRAWS.of(ladder.transferred_back(before, after))
    assert found["value"] == pytest.approx((-0.2 + own[1] - own[0]) / 2)
    assert found["n"] == 450
    assert found["low"] < found["value"] < found["high"]
    sides = ({"old": [predictions(Toy(folds=5), share, "old")]} for share in (0.8, 0.6))
    folded, alone = (
        ladder.transferred_back(*sides),
        ladder.transferred_back(*({"old": one["old"]} for one in (before, after))),
    )
    assert folded.folds is not None
    assert folded.value == pytest.approx(alone.value) == pytest.approx(-0.2)
    nothing = DRAWS.of(ladder.transferred_back(before, before))
    assert (nothing["value"], nothing["low"], nothing["high"]) == (0.0, 0.0, 0.0)


EVERY: list[ladder.Kind] = ["rungs", "overall", "floors", "emoji", "masked", "controls"]


def judged(asked: list[ladder.Comparison], primary: list[ladder.Kind] = EVERY) -> dict[tuple[str, str, str], Any]:
    """(measure, arm, against) -> what was told."""
    told = ladder.judge(asked, primary, 0.01, DRAWS)
    return {(one["measure"], one["arm"], one["against"]): one for one in told}


def test_a_large_family_has_samples_enough_to_show_a_difference() -> None:
    """The least p of 500 samples is 2 / 501, which 20 comparisons together make 0.08."""
    arms = {"naive": headline(0.4), **{f"arm-{place}": headline(0.8) for place in range(20)}}
    found = judged(ladder.climb(arms, "arm-0", "first")).values()
    assert [one["verdict"] for one in found] == ["better"] * 20
    assert {one["p_holm"] for one in found} == {20 * 2 / 801}


def test_rungs_are_neighbours_and_overall_is_against_the_first() -> None:
    found = judged(ladder.climb(ARMS, "worse"))
    assert {pair[1:]: (one["question"], one["verdict"]) for pair, one in found.items()} == {
        ("careful", "naive"): ("rung", "better"),
        ("same", "careful"): ("rung", "no-worse"),
        ("worse", "same"): ("rung", "worse"),
        ("same", "naive"): ("overall", "exploratory"),
        ("worse", "naive"): ("overall", "better"),
    }
    careful = found["macro_recall", "careful", "naive"]
    assert careful["difference"]["value"] == pytest.approx(0.15)
    assert careful["p"] <= careful["p_holm"]


def test_side_by_side_each_arm_is_a_rung_on_the_first() -> None:
    found = judged(ladder.climb(ARMS, "worse", "first"), ["rungs"])
    assert {pair[1:]: (one["question"], one["verdict"]) for pair, one in found.items()} == {
        ("careful", "naive"): ("rung", "better"),
        ("same", "naive"): ("rung", "better"),
        ("worse", "naive"): ("rung", "better"),
    }


def test_one_family_holds_each_comparison_once() -> None:
    """Of two arms the rung is the whole ladder: one comparison, and no correction for itself."""
    asked = ladder.climb({name: ARMS[name] for name in ("naive", "careful")}, "careful")
    ((_, found),) = judged(asked).items()
    assert (found["question"], found["p_holm"]) == ("rung", found["p"])
    assert judged(asked, ["overall"])["macro_recall", "careful", "naive"]["verdict"] == "better"


def test_what_is_not_declared_is_exploratory_and_costs_the_others_nothing() -> None:
    asked = ladder.climb(ARMS, "worse")
    asked += ladder.against("floor", ARMS, {"floor": headline(0.50)}, "worse", "floors")
    found = judged(asked, ["floors"])
    told = {pair: one["verdict"] for pair, one in found.items() if one["verdict"] != "exploratory"}
    assert told == {("macro_recall", "worse", "floor"): "better"}
    assert found["macro_recall", "worse", "floor"]["p_holm"] == found["macro_recall", "worse", "floor"]["p"]
    assert found["macro_recall", "careful", "naive"]["p_holm"] is None


def test_what_cannot_be_measured_costs_the_others_nothing() -> None:
    """Eight neutral texts: no macro-recall there, no verdict, and no share in Holm's correction."""
    few = Toy(few=("corner",))
    arms = {
        arm: found | {("macro_recall", "corner"): ladder.measured([predictions(few, 0.7, "corner")])}
        for arm, found in ARMS.items()
    }
    alone, beside = (
        ladder.judge(ladder.climb(each, "worse"), EVERY, 0.01, ladder.Draws(1000, 0)) for each in (ARMS, arms)
    )
    assert [one for one in beside if one["place"] == "shop"] == alone
    corner = [one for one in beside if one["place"] == "corner"]
    assert len(corner) == len(alone)
    assert {(one["verdict"], one["p_holm"], one["difference"]["value"]) for one in corner} == {
        ("unmeasured", None, None)
    }


def test_no_verdict_of_a_difference_covers_zero() -> None:
    arms = {f"arm{place}": headline(0.5 + place / 100) for place in range(12)}
    for found in judged(ladder.climb(arms, "arm11")).values():
        low, high = found["difference"]["low"], found["difference"]["high"]
        if found["verdict"] in ("better", "worse"):
            assert low > 0 if found["verdict"] == "better" else high < 0


def test_of_retention_masked_words_of_the_final_arm_are_declared() -> None:
    base = [20.0 + place % 7 for place in range(50)]
    arms = {
        name: found | {("masked", "wiki"): masked_kept(base, [nats + lost for nats in base], [10] * 50)}
        for (name, found), lost in zip(ARMS.items(), (9, 1, 1, 1), strict=True)
    }
    found = judged(ladder.climb(arms, "worse"))
    words = {pair[1:]: one["verdict"] for pair, one in found.items() if pair[0] == "masked"}
    assert words.pop(("worse", "naive")) == "better"
    assert set(words.values()) == {"exploratory"}


def test_each_floor_is_asked_of_every_arm_and_declared_of_the_final_one() -> None:
    floors = {"lower": headline(0.60), "higher": headline(0.70)}
    found = judged(ladder.against("floor", ARMS, floors, "careful", "floors"))
    told = {pair[1:]: one["verdict"] for pair, one in found.items() if pair[1] == "careful"}
    assert told == {("careful", "lower"): "better", ("careful", "higher"): "no-worse"}
    assert {one["verdict"] for pair, one in found.items() if pair[1] != "careful"} == {"exploratory"}


def test_harm_that_a_correction_hides_is_not_called_equal() -> None:
    """-1.3 (-2.4 to -0.2) beside other comparisons: undecided after Holm, and by no means no worse."""
    hurt, even = Difference(-0.013, -0.024, -0.002, 3000, 0.02), Difference(0.0, -0.008, 0.008, 3000, 1.0)
    assert [word for _, word in verdicts([hurt, *[even] * 3], 0.01)] == ["undecided", *["no-worse"] * 3]
    assert [word for _, word in verdicts([hurt], 0.01)] == ["worse"]


def test_the_best_arm_is_advised_with_its_equals_and_the_one_that_kept_more() -> None:
    base = [20.0 + place % 7 for place in range(50)]
    lost = {"naive": 0, "careful": 5, "same": 1, "worse": 0}
    kept = {
        arm: {("masked", "wiki"): masked_kept(base, [nats + much for nats in base], [10] * 50)}
        for arm, much in lost.items()
    }
    found = ladder.recommend(ARMS, kept, 0.01, DRAWS)
    assert (found["arm"], found["equal"], found["keeps_more"]) == ("careful", ["same"], "same")
    assert found["more_of"] == ["masked", "wiki"]
    even = {arm: {("masked", "news"): masked_kept(base, base, [10] * 50)} | found for arm, found in kept.items()}
    assert ladder.recommend(ARMS, even, 0.01, DRAWS)["more_of"] == ["masked", "wiki"], "where it is shown"
    assert found["open"] == [], "the intervals of the others lie below the best"
    rows = predictions(Toy(), 0.68, "shop")  # wrong on other texts
    other = [row | {"predicted": rows[place - 51]["predicted"]} for place, row in enumerate(rows)]
    near = ARMS | {"near": {("macro_recall", "shop"): ladder.measured([other])}}
    assert ladder.recommend(near, {arm: {} for arm in near}, 0.01, DRAWS)["open"] == ["near"]
    assert found["macro_recall"]["worse"] == pytest.approx(0.6)
    noisy = [nats + 5 + (3 if place % 2 else -3.1) for place, nats in enumerate(base)]
    by_chance = kept | {"same": {("masked", "wiki"): masked_kept(base, noisy, [10] * 50)}}
    assert ladder.recommend(ARMS, by_chance, 0.01, DRAWS)["keeps_more"] is None, "more, but not told apart"
    assert ladder.recommend(ARMS, {arm: {} for arm in ARMS}, 0.01, DRAWS)["keeps_more"] is None
    alone = ladder.recommend({"only": ARMS["naive"]}, {"only": {}}, 0.01, DRAWS)
    assert (alone["arm"], alone["equal"]) == ("only", [])


def test_a_corpus_of_few_texts_advises_no_arm() -> None:
    """By the corner, of eight neutral texts, the worse arm would be better, and no arm as good as another."""
    few = Toy(few=("corner",))
    shares = {"naive": 0.9, "careful": 0.5, "same": 0.4, "worse": 0.9}
    corner = {
        arm: {("macro_recall", "corner"): ladder.measured([predictions(few, share, "corner")])}
        for arm, share in shares.items()
    }
    nothing: dict[str, dict[ladder.Key, ladder.Measured]] = {arm: {} for arm in ARMS}
    both = {arm: found | corner[arm] for arm, found in ARMS.items()}
    assert ladder.recommend(both, nothing, 0.01, DRAWS) == ladder.recommend(ARMS, nothing, 0.01, DRAWS)
    assert ladder.mean_of(both["naive"]) == pytest.approx(0.55)
    alone = ladder.recommend(corner, nothing, 0.01, DRAWS)
    assert alone == {"arm": None, "equal": [], "open": [], "keeps_more": None, "more_of": None, "macro_recall": {}}


def test_the_toy_ladder_climbs() -> None:
    assert all(lower < higher for lower, higher in pairwise(Toy().arms.values()))
