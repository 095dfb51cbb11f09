"""Which values a setting may take in a story, refused before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.common.errors import InputError
from pipeline.common.validation import nearest
from pipeline.machine.plan import Plan
from pipeline.machine.recipe import load_recipe
from pipeline.machine.space import Search, Span
from pipeline.machine.store import Store

SHIPPED = "search"
"""The recipe whose section is taken for recipes that have none."""
DIGITS = 3


@dataclass(frozen=True)
class Dimension:
    """The values of one setting; ``whole``: it takes whole numbers."""

    span: Span
    whole: bool = False

    def value(self, drawn: Any) -> Any:
        """What is set where that was drawn: of a number with decimals three digits, as a person would write it."""
        if not isinstance(drawn, float) or self.span.choices is not None:
            return drawn
        assert self.span.low is not None
        assert self.span.high is not None
        return min(max(float(f"{drawn:.{DIGITS}g}"), self.span.low), self.span.high)


Space = Mapping[str, Dimension]
"""By path, such as ``finetune.learning_rate``."""


def of_plan(plan: Plan, until: str) -> tuple[Search, Space]:
    """What a plan's recipe says of its search, and the space of its one arm: its own, or the one that ships.

    Every end and every choice is tried on the recipe and on all stages' checks, alone.

    Raises:
        InputError: with every key that there is not, and every value that a setting does not take.
    """
    own = plan.recipe if plan.recipe.search.settings else load_recipe(SHIPPED, plan.story)
    space: dict[str, Dimension] = {}
    problems: list[str] = []
    for path, span in own.search.settings.items():
        said = list(_problems(plan, path, span, until))
        problems += [f"recipe {own.file.name}: search.settings.{path}: {each}" for each in said]
        space[path] = Dimension(span, not said and _whole(plan, path, span))
        ends = (span.low, span.high)
        if space[path].whole and any(end is not None and end != int(end) for end in ends):
            problems.append(f"recipe {own.file.name}: search.settings.{path}: takes whole numbers; so must its ends be")
    if problems:
        raise InputError("\n".join(dict.fromkeys(problems)))
    return plan.recipe.search.model_copy(update={"settings": own.search.settings}), space


def changes(arm: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by path as changes to a recipe that hold in this arm, whatever it sets itself."""
    return {f"arms.{arm}.{path}": value for path, value in values.items()}


def _problems(plan: Plan, path: str, span: Span, until: str) -> Iterator[str]:
    names, (stage, _, key) = [each.name for each in plan.stages(until)], path.partition(".")
    if not key:
        yield "names no setting; write stage.key"
    elif stage not in names:
        later = stage in {each.name for each in plan.story}
        yield f"comes after {until}, where a trial ends" if later else f"unknown stage; {nearest(stage, names)}"
    if not key or stage not in names:
        return
    for value in _values(span):
        yield from _refused(plan, path, value, until)


def _values(span: Span) -> tuple[Any, ...]:
    """What of a span can be tried: its choices, or its ends, whole where they are."""
    return span.choices or tuple(
        int(end) if end == int(end) else end for end in (span.low, span.high) if end is not None
    )


def _refused(plan: Plan, path: str, value: Any, until: str) -> list[str]:
    """What the recipe or a stage says against a value."""
    (arm,) = plan.arms
    try:
        recipe = load_recipe(plan.recipe, plan.story, changes(arm, {path: value}))
        Plan(plan.story, recipe, Store(plan.store.root), plan.arms).check(until)
    except InputError as problem:
        own = f"arms.{arm}.{path}: "
        return [line.partition(own)[2] or line for line in str(problem).splitlines()]
    return []


def _whole(plan: Plan, path: str, span: Span) -> bool:
    """Whether a setting between two whole numbers takes no others."""
    if span.low is None or span.low != int(span.low):
        return False
    (arm,) = plan.arms
    try:
        load_recipe(plan.recipe, plan.story, changes(arm, {path: span.low + 0.5}))
    except InputError:
        return True
    return False
