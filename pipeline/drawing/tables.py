"""Tables as plain data: a cell is its words, however they are set."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.common.labels import FLOORS
from pipeline.common.languages import ENGLISH, reads

Estimate = Mapping[str, Any]
"""A figure with its interval: {"value", "low", "high", "n"}; None stands for what could not be measured."""

Report = Mapping[str, Any]
"""The contents of report.json, as ``pipeline/report/results.py`` declares them."""

MARKS = {"better": "▲", "worse": "▼", "no-worse": "◆", "undecided": "●", "exploratory": "○", "unmeasured": "–"}
"""A sign beside each verdict word, so that colour is never the only carrier."""
CLAIMS = ("better", "worse", "no-worse", "undecided")
"""Of a declared comparison that could be measured."""

BESIDE_FLOOR = {"better": "above it", "worse": "below it"}
OF_MAKING = {"better": "helped", "worse": "hurt"}
"""Words for a way of making models, which need several of them."""
FEWEST_SEEDS = 3
"""With fewer, a verdict is about these models, however they came to be what they are."""

SCORES = {
    "macro_recall": "macro-recall",
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "neutral_f1": "neutral F1",
    "emoji_macro_recall": "macro-recall on emoji texts",
}
"""Scores of the ladder in the order of its columns: shares, higher is better."""


Value = float | str | None


@dataclass(frozen=True)
class Cell:
    """What stands in one box of a table; ``detail`` is set smaller, ``tone`` is a verdict word, "quiet" or ""."""

    text: str
    detail: str = ""
    tone: str = ""
    value: Value = None
    """What a program reads here: a number, rounded as in the text, or a word; None: the text itself."""
    beside: Mapping[str, Value] = field(default_factory=dict)
    """What a program reads of the detail, and of the sign, each by a name: ``low``, ``high``, ``seed``, ..."""

    @property
    def line(self) -> str:
        """What the cell says on one line."""
        return f"{self.text} ({self.detail})" if self.detail else self.text


@dataclass(frozen=True)
class Table:
    """A table ready to be set. The columns say unit and direction; ``words`` are the places of those with prose."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    words: tuple[int, ...] = ()
    alone: Mapping[int, str] = field(default_factory=dict)
    """What columns are called by themselves, by their places, where a title leans on the one before it."""
    file: str = ""
    """What its file is called; by default as its title, without brackets."""


NOTHING = Cell("–", tone="quiet")


FEW_TEXTS, WIDE = 500, 0.05
"""Below so many texts, or with an interval of more than so much (a share) to either side, little can be decided."""


def percent(figure: Estimate | None) -> Cell:
    """A share as percent, with its interval as the detail."""
    return amount(figure, 1, 100)


def in_percent(figure: Estimate | None) -> str:
    """A share in one line, with its unit: ``72.5% (69.5–75.5)``."""
    cell = percent(figure)
    return cell.text if cell == NOTHING else replace(cell, text=f"{cell.text}%").line


def amount(figure: Estimate | None, digits: int = 2, factor: int = 1) -> Cell:
    """A figure in its own unit, with its interval as the detail: ``60.0–70.0``, or ``−2.0 to 3.0`` below zero."""
    if figure is None or figure["value"] is None:
        return NOTHING
    value, *ends = _rounded(figure, digits, factor)
    if None in ends:
        return Cell(written(value, digits), value=value)
    interval = (" to " if figure["low"] < 0 else "–").join(written(end, digits) for end in ends)
    return Cell(written(value, digits), interval, value=value, beside=_ends(ends))


def _ends(ends: Sequence[Value]) -> dict[str, Value]:
    return dict(zip(("low", "high"), ends, strict=True))


def _rounded(figure: Estimate, digits: int, factor: int) -> list[Any]:
    """Value, low and high as they are written; None for an end that is not known."""
    ends = (figure[name] for name in ("value", "low", "high"))
    return [None if end is None else round(factor * end, digits) + 0.0 for end in ends]  # + 0.0: no minus before zero


