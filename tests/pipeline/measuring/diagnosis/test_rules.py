"""Each rule at its threshold, one step inside and one outside; which command follows; what a sound arm is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from pipeline.measuring.diagnosis.rules import RULES, Advice, Condition, Rules, against, diagnose, fill, load, speaking
from pipeline.measuring.diagnosis.symptoms import Figure, exactly
from tests.planted import figure, sound_report

Edge = tuple[float, float, float]
"""value, low, high of a figure."""

NOTHING: dict[str, Edge] = {"adapt.tokens": (0, 0, 0)}
ADAPTED: dict[str, Edge] = {"adapt.tokens": (9e5, 9e5, 9e5)}
ONLY_PRETRAIN: dict[str, Edge] = ADAPTED | {
    "changed.pretrain": (1, 1, 1), "changed.source": (0, 0, 0), "changed.tokenizer": (0, 0, 0),
    "changed.finetune": (0, 0, 0),
}  # fmt: skip

EDGES: list[tuple[str, dict[str, Edge], str, Edge, Edge]] = [
    # rule, the other figures, the figure in question: just enough, just not enough
    ("labels-turned-round", {}, "polarity.wrong", (0.7, 0.51, 0.8), (0.7, 0.49, 0.8)),
    ("labels-at-odds", {"floor": (0.36, 0.31, 0.4)}, "score", (0.35, 0.33, 0.4), (0.37, 0.34, 0.4)),
    ("labels-at-odds", {"score": (0.36, 0.31, 0.4)}, "floor", (0.35, 0.33, 0.4), (0.37, 0.34, 0.4)),
    ("labels-in-conflict", {}, "labels.conflicts", (0.05, 0.034, 0.07), (0.05, 0.032, 0.07)),
    ("frozen-too-far", {"tune.lora": (0, 0, 0), "tune.train": (0.8, 0.8, 0.8)}, "tune.trainable",
     (0.049, 0.049, 0.049), (0.051, 0.051, 0.051)),
    ("frozen-too-far", {"tune.lora": (0, 0, 0), "tune.trainable": (0.01, 0.01, 0.01)}, "tune.train",
     (0.55, 0.5, 0.6), (0.54, 0.5, 0.6)),
    ("frozen-too-far", {"tune.trainable": (0.01, 0.01, 0.01), "tune.train": (0.8, 0.8, 0.8)}, "tune.lora",
     (0, 0, 0), (1, 1, 1)),
    ("rate-out-of-range", {"tune.train": (1.1, 1.1, 1.1)},
     "setting.finetune.learning_rate",
     (2e-3, 2e-3, 2e-3), (1e-3, 1e-3, 1e-3)),
    ("tuning-diverged", {"score": (0.33, 0.31, 0.35), "tune.train": (1.1, 1.1, 1.1)}, "kept.tuning",
     (0.89, 0.8, 0.95), (0.91, 0.8, 0.95)),
    ("tuning-diverged", {"kept.tuning": (0.1, 0.1, 0.1), "tune.train": (1.1, 1.1, 1.1)}, "score",
     (0.4, 0.33, 0.5), (0.4, 0.34, 0.5)),
    ("tuning-diverged", {"kept.tuning": (0.1, 0.1, 0.1), "score": (0.33, 0.31, 0.35)}, "tune.train",
     (1.01, 1.01, 1.01), (0.99, 0.99, 0.99)),
    ("tuning-too-slow", {"score": (0.33, 0.31, 0.35), "tune.train": (1.1, 1.1, 1.1)}, "kept.tuning",
     (0.91, 0.8, 0.95), (0.89, 0.8, 0.95)),
    ("adaptation-diverged", ADAPTED, "gain.own", (-1, -2, -0.01), (-1, -2, 0.01)),
    ("forgot-in-adaptation", ADAPTED, "kept.adapted", (0.8, 0.7, 0.899), (0.8, 0.7, 0.901)),
    ("forgot-in-tuning", {"kept.tuning": (0.8, 0.6, 1)}, "kept.tuned", (0.8, 0.7, 0.899), (0.8, 0.7, 0.901)),
    ("forgot-in-tuning", {"kept.tuned": (0.8, 0.7, 0.89)}, "kept.tuning", (0.89, 0.7, 1), (0.91, 0.7, 1)),
    ("forgot-old-reviews", {}, "backward", (-0.05, -0.1, -0.001), (-0.05, -0.1, 0.001)),
    ("grammar-lost", {}, "kept.pairs", (0.8, 0.7, 0.899), (0.8, 0.7, 0.901)),
    ("source-knows-no-grammar", {"scratch": (0, 0, 0)}, "base.pairs", (0.52, 0.499, 0.6), (0.55, 0.501, 0.6)),
    ("source-knows-no-grammar", {"base.pairs": (0.5, 0.4, 0.6)}, "scratch", (0, 0, 0), (1, 1, 1)),
    ("source-hurt", {}, "hurt.scratch", (1, 1, 1), (0, 0, 0)),
    ("worse-than-a-control", {}, "hurt.control", (1, 1, 1), (0, 0, 0)),
    ("rate-out-of-range", {"setting.finetune.learning_rate": (2e-3, 2e-3, 2e-3)}, "tune.train",
     (1.01, 1.01, 1.01), (0.99, 0.99, 0.99)),
    ("adaptation-hurt", ONLY_PRETRAIN, "hurt.rung", (1, 1, 1), (0, 0, 0)),
    ("adaptation-hurt", ONLY_PRETRAIN | {"hurt.rung": (1, 1, 1)}, "changed.finetune", (0, 0, 0), (1, 1, 1)),
    ("adaptation-beside-the-point", ADAPTED | {"gain.own": (1, 0.8, 1.2)}, "gain.reviews",
     (-0.5, -1, -0.01), (-0.5, -1, 0.01)),
    ("emoji-unread", {"emoji.texts": (0.4, 0.3, 0.5)}, "emoji.unread", (0.51, 0.51, 0.51), (0.49, 0.49, 0.49)),
    ("emoji-unread", {"emoji.unread": (1, 1, 1)}, "emoji.texts", (0.011, 0, 1), (0.009, 0, 1)),
    ("emoji-behind", {"emoji.texts": (0.4, 0.3, 0.5)}, "emoji.behind", (0.1, 0.01, 0.2), (0.1, -0.01, 0.2)),
    ("far-from-base", NOTHING, "far.reviews", (0.5, 0.14, 0.9), (0.5, 0.12, 0.9)),
    ("far-from-base", {"far.reviews": (0.5, 0.3, 0.7)}, "adapt.tokens", (0, 0, 0), (1, 1, 1)),
    ("still-far", ADAPTED | {"adapt.unfinished": (1, 1, 1), "gain.reviews": (1, 0.9, 1.1)}, "far.after",
     (0.5, 0.14, 0.9), (0.5, 0.12, 0.9)),
    ("alignment-failed", {}, "align.alarm", (1, 1, 1), (0, 0, 0)),
    ("alignment-outrun", {"align.before": (0.9, 0.8, 1.0)}, "align.fell", (0.09, 0.0, 0.2), (0.11, 0.0, 0.2)),
    ("alignment-outrun", {"align.fell": (0.0, -0.1, 0.1)}, "align.before", (0.8, 0.76, 0.9), (0.8, 0.74, 0.9)),
    ("worse-than-the-floor", {}, "hurt.floor", (1, 1, 1), (0, 0, 0)),
    ("overfitting", {"tune.train": (0.2, 0.2, 0.2)}, "tune.dev", (1.1, 1.1, 1.1), (1.09, 1.09, 1.09)),
    ("overfitting", {"tune.dev": (1.5, 1.5, 1.5)}, "tune.train", (0.54, 0.54, 0.54), (0.56, 0.56, 0.56)),
]  # fmt: skip


def figures(edges: dict[str, Edge], n: int = 200) -> dict[str, Figure]:
    return {name: Figure(*edge, n) for name, edge in edges.items()}


def spoken(edges: dict[str, Edge], n: int = 200) -> list[str]:
    return [rule.name for rule in speaking(load().rules, figures(edges, n))]


@pytest.mark.parametrize(("rule", "others", "figure", "inside", "outside"), EDGES)
def test_a_rule_speaks_on_one_side_of_its_threshold(
    rule: str, others: dict[str, Edge], figure: str, inside: Edge, outside: Edge
) -> None:
    assert spoken(others | {figure: inside}) == [rule]
    assert rule not in spoken(others | {figure: outside})
    unmeasured = {name: edge for name, edge in others.items() if name != figure}
    assert rule not in spoken(unmeasured)


def test_every_rule_stands_at_a_threshold_above() -> None:
    assert {rule.name for rule in load().rules} == {edge[0] for edge in EDGES}


def test_too_few_items_are_no_evidence() -> None:
    assert spoken({"polarity.wrong": (0.7, 0.51, 0.8)}, n=29) == []
    assert spoken({"base.pairs": (0.5, 0.4, 0.6), "scratch": (0, 0, 0)}, n=99) == []


def test_what_follows_from_something_graver_is_not_said() -> None:
    far = {"kept.tuned": (0.1, 0.1, 0.2), "kept.tuning": (0.1, 0.1, 0.2), "kept.pairs": (0.1, 0.1, 0.2)}
    assert spoken(far) == ["forgot-in-tuning"]
    failed = far | {"score": (0.33, 0.3, 0.36), "tune.train": (1.1, 1.1, 1.1), "hurt.floor": (1, 1, 1)}
    assert spoken(failed)[0] == "tuning-diverged"
    assert "forgot-in-tuning" not in spoken(failed)


def test_every_figure_that_rules_use_is_explained_in_the_head() -> None:
    text = RULES.read_text(encoding="utf-8")
    head = text[: text.index("\nrules:")]
    book = load()
    used = {condition.figure for rule in book.all for condition in rule.when}
    used |= {rule.improves for rule in book.all}
    families = {"changed": "changed.STAGE", "setting": "setting.STAGE.KEY"}
    explained = {families.get(name.split(".")[0], name) for name in used}
    assert [name for name in explained if name not in head] == []


def test_a_sound_arm_is_told_so() -> None:
    found = diagnose(sound_report())
    assert [(one["arm"], one["issue"], one["rule"]) for one in found] == [("sound", "nothing found", "nothing-found")]
    assert found[0]["evidence"][0] == "macro-recall 80.0% (77.0 to 83.0) on toy-reviews, the floor 70.0% (67.0 to 73.0)"
    assert found[0]["command"] == "make show"


def with_width(half: float, **settings: float) -> dict[str, Any]:
    report = sound_report()
    figure = {"value": 0.8, "low": 0.8 - half, "high": 0.8 + half, "n": 58}
    report["ladder"][0]["scores"]["toy-reviews"]["macro_recall"] = figure
    report["arms"]["sound"]["settings"] = {"prepare": settings}
    return report


def test_on_few_texts_nothing_found_is_not_told_as_good_news() -> None:
    (found,) = diagnose(with_width(0.06, share_of_rows=1.0, folds=1))
    assert (found["issue"], found["rule"]) == ("too few texts", "too-few-tests")
    assert "on the 58 test texts of toy-reviews: more than five points to either side" in found["evidence"][0]
    assert found["command"] == 'make all SET="prepare.folds=5"'
    (found,) = diagnose(with_width(0.06, share_of_rows=0.2, folds=1))
    assert found["command"] == 'make all SET="prepare.share_of_rows=1"'
    (found,) = diagnose(with_width(0.06, share_of_rows=1.0, folds=5))
    assert found["command"] == "make cards"
    assert diagnose(with_width(0.049, share_of_rows=1.0, folds=1))[0]["rule"] == "nothing-found"


def test_where_a_rule_speaks_the_few_texts_are_no_finding_of_their_own() -> None:
    report = with_width(0.06)
    report["corpora"]["toy-reviews"]["dropped"] = {"label conflict": 900}
    rules = [found["rule"] for found in diagnose(report)]
    assert rules
    assert "too-few-tests" not in rules


HELD = {"distillation": {"states": 1.0}}


def with_kept(adapted: float, tuned: float, settings: dict[str, Any]) -> dict[str, Any]:
    report = sound_report()
    for model, value in (("adapted", adapted), ("tuned", tuned)):
        told = {"value": value, "low": value - 0.03, "high": value + 0.03, "n": 40}
        report["retention"]["sound"][model]["kept"]["masked"]["toy-general"] = told
    report["arms"]["sound"]["settings"] = settings
    return report


@pytest.mark.parametrize(
    ("adapted", "tuned", "settings", "command"),
    [
        (0.5, 0.5, {}, "arms.sound.pretrain.replay_share=0.3"),
        (0.5, 0.5, {"pretrain": {"replay_share": 0.3, "learning_rate": 1e-4}},
         "arms.sound.pretrain.learning_rate=3e-05"),
        (1.0, 0.5, {"finetune": {"learning_rate": 1e-3, "distillation": {"states": 0.0}}},
         "arms.sound.finetune.distillation.states=1"),
        (1.0, 0.5, {"finetune": HELD | {"learning_rate": 1e-3}}, "arms.sound.finetune.learning_rate=0.0003"),
        (1.0, 0.5, {"finetune": HELD | {"learning_rate": 2e-5, "freezing": {"layers": 2}}},
         "arms.sound.finetune.freezing.layers=3"),
        (1.0, 0.5, {"finetune": HELD | {"learning_rate": 2e-5, "freezing": {"layers": [6]}}},
         "arms.sound.finetune.replay.states=1"),
        (1.0, 0.5, {"finetune": HELD}, "arms.sound.finetune.freezing.layers=2"),
    ],
)  # fmt: skip
def test_the_step_that_lost_it_is_the_one_to_change(
    adapted: float, tuned: float, settings: dict[str, Any], command: str
) -> None:
    (found,) = diagnose(with_kept(adapted, tuned, settings))
    assert found["issue"] == "catastrophic forgetting"
    assert found["rule"] == ("forgot-in-adaptation" if adapted < 0.9 else "forgot-in-tuning")
    assert found["command"] == f'make all SET="{command}"'
    assert found["setting"]["name"] == command.split("=")[0]


@pytest.mark.parametrize(
    ("measure", "verdict", "beside", "command"),
    [
        ("masked", "better", "first", "freezing.layers=4"),
        ("masked", "better", "above", "distillation.states=1"),  # then its changes are against the arm above it
        ("masked", "exploratory", "first", "distillation.states=1"),
        ("macro_recall", "better", "first", "distillation.states=1"),  # it is general English that is missing
    ],
)
def test_what_helped_another_arm_here_is_advised_first(measure: str, verdict: str, beside: str, command: str) -> None:
    report = with_kept(1.0, 0.5, {"finetune": {"learning_rate": 1e-3, "distillation": {"states": 0.0}}})
    rung, kinds = report["ladder"][0], ("retention", "arms", "coverage", "masked_loss")
    change = {"setting": "finetune.freezing.layers", "from": 2, "to": 4}
    for name, changes in (("between", []), ("deeper", [change])):
        report["ladder"].append({**rung, "arm": name, "changes": changes})
        for kind in kinds:
            report[kind][name] = sound_report()[kind]["sound"]
    told = {"difference": figure(0.2), "p": 0.0, "p_holm": 0.0, "verdict": verdict, "question": "overall"}
    report["verdicts"] = [told | {"measure": measure, "place": "toy-general", "arm": "deeper", "against": "sound"}]
    found = diagnose(report | {"beside": beside})[0]
    assert found["command"] == f'make all SET="arms.sound.finetune.{command}"'


def told(measure: str, verdict: str, arm: str) -> dict[str, Any]:
    return {"difference": figure(0.2), "p": 0.0, "p_holm": 0.0, "verdict": verdict, "question": "rung",
            "measure": measure, "place": "toy-general", "arm": arm, "against": "sound"}  # fmt: skip


def with_arm(report: dict[str, Any], changes: list[tuple[str, Any, Any]], *verdicts: tuple[str, str]) -> dict[str, Any]:
    """The report with an arm more, that was judged so against ``sound``."""
    for kind in ("retention", "arms", "coverage", "masked_loss"):
        report[kind]["other"] = sound_report()[kind]["sound"]
    named = [dict(zip(("setting", "from", "to"), change, strict=True)) for change in changes]
    report["ladder"].append({**report["ladder"][0], "arm": "other", "changes": named})
    report["verdicts"] = [told(measure, verdict, "other") for measure, verdict in verdicts]
    return report | {"beside": "first"}


def test_of_forgetting_in_adaptation_it_is_said_how_much_general_text_there_was() -> None:
    report = with_kept(0.5, 0.5, {})
    report["arms"]["sound"]["pretrain"]["replay_share"] = 0.1496
    assert "It was 15.0% of what was read: where that is less than pretrain" in diagnose(report)[0]["because"]


def test_what_two_settings_together_brought_is_advised_whole() -> None:
    report = with_kept(1.0, 0.5, {"finetune": HELD | {"learning_rate": 1e-4}})
    changes = [("finetune.method", "full", "lora"), ("finetune.learning_rate", 1e-4, 1e-3)]
    report = with_arm(report, changes, ("masked", "better"), ("macro_recall", "worse"))
    assert diagnose(report)[0]["command"] == (
        'make all SET="arms.sound.finetune.method=lora arms.sound.finetune.learning_rate=0.001"'
    )
    ladder = diagnose(report | {"beside": "above"})[0]  # of an arm above another, what of it helped is not known
    assert ladder["command"] == 'make all SET="arms.sound.finetune.learning_rate=3e-05"'


@pytest.mark.parametrize(
    ("changes", "verdicts", "command"),
    [
        ([("finetune.freezing.layers", 2, 4)], [("macro_recall", "worse")], "replay.states=1"),
        ([("finetune.freezing.layers", 2, 4)], [("masked", "worse"), ("macro_recall", "better")], "freezing.layers=3"),
        ([("finetune.freezing.layers", 2, 0)], [("macro_recall", "worse")], "freezing.layers=3"),  # the other way
        ([("finetune.freezing.layers", 2, [4])], [("macro_recall", "worse")], "freezing.layers=3"),
        ([("finetune.freezing.layers", 2, 4), ("finetune.method", "full", "lora")], [("masked", "worse")],
         "freezing.layers=3"),  # which of the two it was is not known
    ],
)  # fmt: skip
def test_what_did_harm_here_is_not_advised(
    changes: list[tuple[str, Any, Any]], verdicts: list[tuple[str, str]], command: str
) -> None:
    report = with_kept(1.0, 0.5, {"finetune": HELD | {"learning_rate": 2e-5, "freezing": {"layers": 2}}})
    found = diagnose(with_arm(report, changes, *verdicts))[0]
    assert found["command"] == f'make all SET="arms.sound.finetune.{command}"'


@pytest.mark.parametrize(
    ("change", "issues"),
    [
        (("finetune.distillation.states", 0, 1.0), ["catastrophic forgetting"]),
        (("finetune.distillation.states", 1.0, 0), []),
        (("finetune.freezing.layers", 3, [6]), ["catastrophic forgetting"]),
        (("finetune.freezing.layers", [6], 3), []),  # which of the two is the more cannot be said
        (("finetune.freezing.layers", [6], [5]), []),
        (("pretrain.num_train_epochs", 0, 1), ["domain shift"]),
        (("pretrain.num_train_epochs", 1, 0), ["negative transfer"]),
        (("tokenizer.emoji", "none", "all"), ["domain shift"]),
        (("finetune.learning_rate", 2e-5, 2e-4), []),  # against training trouble, which is no issue of the guide
    ],
)
def test_the_issue_that_a_change_is_advised_against(change: tuple[str, Any, Any], issues: list[str]) -> None:
    setting, before, after = change
    assert against([{"setting": setting, "from": before, "to": after}]) == issues


def test_what_is_to_be_mended_first_comes_first_whatever_the_order_of_arms() -> None:
    report = sound_report()
    unread = {"unk_rate_emoji_texts": 1.0, "words_lost_rate": 0.0}
    report["coverage"]["sound"]["corpora"]["toy-reviews"]["after"] = unread
    report["coverage"]["sound"]["emoji"] = "none"
    lost = with_kept(1.0, 0.5, {"finetune": HELD})
    for key in ("retention", "arms", "coverage", "masked_loss"):
        report[key]["late"] = lost[key]["sound"]
    report["ladder"].append({**report["ladder"][0], "arm": "late"})
    assert [(one["arm"], one["rule"], one["command"]) for one in diagnose(report)] == [
        ("late", "forgot-in-tuning", 'make all SET="arms.late.finetune.freezing.layers=2"'),
        ("sound", "emoji-unread", 'make all SET="arms.sound.tokenizer.emoji=all"'),
    ]


def test_advice_reaches_settings_in_groups() -> None:
    rule = next(rule for rule in load().rules if rule.name == "forgot-in-tuning")
    advice = [Advice(setting="finetune.compute.checkpoint_seconds", times=0.5)]
    book = load().model_copy(update={"rules": [rule.model_copy(update={"advice": advice})]})
    (found,) = diagnose(with_kept(1.0, 0.5, {"finetune": {"compute": {"checkpoint_seconds": 60.0}}}), book)
    assert found["command"] == 'make all SET="arms.sound.finetune.compute.checkpoint_seconds=30"'


def test_a_source_is_changed_for_all_arms() -> None:
    report = sound_report()
    report["retention"]["sound"]["base"]["pairs"]["toy-pairs"]["accuracy"] = {
        "value": 0.5, "low": 0.43, "high": 0.57, "n": 200
    }  # fmt: skip
    (found,) = diagnose(report)
    assert (found["issue"], found["command"]) == ("negative transfer", 'make all SET="source.model=minilm"')
    (found,) = [one for one in diagnose(report | {"recipe": "my shop"}) if one["issue"] == "negative transfer"]
    assert found["command"] == "make all RECIPE='my shop' SET=\"source.model=minilm\""
    report["ladder"].append({**report["ladder"][0], "arm": "other"})
    for kind in ("retention", "arms", "coverage", "masked_loss"):
        report[kind]["other"] = sound_report()[kind]["sound"]
    report["arms"]["other"]["source"] = {"name": "bert-base-uncased"}
    found = diagnose(report)[0]
    assert found["command"] == 'make all SET="arms.sound.source.model=minilm"'  # the recipe's would not reach this arm


def test_an_arm_of_which_nothing_was_measured_has_nothing_found() -> None:
    nothing: dict[str, Any] = {section: type(told)() for section, told in sound_report().items()}
    (found,) = diagnose(nothing | {"ladder": [{"arm": "bare", "scores": {}, "changes": []}]})
    assert found["issue"] == "nothing found"
    assert "(not measured)" in found["evidence"][0]


@pytest.mark.parametrize(
    ("advice", "now", "new"),
    [
        ({"setting": "a.b", "times": 0.1}, 2e-3, 2e-4),
        ({"setting": "a.b", "times": 0.3}, 1e-4, 3e-5),  # 2.9999999e-05 is no rate anyone would type
        ({"setting": "a.b", "times": 0.1}, None, None),
        ({"setting": "a.b", "times": 0.5}, 3, 1),
        ({"setting": "a.b", "times": 0.5}, 0, None),
        ({"setting": "a.b", "add": 1}, 2, 3),
        ({"setting": "a.b", "add": 1}, [6], None),
        ({"setting": "a.b", "times": 0.5}, [6], None),
        ({"setting": "a.b", "to": 2, "while_below": 2}, [6], None),
        ({"setting": "a.b", "to": 0}, [6], 0),
        ({"setting": "a.b", "to": 8, "while_below": 8}, 3, 8),
        ({"setting": "a.b", "to": 8, "while_below": 8}, 8, None),
        ({"setting": "a.b", "to": 8, "while_below": 8}, None, 8),
        ({"setting": "a.b", "times": 0.3, "while_above": 5e-5}, 5e-5, None),
        ({"setting": "a.b", "to": 0.3, "while_below": 0.3}, 0, 0.3),
        ({"setting": "a.b", "to": "all"}, "none", "all"),
        ({"setting": "a.b", "to": "all"}, "all", None),
    ],
)
def test_new_value_of_a_setting(advice: dict[str, Any], now: Any, new: Any) -> None:
    assert Advice.model_validate(advice).new(now) == new


@pytest.mark.parametrize(
    "condition", [{"figure": "x"}, {"figure": "x", "below": 1, "above": 0}, {"figure": "x", "below": 1, "over": 2},
                  {"figure": "x", "below": 1, "sure": True, "possible": True}]
)  # fmt: skip
def test_a_condition_that_says_nothing_clear_is_refused(condition: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Condition.model_validate(condition)


def test_rules_of_ones_own_are_checked(tmp_path: Path) -> None:
    content = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    content["rules"][0]["hides"] = ["no-such-rule"]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ValidationError, match="no-such-rule"):
        load(path)
    content["rules"] = []
    without = content | {"otherwise": content["otherwise"][:1]}
    with pytest.raises(ValidationError, match="the last of `otherwise` has no condition, every other one has"):
        Rules.model_validate(without)
    assert diagnose(sound_report(), Rules.model_validate(content))[0]["rule"] == "nothing-found"


def test_figures_in_texts() -> None:
    known = {"kept.tuned": Figure(0.748, 0.707, 0.793, 32, "articles"), "adapt.tokens": exactly(12345)}
    text = "{kept.tuned:share} on {kept.tuned:place} ({kept.tuned:n}), {adapt.tokens:number} tokens, {score:share}"
    assert fill(text, known) == "74.8% (70.7 to 79.3) on articles (32), 12,345 tokens, (not measured)"
