"""Packages that only some want, refused in one line where they are not installed."""

from __future__ import annotations

from importlib.util import find_spec

from pipeline.common.errors import InputError


def need(extra: str, *modules: str) -> None:
    """Raise InputError unless all modules of an extra are installed."""
    if missing := [name for name in modules if find_spec(name) is None]:
        raise InputError(f"{extra}: needs {', '.join(missing)}; install with: pip install '.[{extra}]'")
