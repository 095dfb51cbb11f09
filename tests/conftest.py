"""Fixtures shared by all tests. Nothing here reaches a network."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_EVALUATE_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from pathlib import Path

import pytest

from tests import toys


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random two-layer BertForMaskedLM with its tokenizer. Read only."""
    return toys.write_toy_model(tmp_path_factory.mktemp("toy") / "model")
