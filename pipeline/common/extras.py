"""Packages that only some want, refused in one line where they are not installed."""

from __future__ import annotations

from importlib.util import find_spec

from pipeline.common import program
from pipeline.common.errors import InputError


def need(extra: str, *modules: str, who: str = "", instead: str = "") -> None:
    """Raise InputError unless all modules of an extra are installed.

    Args:
        who: what the line begins with, by default the extra.
        instead: what can be done without it.
    """
    if missing := [name for name in modules if find_spec(name) is None]:
        where = program.COMMAND if program.installed() else "."
        other = f", or {instead}" if instead else ""
        raise InputError(f"{who or extra}: needs {', '.join(missing)}; pip install '{where}[{extra}]'{other}")
