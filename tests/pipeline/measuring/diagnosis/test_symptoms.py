"""Figures worked out by hand from a small report."""

from __future__ import annotations

import math

import pytest

from pipeline.measuring.diagnosis.symptoms import figures_of
from tests.planted import figure, sound_report


def test_what_a_sound_report_says() -> None:
    found = figures_of(sound_report(), "sound")
    assert (found["score"].value, found["floor"].value, found["score"].place) == (0.8, 0.7, "toy-reviews")
    assert found["kept.tuned"].value == 0.98
    assert found["base.pairs"].value == 0.9
    assert found["gain.reviews"].value == pytest.approx(1.1)  # 3.0 - 1.9
    assert found["far.reviews"].value == pytest.approx(1.0)  # 3.0 - 2.0
    assert found["far.after"].value == pytest.approx(-0.1)
    assert found["tune.trainable"].value == pytest.approx(0.4)
    assert found["setting.finetune.learning_rate"].value == 2e-5
    assert "setting.finetune.method" not in found


def test_a_difference_is_less_sure_than_its_sides() -> None:
    """Half-widths 0.03 and 0.04: the interval of the difference reaches 0.05 to both sides."""
    report = sound_report()
    report["masked_loss"]["sound"]["toy-reviews"] |= {"base": figure(3.0, 0.03), "adapted": figure(1.9, 0.04)}
    found = figures_of(report, "sound")["gain.reviews"]
    assert (found.low, found.high) == (pytest.approx(1.05), pytest.approx(1.15))


def test_tuning_is_what_is_left_of_what_adaptation_left() -> None:
    """0.4 of 0.8 is a half; the interval adds up on the scale of nats."""
    report = sound_report()
    kept = report["retention"]["sound"]
    kept["adapted"]["kept"]["masked"] = {"toy-general": {"value": 0.8, "low": 0.8 / 1.1, "high": 0.8 * 1.1, "n": 40}}
    kept["tuned"]["kept"]["masked"] = {"toy-general": {"value": 0.4, "low": 0.4 / 1.2, "high": 0.4 * 1.2, "n": 40}}
    found = figures_of(report, "sound")["kept.tuning"]
    width = math.hypot(math.log(1.1), math.log(1.2))
    assert found.value == pytest.approx(0.5)
    assert (found.low, found.high) == (pytest.approx(0.5 * math.exp(-width)), pytest.approx(0.5 * math.exp(width)))


def test_the_worst_corpus_stands_for_all() -> None:
    report = sound_report()
    report["retention"]["sound"]["tuned"]["kept"]["masked"]["other"] = figure(0.5)
    report["ladder"][0]["scores"]["hard"] = {"macro_recall": figure(0.6), "emoji_macro_recall": None}
    report["floors"]["tfidf"]["hard"] = {"macro_recall": figure(0.64)}
    report["floors"]["features"]["hard"] = {"macro_recall": figure(0.65)}
    found = figures_of(report, "sound")
    assert (found["kept.tuned"].value, found["kept.tuned"].place) == (0.5, "other")
    assert (found["score"].value, found["score"].place, found["floor"].value) == (0.6, "hard", 0.65)


def test_wrong_polarity_counts_what_was_called_the_opposite() -> None:
    """10 + 20 of 100 texts with a polarity that were given one; Wilson's interval, worked out by hand."""
    report = sound_report()
    report["arms"]["sound"]["seeds"]["0"]["toy-reviews"]["confusion"] = [[30, 50, 10], [7, 8, 9], [20, 0, 40]]
    found = figures_of(report, "sound")["polarity.wrong"]
    assert (found.value, found.n) == (0.3, 100)
    assert (found.low, found.high) == (pytest.approx(0.2189, abs=1e-4), pytest.approx(0.3958, abs=1e-4))


def test_seeds_are_averaged_and_their_range_is_the_interval() -> None:
    report = sound_report()
    told = report["arms"]["sound"]
    told["finetune"]["1"] = {**told["finetune"]["0"], "dev_macro_recall": 0.6}
    told["history"]["finetune"]["1"] = [{"epoch": 1, "step": 10, "train_loss": 0.7, "dev_loss": 0.9}]
    found = figures_of(report, "sound")
    assert (found["tune.train"].value, found["tune.train"].low, found["tune.train"].high) == (0.6, 0.5, 0.7)
    assert found["tune.dev_recall"].value == pytest.approx(0.7)


