import logging
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.common.errors import InputError
from pipeline.machine import runner
from pipeline.machine.plan import Plan, survey
from pipeline.machine.recipe import load_recipe, parse_changes
from pipeline.machine.runner import StageFailedError, Step, walk
from pipeline.machine.store import Store
from pipeline.machine.workers import Workers
from pipeline.machine.workers.local import LocalProcesses
from tests.pipeline import toy_story
from tests.pipeline.toy_story import CALLS, STORY, TELLING, Gather, Judge, gather, judge, tell, write_recipe


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    write_recipe(tmp_path)
    CALLS.clear()
    return


def plan(*changes: str, arms: tuple[str, ...] = ()) -> Plan:
    """A new plan with a new store object, as a new process would have."""
    return Plan(STORY, load_recipe("toy.yaml", STORY, parse_changes(changes)), Store(Path("artifacts")), arms)


def run(*changes: str, arms: tuple[str, ...] = (), last: str | None = None, force: bool = False) -> list[Step]:
    CALLS.clear()
    return [step for step in walk(plan(*changes, arms=arms), last, force=force) if step.state != "running"]


def states(steps: list[Step]) -> list[str]:
    return [f"{step.stage.name} {step.run or 'all'} {step.state}" for step in steps]


def reasons(*changes: str) -> dict[str, str]:
    return {f"{each.stage.name} {each.run or 'all'}": each.why for each in survey(plan(*changes))}


def artifact(stage: str, run: str) -> Path:
    return next(
        each.artifact.folder
        for each in survey(plan())
        if each.artifact and each.stage.name == stage and str(each.run or "all") == run
    )


def test_arms_with_the_same_identity_share_what_is_computed_once() -> None:
    assert states(run()) == [
        *("gather plain#0 done", "gather twin#0 shared", "gather full#0 shared"),
        *("grow plain#0 done", "grow twin#0 shared", "grow full#0 done"),
        *("judge plain#0 done", "judge twin#0 shared", "judge full#0 done"),
        "total all done",
    ]
    assert CALLS == ["gather", "grow", "grow", "judge", "judge", "total"]


def test_a_stage_with_news_goes_first() -> None:
    steps = list(walk(Plan(TELLING, load_recipe("toy.yaml", TELLING), Store(Path("artifacts")))))
    assert CALLS == ["gather", "grow", "judge", "grow", "judge", "total"]
    told = [step for step in steps if step.made and step.stage.name == "judge"]
    news = {str(step.run): tell(step.folder) for step in told if step.folder}
    assert news == {"plain#0": ["score 28\a"], "twin#0": ["score 28\a"], "full#0": ["score 34\a"]}
    again = walk(Plan(TELLING, load_recipe("toy.yaml", TELLING), Store(Path("artifacts"))))
    assert not any(step.made for step in again)


def test_an_arm_goes_on_while_another_is_slow_and_the_ladder_keeps_its_order() -> None:
    steps = list(walk(plan("arms.plain.grow.pause=0.5", "arms.twin.grow.steps=2"), workers=LocalProcesses(2)))
    done = [f"{step.stage.name} {step.run or 'all'}" for step in steps if step.state == "done"]
    assert done.index("judge full#0") < done.index("grow plain#0") < done.index("total all")
    assert [line.split()[0] for line in Path("artifacts/latest/summary.txt").read_text().splitlines()[2:]] == [
        *("plain#0", "twin#0", "full#0")
    ]


class Backwards:
    """Another kind of workers: takes on three tasks, as pickles, and does the last first."""

    free = 3

    def __init__(self) -> None:
        self.pending: list[Any] = []

    def begin(self, work: Callable[[Any], Any], tasks: Sequence[Any]) -> None:
        self.work, self.pending = work, [*self.pending, *tasks]

    def finished(self) -> list[tuple[Any, Any]]:
        task = self.pending.pop()
        return [(task, pickle.loads(pickle.dumps(self.work))(pickle.loads(pickle.dumps(task))))]

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None: ...


