"""The commands that README and docs tell people to type: each is there, with its options, recipes and settings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from pipeline.common.errors import InputError
from pipeline.machine.recipe import SHIPPED, load_recipe, parse_changes
from stages import STORY
from stages.__main__ import build
from tests.test_make import MAKEFILE, make

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
NOT_NOW = {"log.md"}
"""What was typed once, with the settings of then."""
PROGRAM = re.compile(r"^(?:\S*python -m stages|retone) ")


def told(page: Path) -> Iterator[str]:
    """Commands in blocks of a console, and in running text; comments and what a command is piped into left off."""
    text = page.read_text("utf-8")
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.M | re.S)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    for line in lines:
        command = re.split(r"\s+#|\s\||;|'$", line.strip())[0].strip()
        if re.match(r"make( |$)", command) or PROGRAM.match(command):
            yield command


COMMANDS = sorted({(page.name, command) for page in PAGES if page.name not in NOT_NOW for command in told(page)})


def check_recipe(recipe: str, changes: list[str]) -> None:
    """The recipe ships, or is a file of the reader's; what is set in it is there to be set."""
    ships = not recipe.endswith(".yaml")
    assert not ships or (SHIPPED / f"{recipe}.yaml").is_file(), recipe
    if "..." in "".join(changes):
        return
    try:
        load_recipe(recipe if ships else "starter", STORY, parse_changes(changes))
    except InputError as problem:
        if "pip install" not in str(problem):  # trackers are extras
            raise


def test_what_is_not_there_is_found_out() -> None:
    for wrong in ("make nosuch", "make all NOSUCH=1", "make all RECIPE=nosuch", 'make all SET="finetune.nosuch=1"'):
        with pytest.raises((AssertionError, InputError)):
            test_what_is_told_can_be_typed("a page", wrong)
    with pytest.raises(Exception, match="--nosuch"):
        test_what_is_told_can_be_typed("a page", "retone predict new.csv --nosuch")


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 40
    assert {"README.md", "search.md", "scaling.md", "python.md"} <= {page for page, _ in COMMANDS}


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_what_is_told_can_be_typed(page: str, command: str) -> None:
    del page
    words = shlex.split(command)
    if words[0] == "make":
        given = dict(word.split("=", 1) for word in words[1:] if "=" in word)
        targets = [word for word in words[1:] if "=" not in word]
        assert all("no such target" not in make("-n", target) for target in targets)  # what .DEFAULT would say
        known = re.findall(r"\$\(?(?:filter-out 0,\$\()?([A-Z_]+)\)?", MAKEFILE)
        assert set(given) <= set(known)
        check_recipe(given.get("RECIPE", "starter"), given["SET"].split(" ") if "SET" in given else [])
        return
    verb, *rest = shlex.split(PROGRAM.sub("", command))
    command_of = typer.main.get_command(build()).commands[verb]  # type: ignore[attr-defined]
    if not rest:  # its name alone, in running text
        return
    parsed = command_of.make_context(verb, [word for word in rest if word != "..."]).params
    check_recipe(str(parsed.get("recipe") or "starter"), list(parsed.get("changes") or []))