def written(value: float, digits: int) -> str:
    """A number with thousands set apart and a true minus; what rounds to zero has none."""
    text = f"{value:,.{digits}f}"
    return text.lstrip("-") if not text.strip("-0.,") else text.replace("-", "−")


def too_few(difference: Estimate) -> bool:
    """Whether an undecided difference may be so for want of texts."""
    low, high = difference["low"], difference["high"]
    return bool(difference["n"] < FEW_TEXTS or (low is not None and high is not None and high - low > 2 * WIDE))


def sample(report: Report, difference: Estimate) -> str:
    """What a difference was measured on: ``300 texts``, ``12,284 texts and 3 seeds``; few texts are few at any rate."""
    texts, seeds = f"{difference['n']:,} texts", len(report["ladder"][0]["seeds"])
    return texts if seeds < 2 or difference["n"] < FEW_TEXTS else f"{texts} and {seeds} seeds"


def at_chance(report: Report, figure: Estimate) -> bool:
    """Whether an interval of macro-recall covers what guessing gives: one in so many classes."""
    low, high = figure["low"], figure["high"]
    return low is not None and high is not None and bool(low <= 1 / len(report["labels"]) <= high)


def points(difference: Estimate) -> str:
    """A difference of two shares in percentage points, with its interval: ``+5.2 (+3.1 to +7.3)``."""
    return change(difference).line


def change(difference: Estimate) -> Cell:
    """A difference of two shares in percentage points, with its interval as the detail."""
    value, *ends = _rounded(difference, 1, 100)
    if value is None:
        return NOTHING
    if None in ends:
        return Cell(signed(value), value=value)
    return Cell(signed(value), " to ".join(map(signed, ends)), value=value, beside=_ends(ends))


def gained(difference: Estimate, place: str) -> str:
    """A difference in points, and where: ``+5.2 (+3.1 to +7.3) on shop``; the place alone if it was not measured."""
    return f"on {place}" if difference["value"] is None else f"{points(difference)} on {place}"


def on_one_line(cell: Cell) -> Cell:
    """The same, with the detail in brackets behind the text."""
    return replace(cell, text=cell.line, detail="")


def signed(value: float, digits: int = 1) -> str:
    """A number with its sign and a true minus; what rounds to zero has no sign."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def number(value: float | None, digits: int = 0) -> Cell:
    """A count or a measure with its thousands set apart."""
    return NOTHING if value is None else Cell(written(value, digits), value=round(value, digits or None))


def prose(items: Iterable[str]) -> str:
    """A list as words: "a, b and c"."""
    *most, last = list(items) or [""]
    return f"{', '.join(most)} and {last}" if most else last


def of_making(report: Report) -> bool:
    """Whether there are seeds enough for verdicts about a way of making models, and not about these models alone."""
    return len(report["ladder"][0]["seeds"]) >= FEWEST_SEEDS


def word(report: Report, verdict: Mapping[str, Any]) -> str:
    """A verdict in words: better or worse of these models, helped or hurt of a way of making them."""
    found = str(verdict["verdict"])
    if found == "no-worse":
        return f"no worse ({within(report)})"
    if found == "unmeasured":
        return "not measured"
    beside = BESIDE_FLOOR if verdict["question"] == "floor" else OF_MAKING if of_making(report) else {}
    return beside.get(found, found)


def is_worse(verdict: Mapping[str, Any]) -> bool:
    """By the verdict; of an exploratory comparison by its interval: to be looked at, not to be claimed."""
    high = verdict["difference"]["high"]
    return verdict["verdict"] == "worse" or (verdict["verdict"] == "exploratory" and high is not None and high < 0)


def within(report: Report) -> str:
    """What no worse allows: ``within 1 point``."""
    points_ = f"{100 * report['margin']:g}"
    return f"within {points_} point{'s' * (points_ != '1')}"


def verdict_cell(report: Report, verdict: Mapping[str, Any] | None) -> Cell:
    """The verdict's sign and words, with the difference in points as the detail."""
    if verdict is None:
        return NOTHING
    found = str(verdict["verdict"])
    return judged(f"{MARKS[found]} {word(report, verdict)}", verdict["difference"], found)


