"""The report's first screen: four questions a reader comes with, answered in plain words from the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pipeline.common.labels import FLOORS
from pipeline.common.printable import many
from pipeline.drawing.tables import (
    MARKS,
    PLACES,
    Estimate,
    Report,
    at_chance,
    better_floor,
    english,
    find_verdict,
    in_percent,
    is_worse,
    kept,
    kept_by_tuning,
    of_making,
    percent,
    points,
    prose,
    retention_places,
    reviews,
    sample,
    signed,
    too_few,
    whose,
    within,
    word,
    written,
)
from pipeline.report import backward, steps


class Line(NamedTuple):
    """A sentence, and what it is about (a corpus), set in bold before it."""

    about: str
    said: str


@dataclass(frozen=True)
class Answer:
    """A question, its answer in a few words (``tone``: a verdict or ""), and the figures it rests on."""

    question: str
    headline: str
    lines: tuple[Line, ...]
    tone: str = ""


BESIDE = {
    "better": "beats",
    "worse": "is below",
    "no-worse": "is no worse than",
    "undecided": "is not told apart from",
    "exploratory": "stands beside",
}
"""One arm and another, by what came of the comparison."""


def answers(report: Report) -> list[Answer]:
    """Did it help here, what did it cost, which arm to take, where is the model."""
    return [helped(report), cost(report), choice(report), whereabouts(report)]


def lead(report: Report) -> str:
    """The whole report in one sentence: the last arm against the first, and what is left of general English."""
    first, last = report["ladder"][0]["arm"], report["final_arm"]
    found = ((corpus, find_verdict(report, "overall", last, corpus)) for corpus in reviews(report))
    judged = [(corpus, verdict) for corpus, verdict in found if verdict and verdict["difference"]["value"] is not None]
    said = []
    for verb in dict.fromkeys(BESIDE.values()):
        there = [(corpus, verdict) for corpus, verdict in judged if BESIDE[verdict["verdict"]] == verb]
        gains = [f"{signed(100 * verdict['difference']['value'])} points on {corpus}" for corpus, verdict in there]
        said += [f"{verb} {first} ({prose(gains)})"] if gains else []
    if not said:
        levels = {corpus: _macro_recall(report, last, corpus) for corpus in reviews(report)}
        level = prose(f"{percent(of).text}% on {corpus}" for corpus, of in levels.items() if of["value"] is not None)
        said = [f"has a macro-recall of {level}" if level else "has no macro-recall (too few test texts)"]
    places = [place for place in retention_places(report) if kept(report, last, *place)]
    if places:
        share = percent(kept(report, last, *places[0])).text
        said.append(f"keeps {share}% of the base's general {english(report)}{whose(report)}")
    return f"{last} {prose(said)}."


def helped(report: Report) -> Answer:
    """The last arm against the first on every corpus, and against the better floor."""
    question = "Did it help here?" if of_making(report) else "Is this model better here?"
    first, last = report["ladder"][0]["arm"], report["final_arm"]
    lines, words, few = [], [], []
    for corpus in reviews(report):
        verdict = find_verdict(report, "overall", last, corpus)
        said = floor_sentence(report, last, corpus)
        if verdict:
            words.append(verdict["verdict"])
            told = [f"{MARKS[words[-1]]} {_word(report, verdict)}.", _from_to(report, first, last, corpus, verdict)]
            said = " ".join(each for each in (*told, said, _on_emoji(report, last, corpus)) if each)
            few.append(too_few(verdict["difference"]))
        if at_chance(report, _macro_recall(report, last, corpus)):
            said += f" {last} is at chance: no better than guessing."
        lines.append(Line(corpus, said))
    said_of_all = (steps.sentence(report), backward.sentence(report), searched(report))
    lines += [Line("", said) for said in said_of_all if said]
    if not words:
        only = "This run has one arm" if len(report["ladder"]) == 1 else f"{last} is the first arm"
        return Answer(question, "Nothing to compare with", (Line("", f"{only}; add others to the recipe."), *lines))
    lines.append(Line("", _about(report)))
    if len(set(words)) > 1:
        headline = prose(f"{words.count(one)} {_short(report, one)}" for one in MARKS if one in words)
        return Answer(question, headline, tuple(lines), "undecided")
    headline = {
        "better": "Yes, it helped" if of_making(report) else f"Yes: it beats {first}",
        "worse": "No, it hurt" if of_making(report) else f"No: it is below {first}",
        "no-worse": f"No worse, {within(report)}",
        "undecided": "Undecided: too few texts" if all(few) else "Undecided",
        "exploratory": "Not asked: the recipe does not declare it",
        "unmeasured": "Not measured: too few texts",
    }[words[0]]
    return Answer(question, headline, tuple(lines), words[0])


def searched(report: Report) -> str:
    """What is left on test of the lead of an arm that a search chose on dev; empty without one."""
    if not (found := report["searched"]):
        return ""
    arm, against = found["arm"], found["against"]
    dev, test = ({"here": f"{100 * of[arm]:.1f}%", "lead": signed(100 * (of[arm] - of[against]))}
                 for of in (found["dev"], found["test"]))  # fmt: skip
    return (
        f"{arm} is what a search chose by dev texts, which judged {many(found['trials'], 'trial')}: {dev['here']} "
        f"there, {test['here']} on test. Of its lead over {against}, {dev['lead']} points on dev, {test['lead']} are "
        "left on test; the best of many is partly the luckiest."
    )


def _about(report: Report) -> str:
    """What the verdicts are about: these models, or a way of making them; and what all seeds of an arm share."""
    seeds = len(report["ladder"][0]["seeds"])
    if not of_making(report):
        one = "one seed" if seeds == 1 else f"{seeds} seeds"
        return f"With {one} this is about these models, not about ways of making them: that takes three, better five."
    shared = [
        arm
        for arm, stages in report["fingerprints"].items()
        if report["arms"][arm]["pretrain"].get("tokens_seen") and len(set(stages.get("pretrain", {}).values())) == 1
    ]
    if not shared:
        return f"{seeds} seeds, and what they differ by is in the intervals."
    return f"{seeds} seeds of tuning; all seeds of {prose(shared)} share one adaptation, whose luck no interval counts."


def _short(report: Report, found: str) -> str:
    return word(report, {"question": "overall", "verdict": found})


def _word(report: Report, verdict: Mapping[str, Any]) -> str:
    """The verdict's word; where nothing was decided for want of texts or seeds, with their number."""
    said, difference = word(report, verdict), verdict["difference"]
    if verdict["verdict"] == "unmeasured":
        return f"{said}: a class has too few test texts"
    if verdict["verdict"] != "undecided" or not too_few(difference):
        return said
    return f"{said}: {sample(report, difference)} are too few to decide"


