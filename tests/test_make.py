"""The doorbell: every target is explained, and variables reach the command as they were given."""

import contextlib
import os
import re
import subprocess
from pathlib import Path

import pytest

from stages import STORY

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


OUTER = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "RECIPE", "SET", "STORE", "DATA_ROOT", "ENGINE", "JOBS", "MODEL", "OUT")
"""What the ``make test`` around these tests leaves in the environment."""


def make(*arguments: str) -> str:
    alone = {name: value for name, value in os.environ.items() if name not in OUTER}
    done = subprocess.run(["make", *arguments], cwd=ROOT, env=alone, capture_output=True, text=True, check=True)
    return done.stdout


def test_help_is_the_default_and_names_every_target() -> None:
    text = make()
    assert text == make("help")
    targets = {name for line in re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.M) for name in line.split()}
    targets = {name for name in targets if name != "$(STORY)"} | {stage.name for stage in STORY}
    assert targets >= {"all", "status", "cards", "test", "lint", "clean", "acceptance"}
    assert all(re.search(rf"\b{name}\b", text) for name in targets)


def test_there_is_a_target_for_each_stage() -> None:
    for stage in STORY:
        assert f"-m stages run {stage.name} " in make("-n", stage.name)


def test_variables_become_options() -> None:
    given = ["RECIPE=mine.yaml", "SET=a.b=['x'] c.d=2", "FORCE=1", "DRY=1", "ARM=naive full", "DEBUG=1", "DATA_ROOT=/d"]
    given += ["JOBS=1", "ENGINE=local"]
    line = " ".join(make("-n", "all", *given).splitlines()[-1].split())
    options = (
        """--recipe "$RECIPE" --set "$SET" --arm 'naive' --arm 'full' --store "$STORE" --data-root "$DATA_ROOT\""""
    )
    assert line.endswith(f'-m stages run {options} --debug --force --dry-run --jobs "$JOBS" --engine "$ENGINE"')
    assert make("-n", "all", "FORCE=0").splitlines()[-1].split()[-2:] == ["--store", '"$STORE"']

    line = make("-n", "search", "MINUTES=30", "TRIALS=9", "STUDY=x", "JOBS=2").replace("\\\n", " ")
    options = '--store "$STORE" --jobs "$JOBS" --minutes "$MINUTES" --trials "$TRIALS" --name "$STUDY"'
    assert " ".join(line.split()).endswith(f"-m stages search {options}")


@pytest.mark.parametrize("given", ["DRY=1", "FORCE=1"])
def test_a_search_refuses_what_it_does_not_know(given: str) -> None:
    done = subprocess.run(["make", "search", given, "READY="], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("make search: knows no DRY and no FORCE; make finetune DRY=1 says what")


def test_what_is_exported_and_where_to() -> None:
    assert make("-n", "export").splitlines()[-1].endswith('-m stages export "$STORE/latest/model" -o "$STORE/exported"')
    assert make("-n", "demo").splitlines()[-1].endswith('-m stages demo "$STORE/latest/model"')
    given = make("-n", "export", "MODEL=one", "OUT=two").splitlines()[-1]
    assert given.endswith('-m stages export "$MODEL" -o "$OUT"')


@pytest.mark.parametrize("given", ["ARM='; touch {};'", 'JOBS="; touch {}; "', "JOBS=$(touch {})", "x'; touch {}; '"])
def test_no_value_is_a_command(tmp_path: Path, given: str) -> None:
    sign = tmp_path / "sign"
    stub = tmp_path / "stub"
    (stub / "bin").mkdir(parents=True)
    python = stub / "bin" / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    given = given.format(sign).replace("$", "$$")
    target = "all" if "=" in given else given
    arguments = [f"BIN={stub / 'bin'}", f"READY={stub}", target, *([given] if "=" in given else [])]
    with contextlib.suppress(subprocess.CalledProcessError):
        assert "touch" in make(*arguments)
    assert not sign.exists()


@pytest.mark.parametrize("linked", [False, True])
def test_clean_empties_the_store_that_is_named_and_takes_nothing_else(tmp_path: Path, linked: bool) -> None:
    (tmp_path / "Makefile").write_text(MAKEFILE)
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "__init__.py").write_text((ROOT / "stages" / "__init__.py").read_text())
    for store in ("artifacts", "mine", "other"):
        for name in ("prepare/ab", "runs", "locks", "cache"):
            (tmp_path / store / name).mkdir(parents=True)
    (tmp_path / "no store" / "runs").mkdir(parents=True)
    (tmp_path / "mine" / "notes.txt").write_text("kept")
    if linked:
        (tmp_path / "mine").rename(tmp_path / "disk")
        (tmp_path / "mine").symlink_to("disk")
    for store in ("mine", "other", "no store"):
        make("-C", str(tmp_path), "clean", f"STORE={store}")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    assert (tmp_path / "artifacts" / "prepare" / "ab").is_dir()
    assert not (tmp_path / "other").exists()
    assert (tmp_path / "no store" / "runs").is_dir()


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("compare", "make compare: A= and B= name two runs, such as A=1 B=2 of make history, or A=artifacts/latest"),
        ("fintune", "make fintune: no such target, did you mean make finetune?; make help lists them"),
        ("remedies", "make remedies: no such target, did you mean make all RECIPE=remedies?; make help lists them"),
        ("zzz", "make zzz: no such target; make help lists them"),
    ],
)
def test_what_make_cannot_do_is_one_line(target: str, says: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        make(target)
    assert caught.value.returncode == 2
    assert caught.value.stderr.splitlines()[0] == says
    assert "is up to date" in make("README.md") or "Nothing to be done" in make("README.md")  # a file is no target


def test_the_install_is_pinned_to_exact_versions() -> None:
    pins = [line for line in (ROOT / ".ci/constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.]+", pin) for pin in pins), pins
    assert "torch==2.13.0" in pins
    named = re.search(r"^dependencies = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S)
    assert named
    wanted = {re.split(r"[><=]", name)[0].lower() for name in re.findall(r'"([^"]+)"', named[1])}
    assert wanted <= {pin.split("==")[0].lower() for pin in pins}
