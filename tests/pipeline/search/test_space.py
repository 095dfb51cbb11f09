from pathlib import Path

import pytest

from pipeline.common.errors import InputError
from pipeline.machine.plan import Plan
from pipeline.machine.recipe import load_recipe
from pipeline.machine.space import Span
from pipeline.machine.store import Store
from pipeline.search import space
from stages import STORY as WHOLE
from tests.pipeline.search.toy import RECIPE, STORY
from tests.pipeline.toy_story import STORY as TO_THE_END
from tests.pipeline.toy_story import write_recipe


def dimensions(folder: Path, settings: str) -> space.Space:
    file = write_recipe(folder, f"grow: {{steps: 2}}\nsearch: {{settings: {settings}}}")
    changes = {"gather.source": str(folder / "source.txt")}
    return space.of_plan(Plan(TO_THE_END, load_recipe(file, TO_THE_END, changes), Store(folder), ["full"]), "grow")[1]


def refusal(folder: Path, settings: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        dimensions(folder, settings)
    return [line.removeprefix("recipe toy.yaml: search.settings.") for line in str(caught.value).splitlines()]


def test_settings_at_any_depth_whole_where_they_take_whole_numbers(tmp_path: Path) -> None:
    found = dimensions(
        tmp_path,
        "{grow.learning_rate: {low: 1e-5, high: 1}, grow.light.lamps: {low: 0, high: 9}, grow.method: [full, lora], "
        "grow.light.watts: {low: 1, high: 9}}",
    )
    assert {path: each.whole for path, each in found.items()} == {
        "grow.learning_rate": False, "grow.light.lamps": True, "grow.method": False, "grow.light.watts": False,
    }  # fmt: skip
    assert found["grow.learning_rate"].span == Span(low=1e-5, high=1.0)


def test_what_a_story_has_not_and_what_a_setting_does_not_take_is_refused_with_all_of_it_at_once(
    tmp_path: Path,
) -> None:
    assert refusal(
        tmp_path,
        "{grow.learning_rat: {low: 1e-3, high: 1}, gro.steps: [1, 2], grow.learning_rate: {low: 1e-3, high: 2}, "
        "grow.light.lamps: {low: 0.5, high: 3}, grow.method: [full, Lora], judge.x: [1, 2], grow: [1, 2], "
        "seeds: [1, 2], grow.light.lamp: [1, 2]}",
    ) == [
        "grow.learning_rat: unknown key; did you mean learning_rate?",
        "gro.steps: unknown stage; did you mean grow?",
        "grow.learning_rate: 2 does not fit; it takes number > 0 and <= 1",
        "grow.light.lamps: 0.5 does not fit; it takes whole number >= 0 and <= 9",
        "grow.method: 'Lora' does not fit; it takes full | lora",
        "judge.x: comes after grow, where a trial ends",
        "grow: names no setting; write stage.key",
        "seeds: names no setting; write stage.key",
        "grow.light.lamp: unknown key; did you mean lamps?",
    ]


def test_whole_numbers_have_whole_ends(tmp_path: Path) -> None:
    assert refusal(tmp_path, "{grow.light.lamps: {low: 0, high: 3.5}}") == [
        "grow.light.lamps: 3.5 does not fit; it takes whole number >= 0 and <= 9"
    ]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("{grow.steps: {low: 3, high: 3}}", "grow.steps: low is 3 and high 3: low must be below high"),
        ("{grow.steps: {low: 3}}", "grow.steps: give {low: ..., high: ...}, or a list of choices"),
        ("{grow.steps: 3}", "grow.steps: give {low: ..., high: ...}, or a list of choices"),
        ("{grow.steps: [3]}", "grow.steps: give two choices or more, all different"),
        ("{grow.steps: [3, 3]}", "grow.steps: give two choices or more, all different"),
        ("{grow.steps: {choices: [3, 4], low: 1}}", "grow.steps: choices have no low, high or log; give either"),
        ("{grow.steps: {lo: 1, high: 2}}", "grow.steps.lo: unknown key; did you mean low?"),
        ("{grow.steps: {low: a, high: 2}}", "grow.steps.low: 'a' does not fit; it takes number, or null"),
        ("{grow.learning_rate: {low: 0, high: 1, log: true}}",
         "grow.learning_rate: low is 0, which has no logarithm; let it be above 0, or leave log out"),
    ],
)  # fmt: skip
def test_ranges_that_are_none_are_refused_by_every_command(tmp_path: Path, settings: str, said: str) -> None:
    assert refusal(tmp_path, settings) == [said]


def test_slips_in_the_section_itself(tmp_path: Path) -> None:
    for text, said in (
        ("serch: {}", "recipe toy.yaml: serch: unknown stage or key; did you mean search?"),
        ("search: {bugdet: 0.9}", "recipe toy.yaml: search.bugdet: unknown key; did you mean budget?"),
        (
            "search: {sampler: best}",
            "recipe toy.yaml: search.sampler: 'best' does not fit; it takes tpe | nsga2 | random",
        ),
        ("search: {settings: [1]}", "recipe toy.yaml: search.settings: must hold `stage.key: values` lines"),
        ("search: 3", "recipe toy.yaml: search: must hold `key: value` lines"),
    ):
        with pytest.raises(InputError) as caught:
            load_recipe(write_recipe(tmp_path, text), STORY)
        assert str(caught.value) == said


def test_yaml_reads_1e_3_as_text_and_it_becomes_a_number(tmp_path: Path) -> None:
    assert dimensions(tmp_path, "{grow.learning_rate: [1e-3, 1e-2]}")["grow.learning_rate"].span.choices == (1e-3, 1e-2)


def test_numbers_are_set_as_a_person_would_write_them_and_stay_within_the_ends() -> None:
    rate = space.Dimension(Span(low=0.00012345, high=0.98765))
    assert [rate.value(drawn) for drawn in (0.123456, 0.00012345, 0.98765)] == [0.123, 0.00012345, 0.98765]
    assert space.Dimension(Span(choices=(0.123456, 1))).value(0.123456) == 0.123456
    assert space.Dimension(Span(low=0, high=9000), whole=True).value(8765) == 8765


def test_values_hold_whatever_the_arm_sets_itself(tmp_path: Path) -> None:
    file = write_recipe(tmp_path, RECIPE.replace("{full: {}}", "{full: {grow: {learning_rate: 0.5}}}"))
    recipe = load_recipe(file, STORY, space.changes("full", {"grow.learning_rate": 0.25}))
    assert recipe.arms["full"]["grow"].learning_rate == 0.25  # type: ignore[attr-defined]


def test_the_space_that_ships_is_possible_for_the_recipe_that_ships(tmp_path: Path) -> None:
    recipe = load_recipe("starter", WHOLE)
    settings, found = space.of_plan(Plan(WHOLE, recipe, Store(tmp_path), ["full"]), "finetune")
    assert settings.budget == 0.95
    assert {path for path, each in found.items() if each.whole} == {"finetune.freezing.layers"}
    assert {path.removeprefix("finetune.") for path in found} == {
        "learning_rate", "num_train_epochs", "batch_size", "freezing.layers", "layerwise_lr_decay", "method",
        "regularisation.dropout", "regularisation.weight_decay", "regularisation.l2_sp", "augmentation.emoji_share",
        "augmentation.noise_share",
    }  # fmt: skip
