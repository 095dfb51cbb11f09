import logging
from pathlib import Path

import pytest

from pipeline.common.errors import InputError
from pipeline.machine.recipe import Recipe, load_recipe, parse_changes
from pipeline.machine.stage import Run
from stages import STORY as REAL_STORY
from tests.pipeline.toy_story import RECIPE, STORY, Gather, Grow, Light, write_recipe


def load(folder: Path, text: str = RECIPE, *changes: str) -> Recipe:
    return load_recipe(write_recipe(folder, text), STORY, parse_changes(changes))


def refusal(folder: Path, text: str = RECIPE, *changes: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        load(folder, text, *changes)
    return str(caught.value).splitlines()


def grow(recipe: Recipe, arm: str) -> Grow:
    settings = recipe.arms[arm]["grow"]
    assert isinstance(settings, Grow)
    return settings


def test_sections_defaults_and_arms(tmp_path: Path) -> None:
    recipe = load(tmp_path)
    assert recipe.name == "toy"
    assert list(recipe.arms) == ["plain", "twin", "full"]
    assert recipe.runs == (Run("plain", 0), Run("twin", 0), Run("full", 0))
    assert grow(recipe, "plain") == Grow(steps=3, learning_rate=0.5)
    assert grow(recipe, "twin") == Grow(steps=3, learning_rate=0.5, batch_size=8)
    assert grow(recipe, "full") == Grow(steps=3) == recipe.shared["grow"]
    assert recipe.arms["plain"]["gather"] == Gather(source=Path("source.txt"))


def test_seeds_multiply_runs_within_each_arm(tmp_path: Path) -> None:
    recipe = load(tmp_path, "seeds: [0, 7]\narms: {a: {}, b: {}}")
    assert recipe.runs == (Run("a", 0), Run("a", 7), Run("b", 0), Run("b", 7))
    assert [str(run) for run in recipe.runs] == ["a#0", "a#7", "b#0", "b#7"]


def test_a_recipe_that_says_next_to_nothing_is_all_defaults_in_one_arm_named_after_the_file(tmp_path: Path) -> None:
    recipe = load(tmp_path, "seeds: [0]")
    assert (recipe.name, recipe.runs) == ("toy", (Run("full", 0),))


def test_an_empty_recipe_is_refused(tmp_path: Path) -> None:
    """It would run everything by default and take over the latest report: hardly what was meant."""
    assert refusal(tmp_path, "# nothing yet\n") == [
        "recipe toy.yaml: empty; write `extends: starter` and what you change"
    ]


def test_yaml_reads_2e_5_as_text_and_it_becomes_a_number(tmp_path: Path) -> None:
    assert grow(load(tmp_path, "grow: {learning_rate: 3e-5}"), "full").learning_rate == 3e-5


def test_extends_merges_deeply_keeps_the_order_of_arms_and_takes_its_own_name(tmp_path: Path) -> None:
    write_recipe(tmp_path)
    middle = tmp_path / "middle.yaml"
    middle.write_text("extends: toy.yaml\ngrow: {learning_rate: 0.25}\ngather:\narms: {more: {grow: {steps: 9}}}")
    top = tmp_path / "top.yaml"
    top.write_text("extends: middle.yaml\nseeds: [4]\narms: {plain: {grow: {batch_size: 2}}}")
    recipe = load_recipe(top, STORY)
    assert recipe.name == "top"
    assert [run.arm for run in recipe.runs] == ["plain", "twin", "full", "more"]
    assert grow(recipe, "plain") == Grow(steps=3, learning_rate=0.5, batch_size=2)
    assert grow(recipe, "more") == Grow(steps=9, learning_rate=0.25)
    assert recipe.seeds == (4,)


def test_an_overlay_takes_out_arms_and_another_may_bring_them_back(tmp_path: Path) -> None:
    write_recipe(tmp_path)
    middle, top = tmp_path / "middle.yaml", tmp_path / "top.yaml"
    middle.write_text("extends: toy.yaml\narms: {plain: null, twin: null}")
    top.write_text("extends: middle.yaml\narms: {plain: {grow: {steps: 9}}}")
    assert list(load_recipe(middle, STORY).arms) == ["full"]
    recipe = load_recipe(top, STORY)
    assert list(recipe.arms) == ["full", "plain"]
    assert grow(recipe, "plain") == Grow(steps=9)  # nothing is left of what it was
    assert list(load(tmp_path, RECIPE, "arms.twin=null").arms) == ["plain", "full"]


def test_an_arm_to_take_out_must_be_there(tmp_path: Path) -> None:
    write_recipe(tmp_path)
    path = tmp_path / "mine.yaml"
    path.write_text("extends: toy.yaml\narms: {plian: null}")
    with pytest.raises(InputError) as caught:
        load_recipe(path, STORY)
    assert str(caught.value) == (
        "recipe mine.yaml: arms.plian: null, or nothing, takes out an inherited arm, and none has this name "
        "(did you mean plain?); for an arm like the recipe itself write `plian: {}`"
    )


def test_a_recipe_is_called_what_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "below").mkdir()
    for file, name, called in (
        ("toy.yaml", "toy", "toy"),
        ("toy.yaml", "shop", "toy.yaml"),
        ("below/toy.yaml", "toy", "below/toy.yaml"),
        ("below/../toy.yaml", "below", "toy.yaml"),
    ):
        Path(file).write_text(f"name: {name}\narms: {{full: {{}}}}")
        recipe = load_recipe(tmp_path / file, STORY)
        assert (recipe.name, recipe.called) == (name, called)
        assert load_recipe(recipe.called, STORY).file.resolve() == recipe.file.resolve()
        (tmp_path / file).unlink()
    monkeypatch.chdir(tmp_path / "below")
    Path("../toy.yaml").write_text("seeds: [0]")
    assert load_recipe(tmp_path / "toy.yaml", STORY).called == "toy.yaml"
    assert load_recipe("starter", REAL_STORY).called == "starter"


