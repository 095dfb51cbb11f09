import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("optuna", reason="the extra `search` is not installed")

from pipeline.common.errors import InputError
from pipeline.machine import runner
from pipeline.machine.recipe import load_recipe
from pipeline.machine.store import Store
from pipeline.machine.workers.local import LocalProcesses
from pipeline.search import results, run, trials
from pipeline.search.results import Found
from tests.pipeline import toy_story
from tests.pipeline.search import toy
from tests.pipeline.toy_story import write_recipe

SLOW = toy.RECIPE.replace("steps: 2", "steps: 4, pause: 0.1")


def tried(found: Found) -> list[tuple[dict[str, Any], Any, Any]]:
    """Values and figures of the trials, to the last digit."""
    return [(trial["values"], trial["outcome"]["macro_recall"], trial["outcome"]["kept"]) for trial in found["trials"]]


@pytest.fixture(scope="module")
def twenty(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """A study long enough to say what counts."""
    return toy.search(tmp_path_factory.mktemp("twenty"), 20)


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Found]:
    """A study of twelve trials, and where it lies."""
    folder = tmp_path_factory.mktemp("twelve")
    return folder, toy.search(folder, 12)


def test_trials_are_runs_with_those_settings_and_figures(twelve: tuple[Path, Found]) -> None:
    _, found = twelve
    assert [trial["number"] for trial in found["trials"]] == list(range(12))
    for trial in found["trials"]:
        rate, lamps = trial["values"]["grow.learning_rate"], trial["values"]["grow.light.lamps"]
        assert 1e-3 <= rate <= 1
        assert rate == float(f"{rate:.3g}")
        assert lamps in range(10)
        recall, kept = toy.worth(rate)
        assert (trial["outcome"]["macro_recall"], trial["outcome"]["kept"]) == (toy.figure(recall), toy.figure(kept))
    assert found["reference"]["values"] == {"grow.learning_rate": 0.01, "grow.light.lamps": 1}
    assert found["reference"]["outcome"]["macro_recall"] == toy.figure(toy.worth(0.01)[0])


def test_the_best_learnt_most_of_those_that_keep_enough(twelve: tuple[Path, Found]) -> None:
    _, found = twelve
    within = [each for each in found["trials"] if (each["outcome"]["at_least"] or 0) >= 0.95]
    assert 0 < len(within) < 12
    rates = {each["number"]: each["values"]["grow.learning_rate"] for each in within}
    assert found["best"] == max(rates, key=lambda number: rates[number])
    assert found["within"] is True


def test_the_front_is_what_nothing_beats_in_both(twelve: tuple[Path, Found]) -> None:
    _, found = twelve
    rates = [each["values"]["grow.learning_rate"] for each in found["trials"]]
    highest_that_keeps_all = max(rate for rate in rates if rate <= 0.1)
    for trial, rate in zip(found["trials"], rates, strict=True):
        assert trial["front"] is (rate >= highest_that_keeps_all)


def test_what_counts_is_told_apart_from_what_does_not(twenty: Found, twelve: tuple[Path, Found]) -> None:
    for share in twenty["importance"].values():
        assert 0 <= share["grow.light.lamps"] < 0.1 < 0.8 < share["grow.learning_rate"] <= 1
    assert twelve[1]["importance"] == {}, "too few to tell"


def test_models_off_the_front_are_taken_away(twelve: tuple[Path, Found]) -> None:
    folder, found = twelve
    for trial in found["trials"]:
        there = [(folder / "store" / name).is_dir() for name in trial["outcome"]["artifacts"]]
        assert there == [trial["front"] or trial["number"] == found["best"]]
    assert (folder / "store" / found["reference"]["outcome"]["artifacts"][0]).is_dir()