def test_whoever_does_the_work_the_results_are_the_same() -> None:
    done = [step for step in walk(plan(), workers=Backwards()) if step.state != "running"]
    assert [str(step.run) for step in done if step.stage.name == "grow"] == ["full#0", "plain#0", "twin#0"]
    made = {step.stage.name: step.folder for step in done if str(step.run) == "full#0"}
    assert (made["grow"] / "model" / "weights.txt").read_text() == "Hello0 0 2e-05\n1 0 2e-05\n2 0 2e-05"  # type: ignore[operator]
    assert run()
    assert CALLS == []


def test_one_function_serves_two_stages_and_a_side_stage_is_a_line_in_the_story() -> None:
    story = (*STORY, replace(STORY[1], name="regrow"))
    told = Plan(story, load_recipe("toy.yaml", story, {"regrow.steps": 1}), Store(Path("artifacts")))
    assert states([step for step in walk(told, "regrow") if step.state != "running"]) == [
        *("gather plain#0 done", "gather twin#0 shared", "gather full#0 shared"),
        *("regrow plain#0 done", "regrow twin#0 shared", "regrow full#0 shared"),
    ]
    assert not Path("artifacts/grow").exists()
    assert (next(Path("artifacts/regrow").iterdir()) / "model" / "weights.txt").read_text() == "Hello0 0 2e-05"
    assert {step.stage.name for step in walk(told) if step.state == "done"} == {"grow", "judge", "total"}
    assert Path("artifacts/latest/summary.txt").exists()


def test_a_program_runs_a_recipe_with_changes_and_is_told_where_the_results_are(
    capfd: pytest.CaptureFixture[str],
) -> None:
    seen: list[Step] = []
    made = runner.run(STORY, "toy.yaml", {"grow.steps": 1, "arms.full.grow.learning_rate": 0.25}, observer=seen.append)
    assert list(made) == ["gather", "grow", "judge", "total"]
    assert (made["grow"]["full", 0] / "model" / "weights.txt").read_text() == "Hello0 0 0.25"
    assert made["grow"]["plain", 0] == made["grow"]["twin", 0] != made["grow"]["full", 0]
    assert "full#0 13" in (made["total"][None] / "summary.txt").read_text()
    assert [step.state for step in seen if step.stage.name == "total"] == ["running", "done"]
    loaded = load_recipe("toy.yaml", STORY, {"grow.steps": 1})
    CALLS.clear()
    again = runner.run(STORY, loaded, {"arms.full.grow.learning_rate": 0.25}, until="grow", arms=["full"])
    assert again == {stage: {("full", 0): made[stage]["full", 0]} for stage in ("gather", "grow")}
    assert CALLS == []
    assert capfd.readouterr() == ("", "")


def test_what_a_stage_objects_to_is_said_before_anything_runs() -> None:
    def check(settings: Mapping[str, Any]) -> None:
        if settings["grow"].steps > 3:
            raise InputError("grow.steps: more than judge can read; lower it")

    story = (*STORY[:2], replace(STORY[2], check=check), STORY[3])
    with pytest.raises(InputError, match=r"recipe toy, twin: grow.steps: more than judge can read; lower it"):
        runner.run(story, "toy.yaml", {"arms.twin.grow.steps": 4})
    assert not Path("artifacts").exists()


def test_a_look_at_what_settings_name_is_taken_once_for_arms_that_share_them() -> None:
    seen: list[bool] = []

    def look(settings: Any) -> None:
        seen.append(settings.lowercase)
        if not settings.lowercase:
            raise InputError("gather source.txt: capitals; lower them")

    def check(settings: Mapping[str, Any]) -> None:
        raise InputError(f"total.title: {settings['total'].title} is taken; choose another")

    story = (replace(STORY[0], look=look), *STORY[1:3], replace(STORY[3], check=check))
    with pytest.raises(InputError) as refused:
        runner.run(story, "toy.yaml", {"arms.full.gather.lowercase": True})
    assert seen == [False, True]
    assert str(refused.value).splitlines() == [
        "recipe toy, plain, twin: gather source.txt: capitals; lower them",
        "recipe toy: total.title: Totals is taken; choose another",
    ]


