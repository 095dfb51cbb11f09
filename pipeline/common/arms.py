"""Which of a recipe's arms are the ladder, which one is taken away, and which one a search chose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import Field

from pipeline.common.errors import InputError
from pipeline.common.settings import Group


class Searched(Group):
    """An arm that a search chose by dev texts, as best.yaml says."""

    arm: str = Field(description="the arm that it chose")
    against: str = Field(description="the arm whose settings it varied")
    trials: int = Field(ge=1, description="how many of them dev texts have judged")


def rungs(settings: Any, arms: Iterable[str]) -> tuple[list[str], str]:
    """The arms of the ladder in order, and the one whose model is taken away.

    Args:
        settings: of the report: ``controls``, which are no rungs, and ``final_arm``, by default the last rung; and
            ``searched``.

    Raises:
        InputError: an arm that is not among them is named, or a control as the final arm.
    """
    known, controls, final, searched = list(arms), settings.controls, settings.final_arm, settings.searched
    named: dict[str, Sequence[str]] = {"final_arm": [final] if final else [], "controls": controls}
    named |= {"searched": [searched.arm, searched.against] if searched else []}
    for key, some in named.items():
        for arm in some:
            if arm not in known:
                raise InputError(f"report.{key}: no arm {arm} in this run; choose one of {', '.join(known)}")
    found = [arm for arm in known if arm not in controls]
    if not found or final in controls:
        raise InputError("report.controls: the final arm is judged against them, and is one itself; take it out")
    return found, final or found[-1]
