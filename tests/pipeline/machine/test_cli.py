"""The machine from outside: what a person types, what they see, the exit code; and what a kill leaves behind."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.machine import cli, console
from tests.pipeline.toy_story import RECIPE, STORY, TELLING, write_recipe

ROOT = Path(__file__).parents[3]
SLOW = ["run", "--recipe", "toy.yaml", "--set", "grow.steps=60 grow.pause=0.02", "--set", "arms={full: {}}"]
QUICK = [*SLOW[:4], "grow.steps=60", *SLOW[5:]]
SIDE_BY_SIDE = ["--set", "arms={full: {}, half: {grow: {learning_rate: 0.5}}}", "--jobs", "2"]
ways = pytest.mark.parametrize("more", [[], SIDE_BY_SIDE], ids=["alone", "side by side"])


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RETONE_JOBS", "1")
    write_recipe(tmp_path)


def call(*arguments: str) -> int:
    return cli.main(cli.build(STORY), arguments)


def start(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.pipeline.toy_story", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_checkpoint(process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 20
    while not list(Path("artifacts/grow").glob("*.partial/checkpoint.txt")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def digests() -> list[str]:
    manifests = sorted(Path("artifacts").glob("*/*/manifest.json"))
    return [json.loads(path.read_text())["digest"] for path in manifests if path.parent.is_dir()]


def test_run_prints_a_line_per_stage_and_arm_and_where_the_results_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "--recipe", "toy.yaml") == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert re.fullmatch(r"gather     plain     done in 0\.\d s  \(first time\)", lines[0])
    assert lines[1] == "gather     twin      shared with plain"
    *_, recipe, report, model, kept = lines
    assert recipe == "recipe  toy"
    assert (report, model) == ("report  artifacts/latest/report.html", "model   artifacts/latest/model")
    assert Path(kept.removeprefix("kept in ")).resolve() == Path("artifacts/latest").resolve()
    assert len(lines) == 3 * 3 + 1 + 4
    assert err == ""


def test_in_a_store_that_was_copied_with_its_links_followed_a_run_says_where_things_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call("run", "--recipe", "toy.yaml") == 0
    latest = Path("artifacts/latest")
    kept = latest.resolve()
    latest.unlink()
    shutil.copytree(kept, latest)
    capsys.readouterr()
    assert call("run", "--recipe", "toy.yaml") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "model   artifacts/latest/model"


def test_news_of_what_was_made_stands_below_its_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    for wanted in (["plain     score 28", "twin      score 28", "full      score 34"], []):
        assert cli.main(cli.build(TELLING), ["run", "--recipe", "toy.yaml"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.strip() for line in lines if "score" in line] == wanted
    assert cli.main(cli.build(TELLING), ["run", "judge", "--recipe", "toy.yaml", "--arm", "full", "--force"]) == 0
    *_, line, news = capsys.readouterr().out.splitlines()
    assert line.startswith("judge      full      done in ")
    assert news == "           full      score 34"


def test_dry_run_says_what_would_run_and_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "--recipe", "toy.yaml", "--dry-run") == 0
    table = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert table[:3] == [
        "stage arms would state",
        "gather plain, twin, full run once never run",
        "grow plain, twin, full run 2 times waits for gather",  # the twin differs in speed alone
    ]
    assert call("run", "--recipe", "toy.yaml", "--dry-run", "--set", "seeds=[0,1]") == 0
    assert "plain, twin, full; seeds 0, 1  run 4 times" in capsys.readouterr().out.splitlines()[2]
    assert not Path("artifacts").exists()
    call("run", "--recipe", "toy.yaml")
    capsys.readouterr()
    assert call("run", "grow", "--recipe", "toy.yaml", "--dry-run", "--force") == 0
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()[1:]]
    assert rows == ["gather plain, twin, full reuse fresh", "grow plain, twin, full run 2 times forced"]


def test_status_for_people_and_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    call("run", "--recipe", "toy.yaml")
    capsys.readouterr()
    change = ["--set", "grow.learning_rate=3e-5 total.title=Sums"]
    assert call("status", "--recipe", "toy.yaml", *change) == 0
    out, err = capsys.readouterr()
    assert [" ".join(line.split()) for line in out.splitlines()] == [
        "recipe toy",
        "stage arms state",
        "gather all fresh",
        "grow plain, twin fresh",
        "grow full setting learning_rate: 2e-5 -> 3e-5",
        "judge plain, twin fresh",
        "judge full waits for grow",
        "total all waits for grow",
    ]
    assert (
        "without effect in plain, twin, where the arm sets it itself; arms.plain.grow.learning_rate=... changes that"
        in err
    )
    assert call("status", "--recipe", "toy.yaml", "--json", *change) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["recipe"] == "toy"
    assert data["stages"][5] == {
        **{"stage": "grow", "arm": "full", "seed": 0, "state": "stale"},
        **{"why": "setting learning_rate: 2e-5 -> 3e-5", "artifact": None},
    }


def test_status_of_a_recipe_that_never_ran_says_which_did(capsys: pytest.CaptureFixture[str]) -> None:
    write_recipe(Path())
    Path("toy.yaml").rename("first.yaml")
    for name in ("first", "second"):
        Path(f"{name}.yaml").write_text(RECIPE.replace("name: toy", f"name: {name}"))
        call("run", "gather", "--recipe", name)
    call("run", "gather", "--recipe", "second", "--set", "name=nowhere")  # no file is called so
    os.utime("artifacts/runs/first.json", (0, 0))
    Path("third.yaml").write_text("extends: first")
    capsys.readouterr()
    assert call("status", "--recipe", "third") == 0
    out, err = capsys.readouterr()
    assert "gather  all   fresh" in out
    said = "recipe third: no run in store artifacts; of second, first it has: `make status RECIPE=second`\n"
    assert err == said
    assert call("status", "--recipe", "first") == 0
    assert capsys.readouterr().err == ""


def test_show_prints_the_report_and_a_stage_with_its_settings_and_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("show") == 2
    assert capsys.readouterr().err == "store artifacts: no report yet; make one with `make all`\n"
    call("run", "--recipe", "toy.yaml")
    capsys.readouterr()
    assert call("show") == 0
    out = capsys.readouterr().out
    assert "recipe toy\n" in out
    assert "full#0 34" in out
    assert call("show", "grow", "--recipe", "toy.yaml") == 0
    out = capsys.readouterr().out
    assert "number > 0 and <= 1" in out
    assert "plain: 0.5" in out
    assert "34 bytes  model/weights.txt" in out
    assert re.search(r"light.lamps +1 +how many lamps \[whole number >= 0 and <= 9\]", out)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run", "--recipe", "gone.yaml"], "recipe gone.yaml: no such file"),
        (["run", "grw", "--recipe", "toy.yaml"], "stage grw: unknown; did you mean grow?"),
        (["status", "--recipe", "toy.yaml", "--arm", "ful"], "arm ful: unknown in recipe toy; did you mean full?"),
        (
            ["status", "--recipe", "toy.yaml", "--set", "grow.steps=-1"],
            "--set grow.steps=-1: grow.steps: -1 does not fit",
        ),
        (["run", "--recipe", "toy.yaml", "--set", "gather.source=gone"], "gather reads gone: cannot read gone"),
        (["stats"], "No such command 'stats'"),
        (["run", "--forec"], "No such option: --forec"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_code_2(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(line)
    assert err.count("\n") == 1
    assert not list(Path("artifacts").glob("*/*.partial"))


def test_a_broken_stage_is_one_line_and_debug_shows_where(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "--recipe", "toy.yaml", "--set", "grow.fails=error") == 1
    err = capsys.readouterr().err
    assert err.startswith("stage grow: ValueError: broken; the traceback is in artifacts/logs/grow-")
    assert err.count("\n") == 1
    assert call("run", "--recipe", "toy.yaml", "--set", "grow.fails=error", "--debug") == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_fault_of_our_own_is_one_line_with_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    app = cli.build(STORY)

    @app.command()
    def fall() -> None:
        raise RuntimeError("fallen")

    assert cli.main(app, ["fall"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("RuntimeError: fallen; a fault of Retone's own, its traceback is in artifacts/logs/")
    assert "fallen" in Path(err.split()[-1]).read_text()


def test_a_name_too_long_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "--recipe", "x" * 5000, "--dry-run") == 2
    assert capsys.readouterr().err == f"{'x' * 60}...: too long for a name; name a file\n"


def test_text_of_users_cannot_steer_the_terminal_or_pass_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    write_recipe(Path(), RECIPE + 'total: {title: "[/red][bold]x \\e]0;title\\a"}')
    assert call("run", "--recipe", "toy.yaml") == 0
    assert call("show") == 0
    assert "[/red][bold]x ]0;title\n" in capsys.readouterr().out
    assert console.clean("a\x1b[31m\x07\u202eb\tc\n") == "a[31mb\tc\n"


def test_an_engine_of_unknown_name_is_refused_before_anything_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*QUICK, "--engine", "spark", "--dry-run") == 2
    assert capsys.readouterr().err == "--engine spark: no such engine; there are: local, ray\n"
    assert not Path("artifacts").exists()
    assert call(*QUICK, "--engine", "local", "--jobs", "1") == 0


def test_several_processes_of_a_launcher_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert call(*QUICK) == 2
    assert capsys.readouterr().err.startswith("run: one of 2 processes (WORLD_SIZE), which would wait for each other;")
    assert not Path("artifacts").exists()


def test_runs_of_other_recipes_work_side_by_side_and_of_the_same_wait_for_each_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = start(*SLOW)
    wait_for_checkpoint(first)
    assert call("status", *QUICK[1:]) == 0
    out = capsys.readouterr().out
    assert f"running now: PID {first.pid}, command .venv/bin/python -m stages run --recipe toy.yaml" in out
    assert ["grow", "all", "running", "now"] in [line.split() for line in out.splitlines()]
    assert call("show") == 2
    made = f"store artifacts: no report yet; one is being made by PID {first.pid}, command .venv/bin/python -m stages "
    assert capsys.readouterr().err.startswith(f"{made}run --recipe toy.yaml")
    assert call("run", "--recipe", "toy.yaml", "--set", "grow.steps=1", "--set", "name=other") == 0
    assert first.poll() is None  # the other was made meanwhile, and waited for nobody
    assert "waiting" not in capsys.readouterr().err
    assert call(*QUICK) == 0
    out, err = capsys.readouterr()
    assert re.search(rf"waiting for grow-[0-9a-f]{{16}}, which is made by PID {first.pid}, command \S*python -m ", err)
    assert ["grow", "full", "reused"] in [line.split() for line in out.splitlines()]
    assert first.wait(30) == 0
    assert "Traceback" not in first.communicate()[1]
    runs = {path.stem: json.loads(path.read_text()) for path in Path("artifacts/runs").glob("*.json")}
    assert {name: sorted(run) for name, run in runs.items()} == {
        "toy": ["all", "full#0"],
        "other": ["all", "full#0", "plain#0", "twin#0"],
    }
    assert call(*QUICK) == 0
    assert "done" not in capsys.readouterr().out


@ways
def test_kill_9_anywhere_and_the_same_command_ends_as_if_undisturbed(
    more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    alone = [each for each in more if each not in SIDE_BY_SIDE[2:]]
    assert call(*QUICK, *alone, "--jobs", "1", "--store", "undisturbed") == 0
    Path("undisturbed").rename("artifacts")
    expected = digests()
    Path("artifacts").rename("undisturbed")
    choose = random.Random(1)
    for _ in range(4):
        process = start(*SLOW, *more)
        wait_for_checkpoint(process)
        time.sleep(choose.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    steps = next(Path("artifacts/grow").glob("*.partial/checkpoint.txt")).read_text().splitlines()
    assert 1 <= len(steps) < 60
    capsys.readouterr()
    assert call("status", *QUICK[1:], *alone) == 0
    assert "interrupted, will resume" in capsys.readouterr().out
    assert call(*QUICK, *more) == 0
    assert "(interrupted, will resume)" in capsys.readouterr().out
    assert digests() == expected


@ways
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stop_has_its_exit_code_and_says_that_the_same_command_continues(
    number: signal.Signals, code: int, more: list[str]
) -> None:
    process = start(*SLOW, *more)
    wait_for_checkpoint(process)
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert err == "stopped in grow; the same command continues from there\n"
    assert not list(Path("artifacts/grow").glob("*/manifest.json"))
    assert call(*QUICK, *more) == 0


def test_the_machine_imports_nothing_heavy() -> None:
    code = "import sys, pipeline.machine.cli; print([name for name in {!r} if name in sys.modules])".format(
        ["torch", "transformers", "datasets", "evaluate", "numpy", "pandas", "sklearn", "matplotlib"],
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"
