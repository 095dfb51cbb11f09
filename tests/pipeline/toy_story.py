"""A story of four toy stages that write text files: enough to try every duty of the machine, with no torch.

Also a program: ``python -m tests.pipeline.toy_story run --recipe r.yaml``.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from pipeline.common.errors import InputError
from pipeline.common.settings import speed_only
from pipeline.machine.stage import Arms, Reads, Stage, StageSettings

CALLS: list[str] = []
"""Which stages ran in this process, in order."""


class Gather(StageSettings):
    source: Path = Field(Path("source.txt"), description="a file")
    lowercase: bool = Field(False, description="whether to lower the case")


def reads(settings: Gather) -> Reads:
    return {settings.source.name: settings.source, "note": "always the same"}


def gather(settings: Gather, *, out: Path) -> None:
    CALLS.append("gather")
    text = settings.source.read_text()
    if not text:
        raise InputError(f"gather {settings.source.name}: empty; write something")
    (out / "text.txt").write_text(text.lower() if settings.lowercase else text)


class Light(StageSettings):
    lamps: int = Field(default=1, ge=0, le=9, description="how many lamps")
    watts: float = speed_only(60.0, gt=0, description="cannot change the result")


class Grow(StageSettings):
    steps: int = Field(3, ge=0, le=1000, description="how many")
    learning_rate: float = Field(2e-5, gt=0, le=1, description="how fast")
    method: Literal["full", "lora"] = Field("full", description="how")
    fails: Literal["no", "error", "memory", "tensor", "disk"] = Field("no", description="for trying failures")
    light: Light = Field(Light(), description="by which it grows")
    batch_size: int = speed_only(4, ge=1, description="cannot change the result")
    pause: float = speed_only(0.0, ge=0, description="seconds a step takes")


FAULTS = {
    "error": ValueError("broken"),
    "memory": MemoryError(),
    "tensor": RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),  # torch's
    "disk": OSError(28, "No space left on device"),
}


def grow(settings: Grow, *, seed: int, gather: Path, out: Path) -> None:
    """Resumes: each step adds a line to a checkpoint."""
    CALLS.append("grow")
    checkpoint = out / "checkpoint.txt"
    done = checkpoint.read_text().splitlines() if checkpoint.exists() else []
    for step in range(len(done), settings.steps):
        if settings.fails != "no" and step == 1:
            raise FAULTS[settings.fails]  # before it is saved: run again, it fails again
        done.append(f"{step} {seed} {settings.learning_rate}")
        fresh = checkpoint.with_suffix(".new")
        fresh.write_text("\n".join(done))
        fresh.replace(checkpoint)
        time.sleep(settings.pause)
    (out / "model").mkdir(exist_ok=True)
    (out / "model" / "weights.txt").write_text((gather / "text.txt").read_text() + "\n".join(done))


class Judge(StageSettings):
    strict: bool = Field(True, description="whether it is strict")


def judge(settings: Judge, *, gather: Path, grow: Path, cache: Path, out: Path) -> None:
    CALLS.append("judge")
    (cache / "kept.txt").write_text("for the next run")
    (out / "score.txt").write_text(str(len((grow / "model" / "weights.txt").read_text())))
    (out / "rubbish.txt").write_text("not declared")


def tell(folder: Path) -> list[str]:
    return [f"score {(folder / 'score.txt').read_text()}\a"]


class Total(StageSettings):
    title: str = Field("Totals", min_length=1, description="the heading")


def total(settings: Total, *, grow: Arms, judge: Arms, recipe: str, out: Path) -> None:
    CALLS.append("total")
    rows = [f"recipe {recipe}", *(f"{run} {(folder / 'score.txt').read_text()}" for run, folder in judge.items())]
    (out / "summary.txt").write_text("\n".join([settings.title, *rows]) + "\n")
    (out / "report.html").write_text("<p>report</p>")
    (out / "model").mkdir()
    (out / "model" / "weights.txt").write_text((list(grow.values())[-1] / "model" / "weights.txt").read_text())


STORY = (
    Stage("gather", gather, makes=("text.txt",), reads=reads),
    Stage("grow", grow, makes=("model",), may_make=("adapter",), resumes=True),
    Stage("judge", judge, makes=("score.txt",)),
    Stage("total", total, makes=("summary.txt", "report.html", "model")),
)

TELLING = (*STORY[:2], replace(STORY[2], tell=tell), STORY[3])
"""The same story, but what is judged is told."""

RECIPE = """
name: toy
gather: {source: source.txt}
grow: {steps: 3}
arms:
  plain: {grow: {learning_rate: 0.5}}
  twin: {grow: {learning_rate: 0.5, batch_size: 8}}
  full: {}
"""


def write_recipe(folder: Path, text: str = RECIPE, source: str = "Hello") -> Path:
    """Write the toy recipe and the file that it reads into a folder; return the recipe."""
    (folder / "source.txt").write_text(source)
    (folder / "toy.yaml").write_text(text)
    return folder / "toy.yaml"


if __name__ == "__main__":
    from pipeline.machine import cli

    raise SystemExit(cli.main(cli.build(STORY)))
