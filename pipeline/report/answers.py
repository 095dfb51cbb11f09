"""The report's first screen: four questions a reader comes with, answered in plain words from the figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pipeline.common.labels import FLOORS
from pipeline.drawing.tables import (
    MARKS,
    PLACES,
    Estimate,
    Report,
    at_chance,
    better_floor,
    find_verdict,
    kept,
    percent,
    points,
    prose,
    retention_places,
    reviews,
    sample,
    signed,
    too_few,
    written,
)
from pipeline.report import steps


class Line(NamedTuple):
    """A sentence, and what it is about (a corpus), set in bold before it."""

    about: str
    said: str


@dataclass(frozen=True)
class Answer:
    """A question, its answer in a few words (``tone``: a verdict word or ""), and the figures it rests on."""

    question: str
    headline: str
    lines: tuple[Line, ...]
    tone: str = ""


def answers(report: Report) -> list[Answer]:
    """Did it help here, what did it cost, which arm to take, where is the model."""
    return [helped(report), cost(report), choice(report), whereabouts(report)]


def lead(report: Report) -> str:
    """The whole report in one sentence: the last arm against the first, and what is left of general English."""
    first, last = report["ladder"][0]["arm"], report["final_arm"]
    judged = [(corpus, find_verdict(report, "overall", last, corpus)) for corpus in reviews(report)]
    said = []
    for word, verb in (("helped", "beats"), ("hurt", "is below"), ("undecided", "is not told apart from")):
        there = [(corpus, verdict) for corpus, verdict in judged if verdict and verdict["verdict"] == word]
        gains = [f"{signed(100 * verdict['difference']['value'])} points on {corpus}" for corpus, verdict in there]
        said += [f"{verb} {first} ({prose(gains)})"] if gains else []
    if not said:
        level = prose(f"{percent(_macro_recall(report, last, corpus)).text}% on {corpus}" for corpus in reviews(report))
        said = [f"has a macro-recall of {level}"]
    places = [place for place in retention_places(report) if kept(report, last, *place)]
    if places:
        said.append(f"keeps {percent(kept(report, last, *places[0])).text}% of the base's general English")
    return f"{last} {prose(said)}."


def helped(report: Report) -> Answer:
    """The last arm against the first on every corpus, and against the better floor."""
    question = "Did it help here?"
    first, last = report["ladder"][0]["arm"], report["final_arm"]
    lines, words, few = [], [], []
    for corpus in reviews(report):
        verdict = find_verdict(report, "overall", last, corpus)
        said = floor_sentence(report, last, corpus)
        if verdict:
            words.append(verdict["verdict"])
            said = (
                f"{MARKS[words[-1]]} {_word(report, verdict)}. {_from_to(report, first, last, corpus, verdict)} {said}"
            )
            few.append(too_few(verdict["difference"]))
        if at_chance(report, _macro_recall(report, last, corpus)):
            said += f" {last} is at chance: no better than guessing."
        lines.append(Line(corpus, said))
    if against := steps.sentence(report):
        lines.append(Line("", against))
    if not words:
        only = "This run has one arm" if len(report["ladder"]) == 1 else f"{last} is the first arm"
        return Answer(question, "Nothing to compare with", (Line("", f"{only}; add others to the recipe."), *lines))
    tone = words[0] if len(set(words)) == 1 else "undecided"
    headline = {"helped": "Yes, it helped", "hurt": "No, it hurt", "undecided": "Undecided"}[tone]
    if set(words) == {"undecided"} and all(few):
        headline = "Undecided: too few texts"
    if len(set(words)) > 1:
        headline = prose(f"{words.count(word)} {word}" for word in MARKS if word in words)
    return Answer(question, headline, tuple(lines), tone)


def _word(report: Report, verdict: Mapping[str, Any]) -> str:
    """The verdict's word; where nothing was decided for want of texts or seeds, with their number."""
    word, difference = str(verdict["verdict"]), verdict["difference"]
    if word != "undecided" or not too_few(difference):
        return word
    return f"{word}: {sample(report, difference)} are too few to decide"


def _macro_recall(report: Report, arm: str, corpus: str) -> Estimate:
    found: Estimate = next(rung["scores"][corpus] for rung in report["ladder"] if rung["arm"] == arm)["macro_recall"]
    return found


def _from_to(report: Report, first: str, last: str, corpus: str, verdict: Mapping[str, Any]) -> str:
    before, after = (percent(_macro_recall(report, arm, corpus)).text for arm in (first, last))
    change = points(verdict["difference"])
    fate = ", which does not hold once all arms are judged together" if _lost_together(verdict) else ""
    return f"Macro-recall {before}% with {first}, {after}% with {last}: {change} points{fate}."


def _lost_together(verdict: Mapping[str, Any]) -> bool:
    """Whether a difference is undecided only because several are read at once (Holm's correction)."""
    return bool(verdict["verdict"] == "undecided" and verdict["p"] < 0.05 <= verdict["p_holm"])