def _macro_recall(report: Report, arm: str, corpus: str) -> Estimate:
    found: Estimate = next(rung["scores"][corpus] for rung in report["ladder"] if rung["arm"] == arm)["macro_recall"]
    return found


def _from_to(report: Report, first: str, last: str, corpus: str, verdict: Mapping[str, Any]) -> str:
    if verdict["verdict"] == "unmeasured":
        return ""
    before, after = (percent(_macro_recall(report, arm, corpus)).text for arm in (first, last))
    change = points(verdict["difference"])
    fate = ", which does not hold once all declared comparisons are judged together" if _lost_together(verdict) else ""
    return f"Macro-recall {before}% with {first}, {after}% with {last}: {change} points{fate}."


def _on_emoji(report: Report, last: str, corpus: str) -> str:
    """The same on texts with emoji, where the recipe declares it."""
    verdict = find_verdict(report, "overall", last, corpus, measure="emoji_macro_recall")
    if not verdict or verdict["verdict"] == "exploratory" or "emoji" not in report["primary"]:
        return ""
    if verdict["verdict"] == "unmeasured":
        return "On texts with emoji not measured: a class has too few."
    return f"On texts with emoji {points(verdict['difference'])}: {word(report, verdict)}."


def _lost_together(verdict: Mapping[str, Any]) -> bool:
    """Whether a difference is undecided only because several are read at once (Holm's correction)."""
    return bool(verdict["verdict"] in ("undecided", "no-worse") and verdict["p"] < 0.05 <= verdict["p_holm"])


