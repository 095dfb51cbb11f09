"""``python -m stages``: run the story, look after data cards, and put the model that came out to use."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin cost a busy machine a factor of hundreds
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
if not sys.stderr.isatty():
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")

import typer

from pipeline import commands
from pipeline.machine import cli
from stages import STORY


def build() -> typer.Typer:
    """The whole command line."""
    return commands.build(STORY)


def main() -> int:
    """Run what was typed; returns the exit code. Of the processes of torchrun the first runs it, the others train."""
    if {"LOCAL_RANK", "MASTER_ADDR"} <= os.environ.keys() and os.environ.get("WORLD_SIZE", "1") != "1":
        from pipeline.learning import ranks

        return ranks.launched(lambda: cli.main(build()))
    return cli.main(build())


if __name__ == "__main__":
    raise SystemExit(main())