def test_seeds_whose_adversary_alarmed_are_counted() -> None:
    report = sound_report()
    assert "align.alarm" not in figures_of(report, "sound")
    told = {"domain_loss": 0.69, "lowest_domain_loss": 0.6, "variance_left": 0.05, "alarm": "the features collapsed"}
    report["arms"]["sound"]["finetune"] = {
        "0": {"domain_adversary": told, "domains": {"before": figure(0.9), "after": figure(0.85)}},
        "1": {
            "domain_adversary": told | {"alarm": None, "lowest_domain_loss": 0.4},
            "domains": {"before": figure(0.9), "after": figure(0.6)},
        },
    }
    found = figures_of(report, "sound")
    assert (found["align.alarm"].value, found["align.lowest"].value) == (1, pytest.approx(0.5))
    assert found["align.variance"].value == pytest.approx(0.05)
    assert (found["align.before"].value, found["align.after"].value) == (0.9, 0.85)  # of the seed that did worse
    assert found["align.fell"].value == pytest.approx(0.05)


def test_verdicts_and_changes_are_counted() -> None:
    report = sound_report()
    report["ladder"].append({
        "arm": "late", "scores": {}, "changes": [{"setting": "pretrain.learning_rate", "from": 1e-4, "to": 1e-1}]
    })  # fmt: skip
    hurt = {"question": "rung", "measure": "macro_recall", "arm": "late", "against": "sound", "verdict": "worse"}
    report["verdicts"] = [hurt | {"place": "a", "difference": figure(-0.1)},
                          hurt | {"place": "b", "difference": figure(-0.2)},
                          hurt | {"place": "c", "difference": figure(0.0), "verdict": "undecided"},
                          hurt | {"place": "d", "difference": figure(-0.5), "measure": "masked"}]  # fmt: skip
    found = figures_of(report, "late")
    assert (found["hurt.rung"].value, found["hurt.overall"].value) == (2, 0)
    assert (found["against.rung"].value, found["against.rung"].place) == (-0.2, "sound")
    assert (found["changed.pretrain"].value, found["changed.finetune"].value) == (1, 0)


def test_an_arm_is_set_against_those_from_random_weights() -> None:
    report = sound_report()
    report["ladder"].append({"arm": "late", "scores": {}, "changes": []})
    report["arms"]["late"] = {"source": {"name": "minilm"}}
    report["arms"]["sound"]["source"]["name"] = "scratch"
    hurt = {"measure": "macro_recall", "arm": "late", "against": "sound", "verdict": "worse", "place": "a"}
    report["verdicts"] = [hurt | {"question": question, "difference": figure(by)}
                          for question, by in (("overall", -0.1), ("control", -0.2))]  # fmt: skip
    assert [figures_of(report, arm)["scratch"].value for arm in ("sound", "late")] == [1, 0]
    assert [figures_of(report, arm)["hurt.scratch"].value for arm in ("sound", "late")] == [0, 2]
    assert figures_of(report, "late")["against.scratch"].value == -0.2
    report["arms"]["sound"]["source"]["name"] = "elsewhere"
    found = figures_of(report, "late")
    assert (found["hurt.scratch"].value, found["hurt.control"].value) == (0, 1)


def test_conflicts_are_a_share_of_what_was_read() -> None:
    report = sound_report()
    report["corpora"]["toy-reviews"]["dropped"] = {"label conflict": 50, "duplicate": 10}
    found = figures_of(report, "sound")["labels.conflicts"]
    assert (found.value, found.n) == (0.1, 500)  # of the 450 that are left and the 50


def test_without_general_text_nothing_is_said_of_it() -> None:
    report = sound_report()
    report["retention"] = {"sound": {}}
    del report["masked_loss"]["sound"]["toy-general"]
    found = figures_of(report, "sound")
    assert not {"kept.tuned", "far.reviews", "base.pairs"} & set(found)
    assert found["gain.reviews"].value == pytest.approx(1.1)


def test_the_floor_that_is_farthest_above_is_named() -> None:
    report = sound_report()
    report["verdicts"] = [
        {"question": "floor", "measure": "macro_recall", "place": "toy-reviews", "arm": "sound", "against": floor,
         "difference": figure(gap), "verdict": word}
        for floor, gap, word in (("tfidf", 0.1, "better"), ("features", -0.2, "worse"))
    ]  # fmt: skip
    found = figures_of(report, "sound")
    assert (found["against.floor"].value, found["against.floor"].place) == (-0.2, "feature floor")
    assert found["hurt.floor"].value == 1