def floor_sentence(report: Report, arm: str, corpus: str, floor: str | None = None) -> str:
    """Whether an arm beats a floor (None: the better one) on a corpus: said plainly, above all when it does not."""
    floor = floor or better_floor(report)
    verdict, named = find_verdict(report, "floor", arm, corpus, other=floor), f"the {FLOORS[floor]}"
    if verdict is None:
        return f"{arm} was not compared with {named}."
    if verdict["verdict"] == "unmeasured":
        return f"{arm} was not compared with {named}: a class has too few test texts."
    asked = verdict["difference"]
    texts = f"{sample(report, asked)} {'are too few to' if too_few(asked) else 'do not'}"
    says = {
        "better": f"beats {named}",
        "undecided": f"does not beat {named}: {texts} tell {arm} from the floor",
        "no-worse": f"does not beat {named}, but is no worse ({within(report)})",
        "worse": f"does not beat {named}: it lies below it",
        "exploratory": f"beside {named} (exploratory)",
    }[verdict["verdict"]]
    if _lost_together(verdict):
        says += " once all declared comparisons are judged together"
    return f"{arm} {says}{':' if verdict['verdict'] == 'exploratory' else ','} {points(asked)} points."


def cost(report: Report) -> Answer:
    """How much of the base's general English the last arm's tuned model kept, and the first arm's beside it."""
    question = f"What did it cost in general {english(report)}?"
    first, last = report["ladder"][0]["arm"], report["final_arm"]
    places = [place for place in retention_places(report) if kept(report, last, *place)]
    if not places:
        said = "This recipe has no general corpus: add one to see what was forgotten."
        return Answer(question, "Not measured", (Line("", said),))
    lines = []
    for measure, place in places:
        both = [in_percent(kept(report, arm, measure, place)) for arm in (last, first)]
        said, verdict = f"{last} kept {both[0]}", find_verdict(report, "overall", last, place, measure)
        verdict = None if verdict and verdict["verdict"] == "unmeasured" else verdict
        if verdict and measure == "pairs":
            apart = f"{points(verdict['difference'])} points of accuracy against {first}"
            said = f"{apart} ({word(report, verdict)}); {said}, {first} {both[1]}"
        elif verdict:
            more = {"better": "more than", "worse": "less than", "no-worse": f"no less ({within(report)}) than",
                    "undecided": "not told apart from", "exploratory": "beside"}[verdict["verdict"]]  # fmt: skip
            said += f", {more} {first} with {both[1]}: {points(verdict['difference'])} points"
        if step := kept_by_tuning(report, last, measure, place):
            adapted = in_percent(kept(report, last, measure, place, "adapted"))
            said += f"; adaptation left {adapted}, and of that tuning kept {in_percent(step)}"
        lines.append(Line(f"{PLACES[measure].capitalize()} ({place})", f"{said}."))
    lines += [
        Line(f"{PLACES['pairs'].capitalize()} ({place})", "not told: the base is not well above chance.")
        for measure, place in retention_places(report)
        if measure == "pairs" and (measure, place) not in places
    ]
    if whose(report):
        said = "Fold 0's model was asked, the one that is taken away; macro-recall is that of the models of all folds."
        lines.append(Line("", said))
    restored = report["arms"][last]["source"].get("restored")
    if restored:
        tokens = f"{sum(restored.values()):,} tokens"
        lines.append(Line("", f"The base had no masked-word head; one was trained on general text first, {tokens}."))
    return Answer(question, _loss_in_words(report, last, places), tuple(lines))


def _loss_in_words(report: Report, arm: str, places: Sequence[tuple[str, str]]) -> str:
    """How much was kept of the first thing measured, and at worst, where another of its kind lost more."""
    share = kept(report, arm, *places[0])
    if share is None or share["value"] is None:
        return "Not measured"
    value = f"{written(100 * share['value'], 0)}%"
    low, high = (share["value"] if share[side] is None else share[side] for side in ("low", "high"))
    beside = [kept(report, arm, *place) for place in places if place[0] == places[0][0]]
    worst = min(found["value"] for found in beside if found and found["value"] is not None)
    at_worst = f" (at worst {written(100 * worst, 0)}%)" if worst < share["value"] else ""
    if high < 1:
        return f"{arm} kept {value} of it{at_worst}"
    if low > 1:  # no praise: the base was still learning, and tuning's loss hides behind what adaptation gave
        return f"{arm} has {value} of the base's{at_worst}: look at what tuning kept"
    return f"Nothing that shows: {arm} kept {value}{at_worst}"