def test_results_by_value_and_latest() -> None:
    run()
    weights = (artifact("grow", "full#0") / "model" / "weights.txt").read_text()
    assert weights == "Hello0 0 2e-05\n1 0 2e-05\n2 0 2e-05"
    assert (artifact("judge", "full#0") / "score.txt").read_text() == str(len(weights)) == "34"
    assert Path("artifacts/latest/summary.txt").read_text() == "Totals\nrecipe toy\nplain#0 28\ntwin#0 28\nfull#0 34\n"
    assert not (artifact("judge", "full#0") / "rubbish.txt").exists()
    assert Path("artifacts/cache/judge/kept.txt").exists()


def test_a_second_run_computes_nothing() -> None:
    run()
    assert {step.state for step in run()} == {"reused", "shared"}
    assert CALLS == []


def test_a_changed_setting_reruns_its_stage_and_what_depends_on_it_and_changing_back_is_instant() -> None:
    run()
    changed = "grow.learning_rate=3e-5"
    assert states(run(changed))[3:] == [
        *("grow plain#0 reused", "grow twin#0 shared", "judge plain#0 reused", "judge twin#0 shared"),
        *("grow full#0 done", "judge full#0 done", "total all done"),
    ]
    assert CALLS == ["grow", "judge", "total"]
    assert run()
    assert CALLS == []


def test_speed_only_settings_rerun_nothing() -> None:
    run()
    run("grow.batch_size=2", "arms.twin.grow.batch_size=1")
    assert CALLS == []


def test_early_cut_off_nothing_after_an_equal_result_is_run() -> None:
    write_recipe(Path(), source="hello")
    run()
    run("gather.lowercase=true")
    assert CALLS == ["gather"]


def test_an_edited_input_reruns_and_the_same_content_does_not() -> None:
    run()
    Path("source.txt").write_text("Hello")
    assert run()
    assert CALLS == []
    Path("source.txt").write_text("Hullo")
    assert reasons()["gather full#0"] == "reads source.txt changed"
    assert run()
    assert CALLS == ["gather", "grow", "grow", "judge", "judge", "total"]


def test_a_stage_that_names_the_recipe_is_made_anew_for_another() -> None:
    run()
    CALLS.clear()
    run("name=other")
    assert CALLS == ["total"]
    assert "recipe other\n" in Path("artifacts/latest/summary.txt").read_text()


def test_seeds_count_only_where_a_stage_wants_them() -> None:
    steps = run("seeds=[0, 1]", "arms={full: {}}")
    assert CALLS == ["gather", "grow", "grow", "judge", "judge", "total"]
    assert "gather full#1 shared" in states(steps)
    assert Path("artifacts/latest/summary.txt").read_text() == "Totals\nrecipe toy\nfull#0 34\nfull#1 34\n"
    assert (artifact("grow", "full#0") / "model" / "weights.txt").read_text().startswith("Hello0 0")


def test_a_stage_alone_runs_what_it_needs_and_no_more() -> None:
    run(last="grow")
    assert CALLS == ["gather", "grow", "grow"]
    assert not Path("artifacts/latest").exists()


def test_one_arm_leaves_out_what_collects_all_of_them() -> None:
    run(arms=("full",))
    assert CALLS == ["gather", "grow", "judge"]
    with pytest.raises(InputError, match="total: looks at all arms at once; run it without --arm"):
        run(arms=("full",), last="total")


def test_force_makes_the_stage_anew_and_early_cut_off_still_holds() -> None:
    run()
    assert [step.why for step in run(last="grow", force=True) if step.state == "done"] == ["forced", "forced"]
    assert CALLS == ["grow", "grow"]
    assert run()
    assert CALLS == []
    run(force=True)
    assert CALLS == ["gather", "grow", "grow", "judge", "judge", "total"]