def test_extends_finds_a_recipe_that_ships_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "starter.yaml").write_text("grow: {steps: 8}")
    monkeypatch.setattr("pipeline.machine.recipe.SHIPPED", tmp_path / "shipped")
    assert grow(load(tmp_path, "extends: starter"), "full").steps == 8
    assert load_recipe("starter", STORY).name == "starter"


def test_extends_that_leads_nowhere_or_in_a_circle_is_refused(tmp_path: Path) -> None:
    assert "gone.yaml: no such file" in refusal(tmp_path, "extends: gone.yaml")[0]
    assert "comes back to itself" in refusal(tmp_path, "extends: toy.yaml")[0]
    assert "[1] is no file name" in refusal(tmp_path, "extends: [1]")[0]


def test_set_does_as_if_the_recipe_were_edited_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        recipe = load(tmp_path, RECIPE, "grow.learning_rate=3e-5", "arms.twin.grow.steps=7", "seeds=[1, 2]")
    assert [grow(recipe, arm).learning_rate for arm in recipe.arms] == [0.5, 0.5, 3e-5]
    assert [grow(recipe, arm).steps for arm in recipe.arms] == [3, 7, 3]
    assert recipe.seeds == (1, 2)
    assert (
        "without effect in plain, twin, where the arm sets it itself; arms.plain.grow.learning_rate=... changes that"
        in caplog.text
    )


def test_what_is_refused_comes_without_hints_about_the_rest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert refusal(tmp_path, RECIPE, "grow.learning_rate=9") == [
        "--set grow.learning_rate=9: grow.learning_rate: 9 does not fit; it takes number > 0 and <= 1"
    ]
    assert not caplog.records


