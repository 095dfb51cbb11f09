"""What is installed: the package as a wheel would hold it, and the command ``retone`` away from the clone."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.common import program
from pipeline.common.files import sha256

ROOT = Path(__file__).parents[1]
CARDS = ("starter-general", "starter-informal", "starter-pairs", "starter-reviews")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel holds, laid out as it is installed for one user: code, ``share/`` and the command."""
    out = tmp_path_factory.mktemp("package")
    tree = out / "tree"
    for name in ("pipeline", "stages", "data_cards"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, out], cwd=tree, check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(out / "lib")
    (data,) = (out / "lib").glob("*.data/data/share")
    data.rename(out / "lib" / "share")
    path = "sys.path.insert(0, sys.argv[0].rpartition('/bin/')[0])"
    (out / "lib" / "bin").mkdir()
    command = f"import sys; {path}\nfrom stages.__main__ import main; sys.exit(main())\n"
    (out / "lib" / "bin" / "retone").write_text(command)
    return out / "lib"


def at(package: Path, folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Call the command as it is installed, from a folder of the user's."""
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    alone |= {"PYTHONUSERBASE": str(package), **more}
    line = [sys.executable, str(package / "bin" / "retone"), *arguments]
    return subprocess.run(line, cwd=folder, env=alone, capture_output=True, text=True, check=False)


def files(folder: Path) -> Iterator[str]:
    yield from (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())


def test_a_wheel_holds_all_that_runs_and_stays_small(package: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "pipeline", "stages"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    held = set(files(package))
    if tracked:
        assert set(tracked) <= held
    cards = {f"share/retone/data_cards/{name}" for name in files(ROOT / "data_cards") if name.startswith("starter-")}
    assert {name.split("/")[3] for name in cards} == set(CARDS)
    assert cards | {"share/retone/data_cards/TEMPLATE.md"} <= held
    assert not {name for name in held if name.startswith(("tests", "data_cards"))}
    for card in CARDS:
        assert sha256(package / "share" / "retone" / "data_cards" / card) == sha256(ROOT / "data_cards" / card)
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
def test_names_of_the_users_own_are_no_matter_to_the_command(package: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("raise RuntimeError('run by mistake')\n")
    assert at(package, tmp_path, "status", "--json").returncode == 0


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
