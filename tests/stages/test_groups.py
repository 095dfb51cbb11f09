"""Groups of settings in the real stages: old names lead to new ones, and what is not written is the stage's default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.common.errors import InputError
from pipeline.common.validation import settings_of
from pipeline.machine.plan import Plan
from pipeline.machine.recipe import SHIPPED, load_recipe
from pipeline.machine.stage import Run
from pipeline.machine.store import Store
from pipeline.measuring.diagnosis import rules
from stages import STORY, pretrain

RENAMED = [(stage, old, new) for stage in STORY for old, new in stage.settings_type.renamed.items()]


@pytest.mark.parametrize(("stage", "old", "new"), RENAMED, ids=lambda part: getattr(part, "name", part))
def test_an_old_name_is_refused_in_one_line_that_says_the_new_one(stage, old: str, new: str) -> None:  # type: ignore[no-untyped-def]
    path = f"{stage.name}.{old}"
    with pytest.raises(InputError) as caught:
        load_recipe("starter", STORY, {path: 1})
    assert str(caught.value) == f"--set {path}=1: {path}: is now {stage.name}.{new}"
    assert new in {name for name, _, _ in settings_of(stage.settings_type)}


def test_the_diagnosis_advises_settings_that_there_are() -> None:
    known = {f"{stage.name}.{name}" for stage in STORY for name, _, _ in settings_of(stage.settings_type)}
    book = rules.load()
    assert {one.setting for rule in book.all for one in rule.advice if one.setting} <= known


def test_what_is_not_written_of_a_group_is_the_stages_default_and_not_the_groups() -> None:
    assert pretrain.Settings.model_validate({"lora": {"rank": 4}}).lora == pretrain.Lora(rank=4, alpha=None, dropout=0)
    recipe = load_recipe("starter", STORY, {"pretrain.lora.rank": 4, "finetune.freezing": {}})
    assert recipe.shared["pretrain"].lora.alpha is None  # type: ignore[attr-defined]
    assert recipe.shared["finetune"].freezing.layers == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(file.stem for file in SHIPPED.glob("*.yaml")))
def test_what_ships_can_be_loaded(name: str) -> None:
    assert load_recipe(name, STORY).arms


def test_adaptation_goes_through_the_seeds_where_a_recipe_says_so() -> None:
    """That of a seed is the one that this seed alone would have had; else all seeds share one."""
    stage = next(stage for stage in STORY if stage.name == "pretrain")

    def of(seed: int, **changes: Any) -> Any:
        recipe = load_recipe("starter", STORY, {"seeds": [0, 1, 2], **changes})
        return Plan(STORY, recipe, Store(Path("unused"))).settings(stage, Run("full", seed))

    assert of(0) == of(2)
    assert [of(seed, **{"pretrain.every_seed": True}).seed for seed in (0, 1, 2)] == [0, 1, 2]
    assert of(0, **{"pretrain.every_seed": True}) == of(0)
    assert of(2, **{"pretrain.every_seed": True}) == of(0, **{"pretrain.seed": 2})
    with pytest.raises(InputError, match=r"pretrain\.seed is 5; leave one out"):
        of(0, **{"pretrain.every_seed": True, "pretrain.seed": 5})
