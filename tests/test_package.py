"""What is installed: the package as a wheel would hold it, and the command ``retone`` away from the clone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import retone
from pipeline.common import program
from pipeline.common.files import sha256

ROOT = Path(__file__).parents[1]
CARDS = ("starter-general", "starter-informal", "starter-pairs", "starter-reviews")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a wheel is made of."""
    out = tmp_path_factory.mktemp("package")
    line = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", out, "build_py", "--build-lib", out / "lib"]
    subprocess.run(line, cwd=ROOT, check=True, capture_output=True)
    path = "sys.path.insert(0, sys.argv[0].rpartition('/bin/')[0])"
    (out / "lib" / "bin").mkdir()
    (out / "lib" / "bin" / "retone").write_text(f"import sys; {path}\nimport retone; sys.exit(retone.main())\n")
    return out / "lib"


def at(package: Path, folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Call the command as it is installed, from a folder of the user's."""
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | more
    line = [sys.executable, str(package / "bin" / "retone"), *arguments]
    return subprocess.run(line, cwd=folder, env=alone, capture_output=True, text=True, check=False)


def files(folder: Path) -> Iterator[str]:
    yield from (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())


def test_a_wheel_holds_all_that_runs_and_stays_small(package: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "pipeline", "stages", "retone"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    held = set(files(package))
    if tracked:
        assert set(tracked) <= held
    cards = {f"pipeline/data_cards/{name}" for name in files(ROOT / "data_cards") if name.startswith("starter-")}
    assert {name.split("/")[2] for name in cards} == set(CARDS)
    assert cards | {"retone/__init__.py", "pipeline/data_cards/TEMPLATE.md"} <= held
    assert not {name for name in held if name.startswith(("tests", "data_cards"))}
    for card in CARDS:
        assert sha256(package / "pipeline" / "data_cards" / card) == sha256(ROOT / "data_cards" / card)
    assert sum((package / name).stat().st_size for name in held) < 20_000_000


def test_away_from_the_clone_the_starter_is_found_and_nothing_is_written(package: Path, tmp_path: Path) -> None:
    done = at(package, tmp_path, "run", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "never run" in done.stdout
    shown = at(package, tmp_path, "cards").stdout.splitlines()
    assert (shown[0], shown[-1]) == ("no data_cards here; these ship with Retone:", "4 cards, all in order")
    assert list(tmp_path.iterdir()) == []


def test_cards_where_the_user_stands_come_first(package: Path, tmp_path: Path) -> None:
    (tmp_path / "data_cards" / "starter-pairs").mkdir(parents=True)
    done = at(package, tmp_path, "run", "--dry-run")
    assert (done.returncode, done.stdout) == (2, "")
    there = "no README.md in data_cards/starter-pairs; `retone new-card FILE` drafts one"
    assert done.stderr == f"recipe starter: card starter-pairs: {there}\n"
    assert at(package, tmp_path, "run", "prepare", "--dry-run", "--set", "prepare.corpora=[starter-reviews]").stdout


def test_a_stage_runs_and_every_message_names_the_command(package: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("extends: starter\nprepare: {corpora: [starter-reviews], share_of_rows: 0.1}\n")
    done = at(package, tmp_path, "run", "prepare", "--recipe", "mine")
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("artifacts/prepare/*/corpora.json"))
    said = [at(package, tmp_path, verb).stderr for verb in ("show", "nothing")]
    said.append(at(package, tmp_path, "predict", "mine.yaml").stderr)
    assert "`retone run`" in said[0]
    assert "See retone --help" in said[1]
    assert "`retone run`" in said[2]
    (tmp_path / "reviews.csv").write_text("text,stars\n" + "".join(f"good {n},{n % 5 + 1}\n" for n in range(60)))
    assert "then run retone cards" in at(package, tmp_path, "new-card", "reviews.csv").stdout


def test_the_shell_completes_verbs(package: Path, tmp_path: Path) -> None:
    asked = {"_RETONE_COMPLETE": "complete_bash", "COMP_WORDS": "retone pre", "COMP_CWORD": "1"}
    assert at(package, tmp_path, **asked).stdout.split() == ["predict"]
    assert "--install-completion" in at(package, tmp_path, "--help").stdout


@pytest.mark.parametrize("name", ["pipeline.py", "stages/__init__.py"])
def test_names_of_the_users_own_are_no_matter_to_the_command_and_one_line_to_others(
    package: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("raise RuntimeError('run by mistake')\n")
    assert at(package, tmp_path, "status", "--json").returncode == 0
    here = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{package}"}
    own = Path(name).parts[0].removesuffix(".py")
    line = f"{own} is {tmp_path / name}, not Retone's own; rename it, or start from another folder"
    calls = [(["-c", "import retone, sys; sys.exit(retone.main())"], 2), (["-c", "from retone import Predictor"], 1)]
    for how, code in [*calls, *([(["-m", "stages"], 1)] if own == "pipeline" else [])]:
        call = [sys.executable, *how]
        done = subprocess.run(call, cwd=tmp_path, env=here, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (code, "")
        assert done.stderr.splitlines()[-1].removeprefix("ImportError: ") == line


def test_programs_get_the_same_from_either_name() -> None:
    import pipeline

    assert retone.Predictor is pipeline.Predictor
    with pytest.raises(AttributeError, match="nothing_such"):
        retone.nothing_such  # noqa: B018


@pytest.mark.parametrize(
    ("made", "typed"),
    [
        ("make show", "retone show"),
        ("make all", "retone run"),
        ('make all RECIPE=quick SET="arms.SET.a=RECIPE=1"', 'retone run --recipe quick --set "arms.SET.a=RECIPE=1"'),
        ('make all SET="source.model=minilm"', 'retone run --set "source.model=minilm"'),
    ],
)
def test_commands_are_told_as_they_can_be_typed(monkeypatch: pytest.MonkeyPatch, made: str, typed: str) -> None:
    assert program.typed(made) == made
    assert program.name() == ".venv/bin/python -m stages"
    monkeypatch.setattr(sys, "argv", ["/usr/bin/retone", "show"])
    assert program.typed(made) == typed
    assert program.name() == "retone"
