"""The troubleshooter: which of the three issues each arm of a finished run has, by rules anyone can read and change.

The rules, their thresholds and sources, and the figures they look at stand in ``rules.yaml``.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from pipeline.common.program import typed
from pipeline.common.settings import Group
from pipeline.common.yaml import flat, read_mapping
from pipeline.drawing.tables import english
from pipeline.measuring.diagnosis.symptoms import Figure, Report, figures_of

RULES = Path(__file__).with_name("rules.yaml")
DEFAULT_RECIPE = "starter"
"""What `make all` runs without RECIPE."""

Issue = Literal[
    "catastrophic forgetting", "negative transfer", "domain shift", "training trouble", "labels look wrong",
    "too few texts", "nothing found",
]  # fmt: skip
GUIDE: tuple[Issue, ...] = ("catastrophic forgetting", "negative transfer", "domain shift")
Value = int | float | str


class Condition(Group):
    """One comparison of a figure with a threshold."""

    figure: str
    below: float | None = None
    above: float | None = None
    sure: bool = False
    """The whole interval lies beyond the threshold."""
    possible: bool = False
    """Some of the interval does."""
    items: int = 0
    """Measured on at least so many."""

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.below is None) == (self.above is None) or (self.sure and self.possible):
            raise ValueError(f"{self.figure}: give below or above; and sure or possible, if any")
        return self

    def holds(self, figures: Mapping[str, Figure]) -> bool:
        """Whether the figure was measured and lies beyond the threshold, as surely as asked."""
        found = figures.get(self.figure)
        if found is None or found.n < self.items:
            return False
        ends = {"low": found.low, "high": found.high, "value": found.value}
        if self.below is not None:
            return ends["high" if self.sure else "low" if self.possible else "value"] < self.below
        assert self.above is not None
        return ends["low" if self.sure else "high" if self.possible else "value"] > self.above


class Advice(Group):
    """What to type: a command as it is, or a setting to change."""

    command: str | None = None
    setting: str | None = Field(None, pattern=r"^[a-z]+(\.[a-z0-9_]+)+$")
    to: Value | None = None
    times: float | None = None
    add: int | None = None
    while_below: float | None = None
    while_above: float | None = None
    everywhere: bool = False

    @model_validator(mode="after")
    def _one_change(self) -> Self:
        changes = sum(change is not None for change in (self.to, self.times, self.add))
        if (self.command is None) == (self.setting is None) or changes != (self.setting is not None):
            raise ValueError("advice: give a command, or a setting and one of to, times, add")
        return self

    def new(self, now: Value | list[int] | None) -> Value | None:
        """The setting's new value; None where this advice changes nothing, or needs a value that is not known.

        A list (of the layers that learn) is no number: nothing is added to it, and no bound is known to hold.
        """
        if isinstance(now, list):
            return self.to if self.while_below is None and self.while_above is None else None
        if now is None or isinstance(now, str):
            return None if self.to == now else self.to
        if (self.while_below is not None and now >= self.while_below) or (
            self.while_above is not None and now <= self.while_above
        ):
            return None
        changed = now * self.times if self.times is not None else now + self.add if self.add is not None else self.to
        if isinstance(changed, float):
            changed = math.floor(changed) if isinstance(now, int) and self.to is None else float(f"{changed:.2g}")
        return None if changed == now else changed


class Rule(Group):
    """When a rule speaks, which rules then stay silent, and what it says."""

    name: str
    when: list[Condition] = Field([])
    hides: list[str] = Field([])
    issue: Issue
    evidence: Annotated[list[str], Field(min_length=2, max_length=2)]
    because: str
    source: str
    improves: str
    advice: Annotated[list[Advice], Field(min_length=1)]


class Rules(Group):
    """The rules, what is to be mended first in front; where none speaks, the first of ``otherwise`` that may."""

    rules: list[Rule]
    otherwise: Annotated[list[Rule], Field(min_length=1)]

    @property
    def all(self) -> list[Rule]:
        """In the order in which they are told."""
        return [*self.rules, *self.otherwise]

    @model_validator(mode="after")
    def _conditions(self) -> Self:
        bare = [rule.name for rule in self.all if not rule.when]
        if bare != [self.otherwise[-1].name]:
            raise ValueError(f"rules: the last of `otherwise` has no condition, every other one has; without: {bare}")
        return self

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [rule.name for rule in self.all]
        unknown = {name for rule in self.rules for name in rule.hides} - set(names)
        if unknown or len(set(names)) < len(names):
            raise ValueError(f"rules: names that stand twice, or hidden ones that are unknown: {sorted(unknown)}")
        return self


@cache
def load(path: Path = RULES) -> Rules:
    """Read and check the rules.

    Raises:
        InputError: no YAML. ValueError: not as the rules must be.
    """
    return Rules.model_validate(read_mapping(path, f"rules {path.name}"))


def diagnose(report: Report, rules: Rules | None = None) -> list[dict[str, Any]]:
    """What is wrong with each arm, in the order of the rules, or that nothing was found.

    Args:
        report: report.json. With ``arms.<arm>.settings`` ({stage: {key: number}}) advice starts from the values in
            use; without, from fixed ones.

    Returns:
        ``{"arm", "issue", "rule", "evidence": [line, line], "command", "setting": {"name", "from", "to"} | None,
        "improves": the figure to watch, "because", "source"}`` each.
    """
    book = rules or load()
    found: list[tuple[int, dict[str, Any]]] = []
    for rung in report["ladder"]:
        arm = rung["arm"]
        figures = figures_of(report, arm)
        rules_met = speaking(book.rules, figures) or speaking(book.otherwise, figures)[:1]
        found += [(book.all.index(rule), _told(rule, report, arm, figures)) for rule in rules_met]
    return [told for _, told in sorted(found, key=lambda pair: pair[0])]


def speaking(rules: Sequence[Rule], figures: Mapping[str, Figure]) -> list[Rule]:
    """The rules whose conditions all hold, less those that an earlier one hides."""
    true = [rule for rule in rules if all(condition.holds(figures) for condition in rule.when)]
    hidden: set[str] = set()
    for rule in true:  # in order: a hidden rule hides nothing itself
        if rule.name not in hidden:
            hidden |= set(rule.hides)
    return [rule for rule in true if rule.name not in hidden]


def _told(rule: Rule, report: Report, arm: str, figures: Mapping[str, Figure]) -> dict[str, Any]:
    command, setting = _next(rule, report, arm)
    texts = (rule.because.strip(), *rule.evidence)
    because, *evidence = (fill(text.replace("{english}", english(report)), figures) for text in texts)
    return {
        "arm": arm,
        "issue": rule.issue,
        "rule": rule.name,
        "evidence": evidence,
        "command": command,
        "setting": setting,
        "improves": rule.improves,
        "because": because,
        "source": rule.source.strip(),
    }


Change = Mapping[str, Any]
"""``{"setting", "from", "to"}``: how an arm differs from the one it is read against."""


def tried(report: Report, measure: str) -> tuple[dict[str, Sequence[Change]], list[Change]]:
    """What arms of the ladder showed of the settings by which they differ from the one they are read against.

    Returns:
        By setting, all that an arm changed with it and was better in the measure: one setting alone, unless arms stand
        side by side, a remedy each; and the changes by which alone an arm was worse, in macro-recall or in masked
        words kept, and better in neither.
    """
    helped: dict[str, Sequence[Change]] = {}
    harmed: list[Change] = []
    above = None
    for rung in report["ladder"]:
        changes, told = rung["changes"], dict[str, set[str]]()
        for verdict in report["verdicts"]:
            asked = verdict["verdict"] != "unmeasured"
            if asked and (verdict["arm"], verdict["against"]) == (rung["arm"], above):
                told.setdefault(verdict["measure"], set()).add(verdict["verdict"])
        both = told.get("macro_recall", set()) | told.get("masked", set())
        whole = len(changes) == 1 or report["beside"] == "first"
        if whole and told.get(measure) == {"better"} and all(isinstance(change["to"], Value) for change in changes):
            helped |= {change["setting"]: changes for change in changes if change["setting"] not in helped}
        elif "worse" in both and "better" not in both and len(changes) == 1:
            harmed += changes
        above = rung["arm"] if above is None or report["beside"] == "above" else above
    return helped, harmed


def against(changes: Sequence[Change]) -> list[Issue]:
    """The issues of the guide against which rules advise what an arm changed."""
    found = [
        rule.issue
        for rule in load().rules
        if rule.issue in GUIDE
        for change, advice in product(changes, rule.advice)
        if advice.setting == change["setting"] and _is_heeded(advice, change)
    ]
    return sorted({*found}, key=GUIDE.index)


def _is_heeded(advice: Advice, change: Change) -> bool:
    new = advice.new(change["from"])
    return new is not None and (isinstance(change["to"], list) or _same_way(change, change["from"], new))


def _same_way(change: Change, now: Value | list[int] | None, new: Value) -> bool:
    """Whether a new value is the one that a change went to, or goes the same way from where it is."""
    ends: list[Any] = [change["from"], change["to"], change["from"] if now is None else now, new]
    if all(isinstance(end, int | float) for end in ends):
        return bool((ends[1] - ends[0]) * (ends[3] - ends[2]) > 0)
    return bool(new == change["to"])


def _next(rule: Rule, report: Report, arm: str) -> tuple[str, dict[str, Any] | None]:
    """Of the advice that changes something the first that helped another arm here, else the first, as a command.

    What did harm here is passed over. Where all is done that rules know of: look again.
    """
    helped, harmed = tried(report, "masked" if rule.improves.startswith("kept") else "macro_recall")
    for one in sorted(rule.advice, key=lambda one: one.setting not in helped):
        if one.command:
            return typed(one.command), None
        assert one.setting is not None
        now = _now(one.setting, report, arm)
        wanted = {change["setting"]: change["to"] for change in helped.get(one.setting, ())}
        if not wanted or wanted[one.setting] == now:
            new = one.new(now)
            harmful = [change for change in harmed if change["setting"] == one.setting]
            if new is None or any(_same_way(change, now, new) for change in harmful):
                continue
            wanted = {one.setting: new}
        shared = one.everywhere and len({_now(one.setting, report, rung["arm"]) for rung in report["ladder"]}) == 1
        prefix = "" if shared else f"arms.{arm}."
        recipe = report.get("recipe", DEFAULT_RECIPE)
        named = "" if recipe == DEFAULT_RECIPE else f"RECIPE={shlex.quote(recipe)} "
        values = " ".join(f"{prefix}{setting}={_typed_value(value)}" for setting, value in wanted.items())
        changed = {"name": f"{prefix}{one.setting}", "from": now, "to": wanted[one.setting]}
        return typed(f'make all {named}SET="{values}"'), changed
    return typed("make show"), None


def _typed_value(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _now(setting: str, report: Report, arm: str) -> Value | list[int] | None:
    """The value in use, where the report tells it."""
    told = report["arms"].get(arm, {})
    settings = flat(told.get("settings", {})) | {"source.model": told.get("source", {}).get("name")}
    settings |= {"tokenizer.emoji": report["coverage"].get(arm, {}).get("emoji")}
    value: Value | list[int] | None = settings.get(setting)
    return value


FIELD = re.compile(r"\{([\w.]+):(\w+)\}")


def fill(text: str, figures: Mapping[str, Figure]) -> str:
    """Put figures into ``{name:share|nats|number|rate|place|n}``; "(not measured)" where there is none."""
    return FIELD.sub(lambda field: _set(figures.get(field[1]), field[2]), text)


def _set(figure: Figure | None, how: str) -> str:
    if figure is None:
        return "(not measured)"
    if how == "place":
        return figure.place
    if how == "n":
        return f"{figure.n:,}"
    if how == "rate":
        return f"{figure.value:g}"
    scale, digits, unit = {"share": (100, 1, "%"), "nats": (1, 2, ""), "number": (1, 0, "")}[how]
    value, low, high = (f"{scale * bound:,.{digits}f}" for bound in (figure.value, figure.low, figure.high))
    exact = figure.low == figure.high or math.isnan(figure.low) or math.isnan(figure.high)
    return f"{value}{unit}" if exact else f"{value}{unit} ({low} to {high})"