def test_groups_of_settings_are_reached_at_any_depth(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = "grow: {light: {lamps: 2, watts: 5}}\narms: {a: {grow: {light: {lamps: 3}}}, b: {}, c: {}}"
    recipe = load(tmp_path, text, "grow.light.lamps=4", "arms.c.grow.light.lamps=5", "grow.light.watts=6")
    assert {arm: grow(recipe, arm).light for arm in recipe.arms} == {
        "a": Light(lamps=3, watts=6), "b": Light(lamps=4, watts=6), "c": Light(lamps=5, watts=6)
    }  # fmt: skip
    (warning,) = [record.getMessage() for record in caplog.records]
    assert warning == (
        "--set grow.light.lamps=4: without effect in a, where the arm sets it itself; "
        "arms.a.grow.light.lamps=... changes that"
    )


@pytest.mark.parametrize(
    ("text", "change", "says"),
    [
        ("grow: {light: {lamp: 2}}", "", "recipe toy.yaml: grow.light.lamp: unknown key; did you mean lamps?"),
        ("grow: {light: 3}", "", "recipe toy.yaml: grow.light: 3 does not fit; it takes `key: value` lines"),
        (
            "arms: {a: {grow: {light: {lamps: 10}}}}",
            "",
            "recipe toy.yaml: arms.a.grow.light.lamps: 10 does not fit; it takes whole number >= 0 and <= 9",
        ),
        (
            "arms: {a: {grow: {light: {lamps: 2}}}}",
            "grow.light.wats=2",
            "--set grow.light.wats=2: grow.light.wats: unknown key; did you mean watts?",
        ),
        (
            "seeds: [0]",
            "grow.light.watts.high=2",
            "--set grow.light.watts.high=2: grow.light.watts: {'high': 2} does not fit; it takes number > 0",
        ),
        ("arms: {a: {}}", "arms.a.grow.ligth.lamps=2", "arms.a.grow.ligth: unknown key; did you mean light?"),
    ],
)
def test_a_slip_in_a_group_is_refused_once_with_its_place_and_the_near_name(
    tmp_path: Path, text: str, change: str, says: str
) -> None:
    (line,) = refusal(tmp_path, text, *([change] if change else []))
    assert line.endswith(says)


def test_set_can_replace_the_arms(tmp_path: Path) -> None:
    assert list(load(tmp_path, RECIPE, "arms={only: {}}").arms) == ["only"]


def test_all_problems_are_shown_together_with_key_place_and_range(tmp_path: Path) -> None:
    text = "grow: {learnin_rate: 1, steps: -1, learning_rate: big, method: lorra}\narms: {a: {grow: {steps: 2.5}}}"
    assert refusal(tmp_path, text, "total.title=") == [
        "recipe toy.yaml: grow.steps: -1 does not fit; it takes whole number >= 0 and <= 1000",
        "recipe toy.yaml: grow.learning_rate: 'big' does not fit; it takes number > 0 and <= 1",
        "recipe toy.yaml: grow.method: 'lorra' does not fit; it takes full | lora",
        "recipe toy.yaml: grow.learnin_rate: unknown key; did you mean learning_rate?",
        "--set total.title=null: total.title: None does not fit; it takes text",
        "recipe toy.yaml: arms.a.grow.steps: 2.5 does not fit; it takes whole number >= 0 and <= 1000",
    ]


def test_a_problem_names_the_file_of_the_chain_that_it_stands_in(tmp_path: Path) -> None:
    (tmp_path / "below.yaml").write_text("grow: {steps: -1}")
    lines = refusal(tmp_path, "extends: below.yaml\ngrow: {learning_rate: 7}")
    assert [line.split(":")[0] for line in lines] == ["recipe below.yaml", "recipe toy.yaml"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("grw: {}", "grw: unknown stage or key; did you mean grow?"),
        ("lamps: 2", "recipe toy.yaml: lamps: unknown stage or key; did you mean grow.light.lamps?"),
        ("zzz: 1", "known: name, extends, seeds, arms, search, gather, grow, judge, total"),
        ("arms: {a: {grw: {}}}", "arms.a.grw: unknown stage; did you mean grow?"),
        ("arms: {a: {total: {title: x}}}", "total runs once for all arms; set it in the recipe's own section"),
        ("arms: [a]", "arms: must hold `key: value` lines"),
        ("arms: {a: null}", "and none has this name; for an arm like the recipe itself write `a: {}`"),
        ("arms: {a: 3}", "arms.a: must hold stages"),
        ("arms: {a: {grow: 3}}", "arms.a.grow: must hold `key: value` lines"),
        ("arms: {../up: {}}", "arms.../up: the name of an arm must be letters"),
        ("name: ../up", "name: '../up' must be letters"),
        ("name: on", "name: True is no text in YAML; put it in quotes, or take another name"),
        ("grow: 3", "grow: must hold `key: value` lines"),
        ("seeds: []", "seeds: [] is no list"),
        ("seeds: [true]", "seeds: [True] is no list"),
        ("seeds: [1, 1]", "names a seed twice"),
        ("grow: {learning_rate: .nan}", "nan does not fit"),
        ("grow: {pause: .inf}", "inf does not fit"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, says: str) -> None:
    assert any(says in line for line in refusal(tmp_path, text)), refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("grow.steps", "not of the form stage.key=value"),
        ("=3", "not of the form"),
        ("extends=x", "not of the form"),
        ("grw.steps=3", "--set grw.steps=3: grw: unknown stage or key; did you mean grow?"),
        ("arms.ful=null", "unknown arm ful; did you mean full?"),
        ("arms={}", "arms: every arm is taken out; keep one, or write `full: {}` for an arm like the recipe itself"),
        ("arms.ful.grow.steps=3", "unknown arm ful; did you mean full?"),
        ("grow.step=3", "--set grow.step=3: grow.step: unknown key; did you mean steps?"),
        ("seed=3", "--set seed=3: seed: unknown stage or key; did you mean seeds?"),
        ("lamps=3", "--set lamps=3: lamps: unknown stage or key; did you mean grow.light.lamps?"),
        ("light.lamps=3", "light: unknown stage or key; did you mean grow.light?"),
        ("grow.lamps=3", "grow.lamps: unknown key; did you mean grow.light.lamps?"),
        ("arms.full.lamps=3", "arms.full.lamps: unknown stage; did you mean arms.full.grow.light.lamps?"),
        ("arms.full.grow.lamps=3", "grow.lamps: unknown key; did you mean arms.full.grow.light.lamps?"),
        ("grow.steps=[", "--set grow.steps=[ line 1"),
    ],
)
def test_a_wrong_set_is_refused(tmp_path: Path, change: str, says: str) -> None:
    assert says in refusal(tmp_path, RECIPE, change)[0]


