"""Data sets of the Hub: pinned, fetched once, and quickly refused where there is no network."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.common.errors import InputError
from pipeline.corpora.cards import load_card
from pipeline.corpora.corpus import Limits, read_corpus

SHA = "0123456789abcdef0123456789abcdef01234567"
CARD = f"""---
pretty_name: Hub
retone:
  role: reviews
  columns: {{text: sentence, label: label}}
  labels: {{negative: 0, neutral: 1, positive: 2}}
  hub: {{id: owner/name, revision: {SHA}}}
---
"""


@pytest.fixture
def card(tmp_path: Path) -> Path:
    folder = tmp_path / "hubbed"
    folder.mkdir()
    (folder / "README.md").write_text(CARD)
    return folder


def test_rows_come_through_the_real_loader_from_a_fetched_snapshot(
    card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    rows = "\n".join(f"sentence {n} of {n % 3},{n % 3}" for n in range(30))
    (snapshot / "train.csv").write_text(f"sentence,label\n{rows}\n")
    (snapshot / "validation.csv").write_text("sentence,label\nheld out,2\n")
    asked = []

    def info(_: object, repo: str, *, revision: str, **__: object) -> SimpleNamespace:
        asked.append((repo, revision))
        return SimpleNamespace(sha=revision)

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", info)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda repo, **kw: str(snapshot))
    corpus = read_corpus(load_card(card), Limits())
    assert asked == [("owner/name", SHA)]
    assert [(text.id, text.label) for text in corpus.splits["dev"]] == [("hubbed:dev:1", 2)]
    assert len(corpus.splits["train"]) == 30
    assert SHA in str(load_card(card).reads()["card hubbed"])


def test_no_network_is_said_at_once(card: Path) -> None:
    began = time.monotonic()
    with pytest.raises(InputError, match=r"card hubbed: owner/name at 01234567 cannot be fetched .* under data_files"):
        read_corpus(load_card(card), Limits())
    assert time.monotonic() - began < 10