def test_models_that_a_recipe_uses_are_left(tmp_path: Path) -> None:
    told: list[str] = []

    def use(line: str) -> None:
        if "trial 0" in line:
            (artifact,) = (path.parent for path in (tmp_path / "store" / "grow").glob("*/manifest.json") if
                           path.parent.name not in told)  # fmt: skip
            Store(tmp_path / "store").remember("mine", "full#0", "grow", artifact.name)
        told.extend(path.parent.name for path in (tmp_path / "store" / "grow").glob("*/manifest.json"))

    found = toy.search(tmp_path, 8, say=use)
    assert not found["trials"][0]["front"]
    assert (tmp_path / "store" / found["trials"][0]["outcome"]["artifacts"][0]).is_dir()


def test_the_same_seed_gives_the_same_study_and_another_another(twelve: tuple[Path, Found], tmp_path: Path) -> None:
    for name in ("same", "other"):
        (tmp_path / name).mkdir()
    assert tried(toy.search(tmp_path / "same", 12)) == tried(twelve[1])
    other = toy.RECIPE.replace("search: {", "search: {seed: 1, ")
    assert tried(toy.search(tmp_path / "other", 2, text=other)) != tried(twelve[1])[:2]


def test_a_search_again_adds_trials_as_one_of_all_would_have_made_them(
    twelve: tuple[Path, Found], tmp_path: Path
) -> None:
    toy.search(tmp_path, 5)
    said: list[str] = []
    assert tried(toy.search(tmp_path, 7, say=said.append)) == tried(twelve[1])
    assert said[1].startswith("5 trials are there; a trial takes some 0 s: about 7 more")
    assert len(said) == 2 + 7
    assert tried(toy.search(tmp_path, 0)) == tried(twelve[1])
    assert tried(toy.search(tmp_path, 7)) != tried(twelve[1])


def test_random_learns_from_no_trial(twelve: tuple[Path, Found], tmp_path: Path) -> None:
    random = tried(toy.search(tmp_path, 12, text=toy.RECIPE.replace("search: {", "search: {sampler: random, ")))
    learnt = tried(twelve[1])
    assert [values for values, *_ in random[:10]] == [values for values, *_ in learnt[:10]]
    assert random[10:] != learnt[10:]


def test_nsga2_crosses_the_best_and_goes_on_as_one_study(twelve: tuple[Path, Found], tmp_path: Path) -> None:
    text = toy.RECIPE.replace("search: {", "search: {sampler: nsga2, ")
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = toy.search(tmp_path / "whole", 20, text=text)
    toy.search(tmp_path / "parts", 13, text=text)
    assert tried(toy.search(tmp_path / "parts", 7, text=text)) == tried(whole)
    assert tried(whole)[:10] != tried(whole)[10:]
    first, then = (
        {trial["values"]["grow.learning_rate"] for trial in whole["trials"][start : start + 10]} for start in (0, 10)
    )
    assert first & then, "children have a setting of a parent's"


def test_killed_in_a_trial_it_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    for folder in tmp_path.iterdir():
        write_recipe(folder, SLOW)
    command = [sys.executable, "-m", "tests.pipeline.search.toy", str(tmp_path / "killed"), "4"]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[3])
    grown = tmp_path / "killed" / "store" / "grow"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:  # the recipe as it is, a trial, and the beginning of another
        if sum(1 for _ in grown.glob("*/manifest.json")) >= 2 and list(grown.glob("*.partial/checkpoint.txt")):
            break
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    journal = tmp_path / "killed" / "store" / "search" / "toy" / "journal.log"
    journal.write_bytes(journal.read_bytes() + b'{"op_code":')  # as if it had been writing
    before = len(toy_story.CALLS)
    found = toy.search(tmp_path / "killed", 4)
    assert tried(found) == tried(toy.search(tmp_path / "whole", 4))
    assert [trial["number"] for trial in found["trials"]] in ([0, 2, 3, 4], [0, 1, 3, 4])  # the one that was lost
    assert len(toy_story.CALLS) - before <= 3 + 2 + 5


def test_trials_side_by_side(tmp_path: Path) -> None:
    found = toy.search(tmp_path, 4, workers=LocalProcesses(2))
    assert [trial["outcome"]["problem"] for trial in found["trials"]] == [""] * 4