def test_unknown_stage_and_arm_name_the_nearest() -> None:
    with pytest.raises(InputError, match=r"stage grw: unknown; did you mean grow\?"):
        run(last="grw")
    with pytest.raises(InputError, match=r"arm ful: unknown in recipe toy; did you mean full\?"):
        run(arms=("ful",))


def test_a_corrupt_byte_is_noticed_named_and_made_again(caplog: pytest.LogCaptureFixture) -> None:
    run()
    weights = artifact("grow", "full#0") / "model" / "weights.txt"
    good = weights.read_bytes()
    weights.write_bytes(b"J" + good[1:])
    with caplog.at_level(logging.WARNING):
        run()
    assert f"artifact grow/{weights.parents[1].name[:8]}: model/weights.txt changed on disk" in caplog.text
    assert CALLS == ["grow"]
    assert weights.read_bytes() == good


def test_an_input_that_another_run_replaces_meanwhile_is_noticed() -> None:
    def disturbed(settings: Judge, *, gather: Path, grow: Path, cache: Path, out: Path) -> None:
        judge(settings, gather=gather, grow=grow, cache=cache, out=out)
        manifest = grow / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"digest": "', '"digest": "0'))

    story = (*STORY[:2], replace(STORY[2], function=disturbed), STORY[3])
    told = Plan(story, load_recipe("toy.yaml", story), Store(Path("artifacts")))
    with pytest.raises(InputError, match=r"stage judge: another run has replaced input .*; run the same again"):
        list(walk(told))
    assert not list(Path("artifacts/judge").glob("*/manifest.json"))
    assert not list(Path("artifacts/judge").glob("*.partial"))


def test_a_file_that_changes_while_it_is_read_gives_no_artifact() -> None:
    def disturbed(settings: Gather, *, out: Path) -> None:
        settings.source.write_text("Swapped")
        gather(settings, out=out)

    story = (replace(STORY[0], function=disturbed), *STORY[1:])
    told = Plan(story, load_recipe("toy.yaml", story), Store(Path("artifacts")))
    with pytest.raises(InputError, match=r"stage gather: source.txt was changed while it was read; run the same again"):
        list(walk(told))
    assert [path.suffix for path in Path("artifacts/gather").iterdir()] == [".failed"]
    Path("source.txt").write_text("Hello")
    run()
    assert (artifact("gather", "full#0") / "text.txt").read_text() == "Hello"


def test_a_cache_that_cannot_be_made_is_the_stages_own_affair() -> None:
    def remembers_nothing(settings: Judge, *, gather: Path, grow: Path, cache: Path, out: Path) -> None:
        (out / "score.txt").write_text(str(cache.exists()))

    story = (*STORY[:2], replace(STORY[2], function=remembers_nothing), STORY[3])
    Path("artifacts").mkdir()
    Path("artifacts/cache").write_text("in the way")
    list(walk(Plan(story, load_recipe("toy.yaml", story), Store(Path("artifacts")))))
    assert (artifact("judge", "full#0") / "score.txt").read_text() == "False"


def test_a_failed_stage_leaves_nothing_half_written_and_says_why() -> None:
    with pytest.raises(StageFailedError, match=r"stage grow: ValueError: broken; the traceback is in .*\.log"):
        run("grow.fails=error")
    assert "raise FAULTS" in next(Path("artifacts/logs").iterdir()).read_text()
    assert [path.suffix for path in Path("artifacts/grow").iterdir() if path.is_dir()] == [".partial"]
    assert reasons("grow.fails=error")["grow plain#0"].startswith("failed: ValueError: broken; the traceback is in ")
    assert reasons("grow.fails=error")["judge plain#0"] == "waits for grow"


