"""Rows of a data set on the Hugging Face Hub, at a pinned revision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.common.errors import InputError
from pipeline.common.hub import snapshot
from pipeline.common.validation import nearest
from pipeline.corpora.cards import Hub, Split
from pipeline.corpora.readers import FORMATS
from pipeline.corpora.schema import SPLITS


def hub_rows(hub: Hub, place: str) -> Iterator[tuple[Split, int, dict[str, Any]]]:
    """Yield (split, number of the row from 1, values) of a data set on the Hub.

    Its files are fetched once into the Hub's own cache and read from there; code is neither fetched nor run. Raises
    InputError, within seconds where the Hub is out of reach, if it cannot be had or has no train, dev or test split.
    """
    import datasets

    named = f"{place}: {hub.id} at {hub.revision[:8]}"
    wanted = [*(f"*.{ending}*" for ending in FORMATS), "README.md"]
    try:
        folder = snapshot(hub.id, hub.revision, "dataset", allow_patterns=wanted)
    except Exception as error:  # from four libraries; what to do is the same
        raise InputError(
            f"{named} cannot be fetched from the Hub ({_cause(error)}); check id, revision and network, set HF_HOME "
            "to a cache that has it, or download it and name its files under data_files"
        ) from None
    try:
        found = datasets.load_dataset(str(folder), hub.config)
    except Exception as error:
        raise InputError(f"{named} cannot be read ({_cause(error)}); name its files under data_files") from None
    if not any(name in SPLITS for name in found):
        raise InputError(f"{named} has no split to use; {nearest('train', [str(name) for name in found])}")
    for name, rows in found.items():
        if name in SPLITS:
            for number, values in enumerate(rows, start=1):
                yield SPLITS[name], number, values


def _cause(error: Exception) -> str:
    """The first line of what is under an error; the loaders wrap it."""
    error = error.__cause__ if isinstance(error.__cause__, Exception) else error
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