def test_nothing_is_begun_that_would_end_after_the_minutes(tmp_path: Path) -> None:
    text = toy.RECIPE.replace("steps: 2", "steps: 4, pause: 0.1")
    said: list[str] = []
    found = toy.search(tmp_path, None, 0.05, text=text, say=said.append)
    assert 1 <= len(found["trials"]) <= 3.15 / 0.4  # three seconds and a twentieth, of trials of 0.4
    assert "a trial takes some 0 s: about " in said[1]


def fatal(folder: Path) -> Any:
    """Figures as ever, but whoever asks for those of a high rate is killed, as for want of memory."""
    if toy.figures(folder)[1]["value"] != 1.0:
        os.kill(os.getpid(), signal.SIGKILL)
    return toy.figures(folder)


def test_a_process_that_is_killed_ends_it_in_a_line_and_the_same_again_loses_no_values(tmp_path: Path) -> None:
    text = toy.RECIPE.replace("search: {", "search: {sampler: random, ")
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    with pytest.raises(InputError, match="a process was killed, perhaps for want of memory"):
        toy.search(tmp_path / "killed", 6, text=text, workers=LocalProcesses(2), figures=fatal)
    again = tried(toy.search(tmp_path / "killed", 6))
    expected = tried(toy.search(tmp_path / "whole", 6, text=text))
    assert len(again) == 6
    assert sorted(again, key=str) == sorted(expected, key=str)


class Paced:
    """A team whose trials last as long as is told, by a clock that they alone move."""

    def __init__(self, seconds: Iterator[float], jobs: int) -> None:
        self.seconds, self.jobs = seconds, jobs
        self.now, self.alarm, self.stopped = 0.0, math.inf, False
        self.begun: list[tuple[float, Any, Any]] = []

    @property
    def free(self) -> int:
        return self.jobs - len(self.begun)

    @property
    def pending(self) -> list[Any]:
        return [task for _, task, _ in self.begun]

    def begin(self, work: Any, tasks: Sequence[Any]) -> None:
        for task in tasks:
            if isinstance(task, trials.Trial):
                told = {"seconds": next(self.seconds), "artifacts": [], "made": [], "problem": "", "at_least": 1.0,
                        "answers": []}  # fmt: skip
                outcome = {"macro_recall": toy.figure(0.7), "kept": toy.figure(1.0), **told}
                self.begun.append((self.now + outcome["seconds"], task, outcome))
            else:
                self.begun.append((self.now, task, work(task)))

    def finished(self) -> list[tuple[Any, Any]]:
        first = min(self.begun, key=lambda each: each[0])
        self.now = min(first[0], self.alarm)
        if first[0] > self.alarm:
            signal.raise_signal(signal.SIGALRM)
        self.begun.remove(first)
        return [first[1:]]

    def __enter__(self) -> "Paced":
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.stopped = kind is not None


@pytest.mark.parametrize(("jobs", "longest"), [(1, 400), (3, 400), (1, 60), (4, 1000), (1, 1500), (2, 1200)])
def test_it_ends_within_a_tenth_of_the_minutes_by_a_clock_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int, longest: float
) -> None:
    draw = random.Random(longest)
    team = Paced(iter(lambda: draw.uniform(longest / 5, longest), None), jobs)
    monkeypatch.setattr(run, "TELL_SECONDS", math.inf)
    monkeypatch.setattr(run, "time", SimpleNamespace(monotonic=lambda: team.now))
    monkeypatch.setattr(signal, "setitimer", lambda _, seconds: setattr(team, "alarm", team.now + seconds or math.inf))
    found = toy.search(tmp_path, None, 30, workers=team)
    assert 0.9 * 1800 <= team.now <= 1.05 * 1800
    seconds = [trial["outcome"]["seconds"] for trial in found["trials"]]
    assert jobs * (0.9 * 1800 - longest) <= sum(seconds) <= 1.05 * jobs * 1800, "a trial each may have been stopped"
    assert team.stopped is bool(team.begun), "what still ran was stopped"


