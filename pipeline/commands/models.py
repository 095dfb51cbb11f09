"""The model that came out, elsewhere: as ONNX, on a page to try it, on the Hub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from pipeline.common.errors import InputError
from pipeline.common.program import typed
from pipeline.corpora.lines import opened
from pipeline.machine import console
from pipeline.machine.store import STORE, DamagedError, check_around

MODEL = STORE / "latest" / "model"
EXPORTED = STORE / "exported"


def export(
    model: Annotated[Path, typer.Argument(help="Folder of a model that a run made.")] = MODEL,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder to write; an earlier export is replaced.")
    ] = EXPORTED,
) -> None:
    """Write a model as ONNX and int8, with twenty lines that run it without torch or Retone; answers are compared."""
    check_model(model)
    from pipeline.deployment import export as exporting

    console.say("exporting: half a minute, then the same texts through torch, ONNX and int8")
    for form, size, speed, apart, _ in (measured := exporting.export(model, out)):
        print(f"{form:16} {size:8.1f} MB  {speed:7.1f} ms a text  largest difference of a logit {apart:.1e}")
    print(exporting.sentence(measured))
    print(console.clean(f"wrote {out}; README.md there says how to run it"))


def demo(
    model: Annotated[Path, typer.Argument(help="Folder of a model that a run made.")] = MODEL,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Of 127.0.0.1; by default from 7860 on.")] = None,
) -> None:
    """Serve a page to try a model on, to this machine alone: classes, pieces that tip them, two arms side by side."""
    check_model(model)
    from pipeline.deployment import demo as page

    page.serve(page.page(*page.arms(model)), port)


def push(
    repo: Annotated[str, typer.Argument(help="OWNER/NAME on the Hub; made where it is not there.")],
    model: Annotated[Path, typer.Option("--model", help="Folder of a model, or of an exported one.")] = MODEL,
    public: Annotated[bool, typer.Option("--public", help="Let everybody read it; without it, you alone.")] = False,
) -> None:
    """Upload a model to the Hugging Face Hub with its card and the report's pictures, and nothing of the data."""
    check_model(model)
    from pipeline.deployment.push import files_of, push

    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise InputError(f"push {repo}: name it as OWNER/NAME")
    console.say(f"uploading {', '.join(files_of(model))}")
    print(console.clean(push(model, repo, public=public)))


def check_input(source: str) -> None:
    """Refuse a file of texts that cannot be opened; what is in it is looked at later, and takes its time."""
    if source != "-":
        opened(Path(source), f"input {source}").close()


def check_model(model: Path) -> None:
    """Refuse a model that is not there, or not as a run left it."""
    again = typed("make all")
    if model == MODEL and not model.exists():
        raise InputError(f"model {model}: none there yet; make one with `{again}`, or name one with --model")
    try:
        check_around(model)
    except DamagedError as damage:
        raise InputError(f"model {model}: {damage} changed on disk; `{again}` makes it again") from None
