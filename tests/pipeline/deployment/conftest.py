"""A tuned toy with a report around it, as a run leaves it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipeline.common.files import write_json, write_jsonl
from pipeline.common.labels import LABELS
from pipeline.models import loading
from pipeline.predictor import Predictor
from tests.toys import SENTENCES

CARD = "---\nlibrary_name: transformers\n---\n\n# Mine\n\n## Use\n\nold\n\n## Limits\n\nsome\n"


@pytest.fixture(scope="module")
def model(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier in a store with labelled dev texts around it, of which every answer is right."""
    store = tmp_path_factory.mktemp("artifacts")
    folder = store / "report" / "f00d" / "models" / "full"
    torch.manual_seed(0)
    tuned = loading.load_classifier(toy_model)
    with torch.no_grad():  # a fresh toy hardly tells texts apart
        for weight in tuned.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.2)
    loading.save(tuned, loading.load_tokenizer(toy_model), folder, emoji="words", uncleaned=["elongation"])
    (folder / "README.md").write_text(CARD)
    fingerprints = {"full": {"prepare": {"0": "a" * 64}}}
    told = {"fingerprints": fingerprints, "arms": {"full": {}}, "final_arm": "full"}
    write_json(folder.parents[1] / "report.json", told)
    prepared = store / "prepare" / ("a" * 16)
    write_json(prepared / "corpora.json", {"mine": {"role": "reviews"}, "other": {"role": "general"}})
    labels = [LABELS.index(each.label) for each in Predictor(folder)(SENTENCES)]
    rows = [{"id": str(at), "text": text, "label": labels[at]} for at, text in enumerate(SENTENCES)]
    write_jsonl(prepared / "texts" / "mine" / "dev.jsonl", rows)
    return folder