def test_a_trial_that_takes_longer_than_told_is_stopped_with_its_checkpoint(tmp_path: Path) -> None:
    slow = toy.RECIPE.replace("{grow.learning_rate", "{grow.pause: [4.0, 5.0], grow.learning_rate")
    for _ in range(2):  # it is taken up each time, and not passed over as one that dies
        assert toy.search(tmp_path, None, 0.06, text=slow.replace("steps: 2", "steps: 9"))["trials"] == []
        assert len(list((tmp_path / "store" / "grow").glob("*.partial/checkpoint.txt"))) == 1


def test_too_few_minutes_for_the_recipe_itself(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"0.005 minutes were too few for the recipe as it is; the same again goes on"):
        toy.search(tmp_path, None, 0.005, text=toy.RECIPE.replace("steps: 2", "steps: 4, pause: 1"))


def test_a_trial_that_fails_is_told_and_stops_nothing(tmp_path: Path) -> None:
    text = toy.RECIPE.replace("{settings: {", "{seed: 2, settings: {grow.fails: ['no', error], ")
    said: list[str] = []
    found = toy.search(tmp_path, 4, text=text, say=said.append)
    problems = [trial["outcome"]["problem"] for trial in found["trials"]]
    fails = [trial["values"]["grow.fails"] == "error" for trial in found["trials"]]
    assert [bool(problem) for problem in problems] == fails
    assert 0 < sum(fails) < 4
    assert not any(trial["front"] for trial, failed in zip(found["trials"], fails, strict=True) if failed)
    assert sum(": failed: stage grow: ValueError: broken" in line for line in said) == sum(fails)
    assert tried(toy.search(tmp_path, 0)) == tried(found)


def test_five_in_a_row_that_fail_end_it(tmp_path: Path) -> None:
    text = toy.RECIPE.replace("{settings: {", "{settings: {grow.fails: [error, tensor], ")
    with pytest.raises(InputError, match="search: 5 trials in a row failed; the last one: stage grow: "):
        toy.search(tmp_path, 20, text=text)
    told = json.loads((tmp_path / "store" / "search" / "toy" / "search.json").read_text())
    assert told["trials"] == []
    assert told["best"] is None


def test_what_failed_for_want_of_something_else_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("whole", "full"):
        (tmp_path / name).mkdir()
    expected = toy.search(tmp_path / "whole", 6)
    toy.search(tmp_path / "full", 1)
    with monkeypatch.context() as disk:
        made = trials.make
        disk.setattr(trials, "make", lambda trial, *more: results.failed("no space left") if trial.values else
                     made(trial, *more))  # fmt: skip
        for trial in (0, 1):
            with pytest.raises(InputError, match="no space left"):
                toy.search(tmp_path / "full", 5 + trial)
    assert tried(toy.search(tmp_path / "full", 5)) == tried(expected)


def test_values_that_were_tried_are_not_made_again_and_a_space_that_is_used_up_ends_it(tmp_path: Path) -> None:
    text = (
        toy.RECIPE.split("search:")[0]
        + "search: {settings: {grow.light.lamps: [2, 3], grow.learning_rate: [0.02, 0.05]}}"
    )
    before, said = len(toy_story.CALLS), []
    found = toy.search(tmp_path, None, 5, text=text, say=said.append)
    assert len({str(trial["values"]) for trial in found["trials"]}) == len(found["trials"]) == 4
    assert toy_story.CALLS[before:].count("grow") == 5
    assert said[-1] == "the last 20 proposals had been tried before: there is nothing left in this space"


def test_where_no_trial_is_better_it_says_so_and_leaves_no_recipe(tmp_path: Path) -> None:
    worse = toy.RECIPE.replace("high: 1, log", "high: 0.005, log")
    found = toy.search(tmp_path, 3, text=worse)
    folder = tmp_path / "store" / "search" / "toy"
    assert (found["best"], found["lead"], found["expected"]) == (None, None, None)
    assert not (folder / "best.yaml").exists()
    page = (folder / "search.html").read_text()
    assert (
        "No trial is better than the recipe as it is, which has a macro-recall of 60.0% on dev; next is trial" in page
    )
    assert "Dev texts have judged 3 trials" in page
    assert "best.yaml" not in page
    assert [each["front"] for each in (found["reference"], *found["trials"])] == [True, False, False, False]


