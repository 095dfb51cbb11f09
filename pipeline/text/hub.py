"""Rows of a data set on the Hugging Face Hub, at a pinned revision."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from pipeline.cards import Hub, Split
from pipeline.cards.schema import SPLITS
from pipeline.errors import InputError

_SECONDS = "5"


def hub_rows(hub: Hub, place: str) -> Iterator[tuple[Split, int, dict[str, Any]]]:
    """Yield (split, number of the row from 1, values) of a data set on the Hub.

    Fetched once into the Hub's own cache; no code of the data set is run. Raises InputError where it cannot be had.
    """
    os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", _SECONDS)
    import datasets

    try:
        found = datasets.load_dataset(hub.id, hub.config, revision=hub.revision)
    except Exception as error:  # the loader raises some dozen kinds, of four libraries
        cause = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"{place}: {hub.id} at {hub.revision[:8]} cannot be had from the Hub ({cause}); check id, revision and "
            "network, or download it and name its files under data_files"
        ) from None
    for name, rows in found.items():
        if name not in SPLITS:
            continue
        for number, values in enumerate(rows, start=1):
            yield SPLITS[name], number, values
