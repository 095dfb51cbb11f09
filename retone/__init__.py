"""The command ``retone``, and what programs of others import where a folder of theirs hides our packages' names.

``pipeline`` and ``stages`` are common names: a ``pipeline.py`` beside a script, or in the working directory, comes
first. Then one line says so.

estimator  the recipe as an estimator of scikit-learn's kind
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def check() -> None:
    """Raise ImportError where ``pipeline`` or ``stages`` is not the one that lies beside this package."""
    for name in ("pipeline", "stages"):
        found = find_spec(name)
        places = [found.origin, *(found.submodule_search_locations or ())] if found else []
        own = Path(__file__).parents[1].joinpath(name).resolve()
        if not any(own in [Path(place).resolve(), Path(place).resolve().parent] for place in places if place):
            what = next(filter(None, places), "nothing")
            raise ImportError(f"{name} is {what}, not Retone's own; rename it, or start from another folder")


def main() -> int:
    """Run the command line; returns the exit code."""
    try:
        check()
    except ImportError as problem:
        print(problem, file=sys.stderr)
        return 2
    from stages.__main__ import main as run

    return run()


def __getattr__(name: str) -> Any:
    """``RetoneClassifier``, and what ``pipeline`` offers to programs."""
    if name.startswith("_"):
        raise AttributeError(name)
    check()
    if name == "RetoneClassifier":
        from retone.estimator import RetoneClassifier

        return RetoneClassifier
    import pipeline

    return getattr(pipeline, name)
