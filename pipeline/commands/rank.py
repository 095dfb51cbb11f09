"""Which model to start from."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from pipeline.common.errors import InputError
from pipeline.common.printable import many
from pipeline.machine import console


def rank(
    context: typer.Context,
    models: Annotated[list[str], typer.Argument(help="Model folders, `minilm` or Hub ids.")],
    corpus: Annotated[str, typer.Option("--corpus", help="A card with role reviews: its training texts are asked.")],
    data_root: Annotated[Path | None, typer.Option("--data-root", help="Folder with data that cards name.")] = None,
    texts: Annotated[int, typer.Option(min=60, help="Texts that are asked at most, evenly from each class.")] = 4000,
    max_length: Annotated[int, typer.Option(min=8, max=512, help="Word pieces of a text that are read.")] = 128,
) -> None:
    """Rank models to start from by their frozen states, and say which layer to read: a minute a model, no tuning."""
    from pipeline.corpora.prepared import rows
    from pipeline.measuring import transferability
    from pipeline.measuring.statistics.sampling import fixed_sample
    from pipeline.models.reader import Reader
    from pipeline.report.summary import plain

    folders = {name: _folder(name) for name in dict.fromkeys(models)}
    readers = {name: Reader.of(folder, max_length) for name, folder in folders.items()}  # all refused before any work
    prepare = {stage.name: stage for stage in context.obj}["prepare"]
    with TemporaryDirectory() as out:
        settings: Any = prepare.settings_type.model_validate({"corpora": [corpus], "data_root": data_root})
        prepare.function(settings, out=Path(out))
        asked = fixed_sample(rows(Path(out), role="reviews", split="train"), texts, 0, by="label")
    if not asked:
        raise InputError(f"corpus {corpus}: no labelled training texts; name a card with role reviews")
    own, labels = ([row[column] for row in asked] for column in ("text", "label"))
    found = {}
    for place, (name, folder) in enumerate(folders.items(), start=1):
        console.say(f"asking {name}, model {place} of {len(folders)}, about {many(len(asked), 'text')}")
        found[name] = transferability.of_model(folder, readers[name], own, labels)
    print(plain(transferability.tables(found, len(asked))))


def _folder(model: str) -> Path:
    """The folder of a model to be ranked; `scratch`, which is a setting's, is none."""
    from pipeline.models.sources import resolve

    if model == "scratch":
        raise InputError("model scratch: has no weights before a run makes them; name its folder")
    try:
        return resolve(model, None)
    except InputError as problem:
        raise InputError(f"model {model}: {str(problem).removeprefix('source.model: ')}") from None