def choice(report: Report) -> Answer:
    """The arm with the highest macro-recall, the arms that are as good, and what else speaks for or against them."""
    question, picked = "Which arm should I take?", report["recommendation"]
    arm, floor = picked["arm"], FLOORS[better_floor(report)]
    if arm is None:
        said = "No corpus has ten test texts of each class, so no macro-recall speaks for one: label more."
        return Answer(question, "Not told: too few test texts", (Line("", said),))
    told = [corpus for corpus in reviews(report) if _macro_recall(report, arm, corpus)["value"] is not None]
    over = "corpora" if len(told) == len(reviews(report)) else f"corpora with texts enough ({prose(told)})"
    best = f"the highest macro-recall: {100 * picked['macro_recall'][arm]:.1f}%, the mean over {over}."
    held = [find_verdict(report, "floor", arm, corpus) for corpus in told]
    if all(verdict and is_worse(verdict) for verdict in held):
        said = f"Of the arms, {arm} has {best}"
        return Answer(
            question, f"Rather the {floor}", (Line("", "It does better than every arm."), Line("", said)), "worse"
        )
    if len(report["ladder"]) == 1:
        lines = [f"It is the only arm of this run, with {best.replace('the highest ', '')}"]
    else:
        lines = [f"It has {best} It was chosen on these texts, which flatters it a little."]
    beside = list(dict.fromkeys(one for one in (arm, picked["keeps_more"], report["final_arm"]) if one))
    places = [picked["more_of"]] if picked["keeps_more"] else retention_places(report)
    measured = [place for place in places if all(kept(report, one, *place) for one in beside)][:1]
    if len(beside) > 1 and measured:
        shares = prose(f"{one} {in_percent(kept(report, one, *measured[0]))}" for one in beside)
        asked = "" if measured[0][0] == "masked" else f" ({PLACES[measured[0][0]]})"
        lines.append(f"General {english(report)} kept{asked}: {shares}.")
    if picked["equal"]:
        lines.append(f"No worse ({within(report)}): {prose(picked['equal'])}.")
    if picked["open"]:
        lines.append(f"The test texts do not say whether {prose(picked['open'])} would do as well.")
    headline = arm
    if picked["keeps_more"]:
        headline = f"{picked['keeps_more']}: no worse than {arm}, and it kept more"
        said = f"Of those, {picked['keeps_more']} kept more general {english(report)}"
        lines.append(f"{said}: take it if that matters to you.")
    if picked["beats_floor"] is False:
        lines.append(f"{arm} does not beat the {floor} everywhere; where it does not, the floor is the cheaper choice.")
    if picked["beats_floor"] is None:
        declared = "floors" in report["primary"]
        why = "it is not the final arm" if declared else "the recipe declares no comparison with a floor"
        lines.append(f"Whether {arm} beats the {floor} is exploratory here: {why}.")
    guessing = [corpus for corpus in reviews(report) if at_chance(report, _macro_recall(report, arm, corpus))]
    if guessing:
        lines.append(f"{arm} is at chance on {prose(guessing)}: no better than guessing.")
    return Answer(question, headline, tuple(Line("", said) for said in lines))


def advised(report: Report) -> str:
    """The arm that is advised: one that is no worse than the best and kept more, if there is any, else the best.

    Where no macro-recall is told, nothing speaks against the final one.
    """
    picked = report["recommendation"]
    return str(picked["keeps_more"] or picked["arm"] or report["final_arm"])


def whereabouts(report: Report) -> Answer:
    """The folder of the final model, and the one of the arm advised if that is another."""
    final, picked = report["final_arm"], advised(report)
    found = report["arms"][final]
    lines = [f"Beside this report: the arm {final}, seed {found['model_seed']}, {found['model_megabytes']:,.1f} MB."]
    headline = "model/"
    if picked != final:
        advised_folder = f"{report['arms'][picked]['model']}/"
        headline = f"model/ is {final}'s; the one advised lies in {advised_folder}"
        lines.append(f"The arm advised here lies in {advised_folder}.")
    if choice(report).tone == "worse":
        floor = FLOORS[better_floor(report)]
        lines.append(f"It works, but lies below the {floor}: better text, or a better base, should come first.")
    return Answer("Where is the model?", headline, tuple(Line("", said) for said in lines))