def test_a_new_arm_that_looks_like_a_slip_of_the_pen_is_mentioned(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_recipe(tmp_path)
    path = tmp_path / "mine.yaml"
    path.write_text("extends: toy.yaml\narms: {ful: {}, plain: {}, plain-2: {}, not-full: {}, other: {}}")
    assert list(load_recipe(path, STORY).arms) == ["plain", "twin", "full", "ful", "plain-2", "not-full", "other"]
    assert [record.getMessage() for record in caplog.records] == [
        "recipe mine.yaml: arm ful: new, though full exists; rename it if you meant that"
    ]


def test_a_recipe_here_goes_by_its_name_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_recipe(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert load_recipe("toy", STORY) == load_recipe("toy.yaml", STORY)


def test_a_missing_recipe_names_those_that_ship() -> None:
    with pytest.raises(InputError, match=r"recipe nope: no such file; .* recipes that ship: .*starter"):
        load_recipe("nope", STORY)
    with pytest.raises(
        InputError, match=r"recipe startr: no such file; did you mean starter\? The recipes that ship: "
    ):
        load_recipe("startr", STORY)


@pytest.mark.parametrize("seeds", ["[4294967296]", "[-1]", "[1.5]"])
def test_a_seed_that_libraries_cannot_take_is_refused(tmp_path: Path, seeds: str) -> None:
    assert "is no list of whole numbers from 0 to 2^32 - 1" in refusal(tmp_path, f"seeds: {seeds}")[0]
    assert load(tmp_path, "seeds: [4294967295]").seeds == (2**32 - 1,)