def judged(said: str, difference: Estimate, verdict: str) -> Cell:
    """Words about a difference, with it in points as the detail."""
    apart = change(difference)
    detail = "" if apart == NOTHING else apart.line
    return Cell(said, detail, verdict, verdict, {"difference": apart.value, **apart.beside})


def find_verdict(
    report: Report, question: str, arm: str, place: str, measure: str = "macro_recall", other: str | None = None
) -> Mapping[str, Any] | None:
    """What came of one comparison of an arm, if it was made.

    Args:
        question: "rung", "overall", "floor" or "control".
        other: the floor or control that is asked about; None: the better floor.
    """
    arms = [rung["arm"] for rung in report["ladder"]]
    above = (arms[0] if report["beside"] == "first" else arms[arms.index(arm) - 1]) if arm in arms[1:] else None
    against = {"rung": above, "overall": arms[0]}.get(question, other or better_floor(report))
    wanted = {"arm": arm, "against": against, "place": place, "measure": measure}
    return next((verdict for verdict in report["verdicts"] if wanted.items() <= verdict.items()), None)


def beside(report: Report) -> str:
    """What each arm of the ladder is judged against, in words."""
    return f"against {report['ladder'][0]['arm']}" if report["beside"] == "first" else "against the arm above"


def better_floor(report: Report) -> str:
    """The key of the floor that arms are held against first: the one with the higher mean of macro-recall."""
    return str(report["recommendation"]["floor"])


def kept(report: Report, arm: str, measure: str, place: str, model: str = "tuned") -> Estimate | None:
    """Share of the base's general English that a model ("adapted", "tuned") of an arm kept, if it was measured."""
    found: Any = report["retention"].get(arm)
    for key in (model, "kept", measure, place):
        found = (found or {}).get(key)
    return found  # type: ignore[no-any-return]


def kept_by_tuning(report: Report, arm: str, measure: str, place: str) -> Estimate | None:
    """Of what the adapted model of an arm knew, the share that tuning kept; None where there was no adaptation."""
    if not report["arms"][arm]["pretrain"].get("tokens_seen"):
        return None
    found: Estimate | None = report["retention"][arm]["tuned"]["of_adapted"].get(measure, {}).get(place)
    return found


def retention_places(report: Report) -> list[tuple[str, str]]:
    """(measure, corpus) of everything that general English was measured on: masked words first, then pairs."""
    places = (
        (measure, place)
        for measure in ("masked", "pairs")
        for models in report["retention"].values()
        for place in models["base"][measure]
    )
    return list(dict.fromkeys(places))


def reviews(report: Report) -> list[str]:
    """Names of the review corpora, in the recipe's order."""
    return list(dict.fromkeys(corpus for rung in report["ladder"] for corpus in rung["scores"]))


def ladder(report: Report, corpus: str) -> Table:
    """Arms of one corpus in order below the floors: scores, what was kept, and the verdict on every step."""
    places, floors = retention_places(report), {name: report["floors"][name][corpus] for name in FLOORS}
    everyone = [*floors.values(), *(rung["scores"][corpus] for rung in report["ladder"])]
    scores = {name: title for name, title in SCORES.items() if any(found[name] for found in everyone)}
    if "emoji_macro_recall" in scores:
        scores["emoji_macro_recall"] = f"macro-recall on {everyone[0]['emoji_macro_recall']['n']:,} emoji texts"
    rows = [
        (
            Cell(FLOORS[name], tone="quiet"),
            *[NOTHING] * 2,
            *(percent(floor[score]) for score in scores),
            *[NOTHING] * len(places),
        )
        for name, floor in floors.items()
    ]
    for rung in report["ladder"]:
        arm, found = rung["arm"], rung["scores"][corpus]
        rows.append(
            (
                Cell(arm),
                *(verdict_cell(report, find_verdict(report, question, arm, corpus)) for question in ("rung", "floor")),
                *(_score(report, name, found[name]) for name in scores),
                *(percent(kept(report, arm, *place)) for place in places),
            )
        )
    columns = ["arm", beside(report), f"against the {FLOORS[better_floor(report)]}"]
    columns += [f"{title}, %" for title in scores.values()]
    columns += [f"{name} kept, %{whose(report)}" for name in place_names(places)]
    title = f"{corpus}: {tested(report, corpus)}"
    note = _what_can_be_decided(report, corpus)
    return Table(title, tuple(columns), tuple(rows), note, file=f"ladder-{corpus}")