def test_page_and_best_are_there_before_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "TELL_SECONDS", 0)
    seen: list[int] = []

    def look(line: str) -> None:
        if line.startswith("trial"):
            page = tmp_path / "store" / "search" / "toy" / "search.json"
            seen.append(len(json.loads(page.read_text())["trials"]) if page.exists() else 0)

    toy.search(tmp_path, 3, say=look)
    assert seen == [0, 1, 2]


def test_trials_of_other_settings_texts_or_ranges_are_not_mixed(tmp_path: Path) -> None:
    toy.search(tmp_path, 1)
    with pytest.raises(InputError, match=r"study toy: setting grow.steps was 2, and is 5: trials of both cannot be"):
        toy.search(tmp_path, 1, changes={"grow.steps": 5})
    (tmp_path / "source.txt").write_text("other")
    with pytest.raises(InputError, match="study toy: artifact of the recipe as it is was"):
        toy.search(tmp_path, 1)
    assert len(toy.search(tmp_path, 1, name="new")["trials"]) == 1
    for more, said in (
        ({"search.budget": 0.9}, "study toy: search budget was 0.95, and is 0.9"),
        ({"search.sampler": "random"}, "study toy: search sampler was tpe, and is random"),
    ):
        with pytest.raises(InputError, match=said):
            toy.search(tmp_path, 1, changes=more)
    (tmp_path / "toy.yaml").write_text(toy.RECIPE.replace("high: 9", "high: 8"))
    with pytest.raises(InputError, match=r"study toy: range of grow.light.lamps was"):
        toy.search(tmp_path, 1)


def test_a_study_of_another_release_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    toy.search(tmp_path, 1)
    before = len(toy_story.CALLS)
    newer = (toy.STORY[0], replace(toy.STORY[1], version=toy.STORY[1].version + 1))
    with pytest.raises(InputError, match=r"study toy: version of stage grow was .*: trials of both cannot be"):
        toy.search(tmp_path, 1, story=newer)
    assert len(toy_story.CALLS) == before


def test_a_journal_that_is_none_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "store" / "search" / "toy"
    folder.mkdir(parents=True)
    (folder / "journal.log").write_text("what is this\n{}\n")
    with pytest.raises(InputError, match=r"study .*journal.log: cannot be read .*; move it away to begin anew"):
        toy.search(tmp_path, 1)


def test_a_recipe_edited_meanwhile_is_not_searched_on(tmp_path: Path) -> None:
    def edit(line: str) -> None:
        if "trial 0" in line:
            (tmp_path / "toy.yaml").write_text(toy.RECIPE.replace("steps: 2", "steps: 3"))

    with pytest.raises(InputError, match="recipe toy: was changed while it was searched"):
        toy.search(tmp_path, 9, say=edit)
    shutil.rmtree(tmp_path / "store")


def test_trials_hold_their_work_in_the_name_of_the_search_wherever_they_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So one whose machine died is taken over by another machine, which cannot know whether that lives."""
    held: list[Any] = []
    hold = runner.hold
    monkeypatch.setattr(runner, "hold", lambda path, command, by=None: (held.append(by), hold(path, command, by))[1])
    write_recipe(tmp_path, toy.RECIPE)
    recipe = load_recipe(tmp_path / "toy.yaml", toy.STORY, {"gather.source": str(tmp_path / "source.txt")})
    driver = {"host": "where-the-search-is", "pid": 7, "begun": "1"}
    asked = trials.Asked(toy.STORY, recipe, "full", "grow", tmp_path / "store", toy.figures, "grow", "toy", driver)
    assert trials.make(trials.Trial(asked, 0, {"grow.learning_rate": 0.5}))["problem"] == ""
    assert held == [driver, driver]