def floor_sentence(report: Report, arm: str, corpus: str, floor: str | None = None) -> str:
    """Whether an arm beats a floor (None: the better one) on a corpus: said plainly, above all when it does not."""
    floor = floor or better_floor(report)
    verdict, named = find_verdict(report, "floor", arm, corpus, floor=floor), f"the {FLOORS[floor]}"
    if verdict is None:
        return f"{arm} was not compared with {named}."
    asked = verdict["difference"]
    texts = f"{sample(report, asked)} {'are too few to' if too_few(asked) else 'do not'}"
    says = {
        "helped": f"beats {named}",
        "undecided": f"does not beat {named}: {texts} tell {arm} from the floor",
        "hurt": f"does not beat {named}: it lies below it",
    }[verdict["verdict"]]
    if _lost_together(verdict):
        says += " once all arms are judged together"
    return f"{arm} {says}, {points(verdict['difference'])} points."


def cost(report: Report) -> Answer:
    """How much of the base's general English the last arm's tuned model kept, and the first arm's beside it."""
    question = "What did it cost in general English?"
    first, last = report["ladder"][0]["arm"], report["final_arm"]
    places = [place for place in retention_places(report) if kept(report, last, *place)]
    if not places:
        said = "This recipe has no general corpus: add one to see what was forgotten."
        return Answer(question, "Not measured", (Line("", said),))
    lines = []
    for measure, place in places:
        said = f"{last} kept {_kept(report, last, measure, place)}"
        verdict = find_verdict(report, "overall", last, place, measure)
        if verdict:
            more = {"helped": "more than", "hurt": "less than", "undecided": "not told apart from"}[verdict["verdict"]]
            change = points(verdict["difference"])
            said += f", {more} {first} with {_kept(report, first, measure, place)}: {change} points"
        lines.append(Line(f"{PLACES[measure].capitalize()} ({place})", f"{said}."))
    lines += [
        Line(f"{PLACES['pairs'].capitalize()} ({place})", "the base is not above chance, so there is nothing to lose.")
        for measure, place in retention_places(report)
        if measure == "pairs" and (measure, place) not in places
    ]
    restored = report["arms"][last]["source"].get("restored")
    if restored:
        tokens = f"{sum(restored.values()):,} tokens"
        lines.append(Line("", f"The base had no masked-word head; one was trained on general text first, {tokens}."))
    return Answer(question, _loss_in_words(kept(report, last, *places[0])), tuple(lines))


def _loss_in_words(share: Estimate | None) -> str:
    if share is None or share["value"] is None:
        return "Not measured"
    value = f"{written(100 * share['value'], 0)}%"
    low, high = (share["value"] if share[side] is None else share[side] for side in ("low", "high"))
    if high < 1:
        return f"{value} of it kept"
    return f"Nothing, it gained: {value}" if low > 1 else f"Nothing that shows: {value} kept"


def _kept(report: Report, arm: str, measure: str, place: str) -> str:
    cell = percent(kept(report, arm, measure, place))
    return replace(cell, text=f"{cell.text}%").line


def choice(report: Report) -> Answer:
    """The arm with the highest macro-recall, the arms that are as good, and what else speaks for or against them."""
    question, picked = "Which arm should I take?", report["recommendation"]
    arm, floor = picked["arm"], FLOORS[better_floor(report)]
    best = f"the highest macro-recall: {100 * picked['macro_recall'][arm]:.1f}%, the mean over corpora."
    beside = [find_verdict(report, "floor", arm, corpus) for corpus in reviews(report)]
    if all(verdict and verdict["verdict"] == "hurt" for verdict in beside):
        said = f"Of the arms, {arm} has {best}"
        return Answer(
            question, f"Rather the {floor}", (Line("", "It does better than every arm."), Line("", said)), "hurt"
        )
    if len(report["ladder"]) == 1:
        lines = [f"It is the only arm of this run, with {best.replace('the highest ', '')}"]
    elif picked["equal"]:
        lines = [f"It has {best}", f"The test texts do not tell {arm} apart from {prose(picked['equal'])}."]
    else:
        lines = [f"It has {best}", "Every other arm is reliably lower on at least one corpus."]
    headline = arm
    if picked["keeps_more"]:
        headline = f"{picked['keeps_more']}: not told apart from {arm}, and it kept more"
        lines.append(f"Of those, {picked['keeps_more']} kept more general English: take it if that matters to you.")
    if not picked["beats_floor"]:
        lines.append(f"{arm} does not beat the {floor} everywhere; where it does not, the floor is the cheaper choice.")
    guessing = [corpus for corpus in reviews(report) if at_chance(report, _macro_recall(report, arm, corpus))]
    if guessing:
        lines.append(f"{arm} is at chance on {prose(guessing)}: no better than guessing.")
    return Answer(question, headline, tuple(Line("", said) for said in lines))


def whereabouts(report: Report) -> Answer:
    """The folder of the final model, and the one of the arm advised if that is another."""
    final, advised = report["final_arm"], report["recommendation"]
    picked = advised["keeps_more"] or advised["arm"]
    found = report["arms"][final]
    lines = [f"Beside this report: the arm {final}, seed {found['model_seed']}, {found['model_megabytes']:,.1f} MB."]
    if picked != final:
        lines.append(f"The arm advised here lies in {report['arms'][picked]['model']}/.")
    if choice(report).tone == "hurt":
        floor = FLOORS[better_floor(report)]
        lines.append(f"It works, but lies below the {floor}: better text, or a better base, should come first.")
    return Answer("Where is the model?", "model/", tuple(Line("", said) for said in lines))
