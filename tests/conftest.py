"""Fixtures shared by all tests. Nothing here reaches a network."""

from __future__ import annotations

import gc
import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_EVALUATE_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # toys keep no second thread busy, and files of tests run side by side
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import signal
from pathlib import Path

import pytest

from tests import toys
from tests.ray_cluster import cluster as cluster

# Started in the background of a script, a process ignores Ctrl-C, and so do its children; here some are sent one.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random two-layer BertForMaskedLM with its tokenizer. Read only."""
    return toys.write_toy_model(tmp_path_factory.mktemp("toy") / "model")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files that take a minute first: `make test` hands files out in this order, and none is begun at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """Have what modules hold looked through no more: a training ends by collecting garbage, there are hundreds."""
    gc.collect()
    gc.freeze()