def test_a_stage_that_does_not_resume_leaves_no_scratch() -> None:
    write_recipe(Path(), source="")
    with pytest.raises(InputError, match=r"gather source.txt: empty; write something"):
        run()
    assert [path.suffix for path in Path("artifacts/gather").iterdir()] == [".failed"]
    assert reasons()["gather full#0"] == "failed: gather source.txt: empty; write something"
    write_recipe(Path(), source="Hello")
    assert run()
    assert reasons()["gather full#0"] == ""


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("memory", "stage grow: out of memory; lower grow.batch_size"),
        ("tensor", "stage grow: out of memory; lower grow.batch_size"),
        ("disk", "stage grow: disk full at artifacts; free some space"),
    ],
)
def test_a_machine_that_does_not_suffice_is_one_line(fault: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        run(f"grow.fails={fault}")


def test_a_resumable_stage_goes_on_from_its_checkpoint_and_ends_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    run()
    undisturbed = artifact("grow", "full#0")
    Path("artifacts").rename("before")

    monkeypatch.setattr(toy_story.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(last="grow", arms=("full",))
    scratch = Path("artifacts") / undisturbed.relative_to("artifacts").with_suffix(".partial")
    assert (scratch / "checkpoint.txt").read_text() == "0 0 2e-05"
    assert reasons()["grow full#0"] == "interrupted, will resume"
    monkeypatch.setattr(toy_story.time, "sleep", lambda _: None)
    (scratch / "checkpoint.txt").write_text("0 0 2e-05 from the checkpoint")
    run(last="grow", arms=("full",))
    assert CALLS == ["grow"]
    resumed = artifact("grow", "full#0") / "model" / "weights.txt"
    assert resumed.read_text() == "Hello0 0 2e-05 from the checkpoint\n1 0 2e-05\n2 0 2e-05"


def test_another_setting_after_a_crash_starts_clean_and_the_old_work_waits() -> None:
    with pytest.raises(StageFailedError):
        run("grow.fails=error", last="grow", arms=("full",))
    (half,) = Path("artifacts/grow").glob("*.partial")
    assert (half / "checkpoint.txt").read_text().splitlines() == ["0 0 2e-05"]
    run("grow.learning_rate=3e-5", last="grow", arms=("full",))
    assert (half / "checkpoint.txt").exists()
    (made,) = Path("artifacts/grow").glob("*/model/weights.txt")
    assert made.read_text() == "Hello0 0 3e-05\n1 0 3e-05\n2 0 3e-05"
    assert reasons("grow.fails=error", "arms={full: {}}")["grow full#0"].startswith("failed: ValueError: broken")


def test_status_reasons_one_by_one() -> None:
    assert set(reasons().values()) == {"never run", "waits for gather", "waits for grow"}
    run()
    assert set(reasons().values()) == {""}
    assert reasons("grow.steps=4")["grow full#0"] == "setting steps: 3 -> 4"
    assert reasons("grow.steps=4")["judge full#0"] == "waits for grow"
    assert reasons("grow.steps=4")["total all"] == "waits for grow"
    assert reasons("total.title=Sums")["total all"] == "setting title: Totals -> Sums"
    assert reasons("seeds=[1]")["grow full#1"] == "seed 0 -> 1"
    assert reasons("arms={new: {}}")["total all"] == "input grow changed; input judge changed"
    run("grow.steps=4", last="grow")
    assert reasons("grow.steps=4")["judge full#0"] == "input grow changed"
    (artifact("judge", "plain#0") / "score.txt").unlink()
    assert reasons()["judge plain#0"] == "damaged: score.txt"


def test_a_raised_version_is_a_reason() -> None:
    run()
    newer = (STORY[0], replace(STORY[1], version=2), *STORY[2:])
    standings = survey(Plan(newer, load_recipe("toy.yaml", newer), Store(Path("artifacts"))))
    assert {each.why for each in standings if each.stage.name == "grow"} == {"version 1 -> 2"}


def test_asking_where_things_stand_changes_nothing() -> None:
    survey(plan())
    assert not Path("artifacts").exists()