def tested(report: Report, corpus: str) -> str:
    """How many texts the arms are scored on, and how: ``260 test texts``; or by folds."""
    count = f"{report['ladder'][0]['scores'][corpus]['macro_recall']['n']:,}"
    folds = folds_of(report, corpus)
    return f"{count} test texts" if folds < 2 else f"{count} texts, each tested in one of {folds} folds"


def folds_of(report: Report, corpus: str) -> int:
    """By how many folds a corpus was scored; 1: on a test split."""
    return int(report["corpora"].get(corpus, {}).get("folds", 1))


def whose(report: Report) -> str:
    """What a title or a column says that is about one model where others are about those of all folds."""
    folds = max((folds_of(report, corpus) for corpus in reviews(report)), default=1)
    return " (fold 0's model)" if folds > 1 else ""


def _score(report: Report, name: str, figure: Estimate | None) -> Cell:
    cell = percent(figure)
    if name == "macro_recall" and figure and at_chance(report, figure):
        return replace(cell, detail=f"{cell.detail}, at chance", beside={**cell.beside, "at chance": "yes"})
    return cell


def _what_can_be_decided(report: Report, corpus: str) -> str:
    """How small a difference these texts leave open; empty where they are many, or everything was decided."""
    undecided = [
        verdict["difference"]
        for verdict in report["verdicts"]
        if verdict["place"] == corpus and verdict["verdict"] == "undecided" and too_few(verdict["difference"])
    ]
    settled = [each for each in undecided if each["low"] is not None]
    if not settled:
        return ""
    # of most texts: on those with emoji alone all differences are wider
    widest = max(settled, key=lambda each: (each["n"], each["high"] - each["low"]))
    wide = f"±{50 * (widest['high'] - widest['low']):.0f} points"
    few = f"{sample(report, widest)} are few"
    return f"{few}: a difference is known to about {wide} here, and smaller ones stay undecided."


PLACES = {"masked": "masked words", "pairs": "minimal pairs"}
"""What general English was measured on, in words."""


def english(report: Report) -> str:
    """What stands after ``general``: English, or ``text`` where no general corpus is in it."""
    spoken = [corpus.get("language", ENGLISH) for corpus in report["corpora"].values() if corpus["role"] == "general"]
    return "English" if not spoken or any(reads(ENGLISH, codes) for codes in spoken) else "text"


def place_names(places: list[tuple[str, str]]) -> list[str]:
    """Each measure in words, with its corpus where there are several."""
    many = {measure for measure, _ in places if sum(measure == other for other, _ in places) > 1}
    return [f"{PLACES[measure]} of {place}" if measure in many else PLACES[measure] for measure, place in places]


def steps(report: Report) -> Table:
    """What each arm changes."""
    rows: list[tuple[Cell, ...]] = []
    for rung in report["ladder"]:
        none = "nothing" if rows else "the first arm: nothing to compare with"
        changes = [
            f"{change['setting']}: {setting(change['from'])} → {setting(change['to'])}" for change in rung["changes"]
        ]
        rows.append((Cell(rung["arm"]), Cell("; ".join(changes) or none)))
    columns = ("arm", f"what it changes {beside(report)}")
    return Table("What each arm changes", columns, tuple(rows), words=(1,))


def setting(value: Any) -> str:
    """A setting's value as a recipe writes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
