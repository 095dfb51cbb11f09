"""The audit on real text: it finds what is known to be wrong with a well-known corpus."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from stages.prepare import Settings, prepare

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
CARDS = ROOT / "tests" / "acceptance" / "cards"

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="the real corpora (../shared/data) are not here"),
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What prepare says of the tweets, with the adaptation text beside them, and the seconds of processor time."""
    out = tmp_path_factory.mktemp("prepare")
    names = ("tweet-sentiment", "informal-tweets", "informal-youtube")
    began = time.process_time()
    prepare(Settings(corpora=tuple(str(CARDS / name) for name in names), data_root=SHARED / "data"), out=out)
    found = {name: json.loads((out / f"{name}.json").read_text(encoding="utf-8")) for name in ("audit", "corpora")}
    return found | {"seconds": time.process_time() - began}


def test_train_holds_nearly_all_of_the_validation_texts(prepared: dict[str, Any]) -> None:
    crossing = prepared["audit"]["across"]["tweet-sentiment/train <-> tweet-sentiment/dev"]
    assert 1995 <= crossing["held_out_texts"] <= 2000
    assert crossing["rows_removed"] >= 1995


def test_texts_with_two_labels_are_found(prepared: dict[str, Any]) -> None:
    within = prepared["audit"]["within"]["tweet-sentiment/train"]
    assert within["texts_with_two_labels"] >= 95
    assert within["texts_with_two_labels"] + within["near_duplicate_pairs_with_two_labels"] >= 104
    assert prepared["corpora"]["tweet-sentiment"]["dropped"]["label conflict"] == within["rows_with_two_labels"]


def test_the_adaptation_text_is_the_training_file_again_and_loses_the_validation_texts(
    prepared: dict[str, Any],
) -> None:
    across = prepared["audit"]["across"]
    found = sum(
        across[f"informal-tweets/{split} <-> tweet-sentiment/dev"]["held_out_texts"] for split in ("train", "dev")
    )
    assert found >= 1995


def test_given_splits_keep_their_size(prepared: dict[str, Any]) -> None:
    splits = prepared["corpora"]["tweet-sentiment"]["splits"]
    assert (splits["dev"], splits["test"]) == (2000, 12284)


def test_it_scales(prepared: dict[str, Any]) -> None:
    assert prepared["seconds"] < 120
