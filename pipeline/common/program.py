"""What people type: the command ``retone`` of an installed package, or ``make`` and ``python -m stages`` in a clone."""

from __future__ import annotations

import re
import sys
from pathlib import Path

COMMAND = "retone"
MODULE = ".venv/bin/python -m stages"


def installed() -> bool:
    """Whether this process was started by the command ``retone``; also one that it has spawned."""
    return Path(sys.argv[0]).stem == COMMAND


def name() -> str:
    """What verbs are typed after."""
    return COMMAND if installed() else MODULE


def typed(command: str) -> str:
    """A ``make`` command as it is typed here: ``make all RECIPE=quick`` is ``retone run --recipe quick`` to some."""
    if not installed():
        return command
    target, _, rest = command.removeprefix("make ").partition(" ")
    options = re.sub(r"(?:^|(?<= ))(RECIPE|SET|JOBS)=", lambda given: f"--{given[1].lower()} ", rest)
    return f"{COMMAND} {'run' if target == 'all' else target} {options}".rstrip()
