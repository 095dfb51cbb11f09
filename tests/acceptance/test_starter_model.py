"""What the starter model knows of general English: the figures on its card. Run by hand with `make acceptance`."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.metrics.retention import masked_figures, pair_accuracy
from pipeline.metrics.sampling import fixed_sample
from pipeline.modeling import fixed_masks, models, scoring, sources
from tests.acceptance.test_real_text import ROOT, SHARED, articles

PAIRS = 6700
"""Of BLiMP's 67,000: 100 of each of its 67 paradigms."""


def figures(folder: Path, pairs: int = PAIRS) -> dict[str, Any]:
    """Masked loss on WikiText-2's test articles, accuracy on BLiMP and on the starter pairs, with 95% intervals."""
    model, tokenizer = models.load_masked_lm(folder), models.load_tokenizer(folder)
    raw = (SHARED / "data" / "general_wikitext2" / "wiki.test.raw").read_text(encoding="utf-8")
    masks = fixed_masks.choose_fixed_masks(
        tokenizer,
        [(f"wikitext2:{place}", text) for place, text in enumerate(articles(raw))],
        mlm_probability=0.15,
        max_length=128,
        windows_per_document=1000,
        seed=0,
    )
    rows = scoring.masked_nats(model, masks, base_vocabulary_size=len(tokenizer), tokens_per_batch=8192)
    found: dict[str, Any] = {
        f"wikitext2_{name}": figure for name, figure in masked_figures(rows, draws=2000, seed=0).items()
    }
    with gzip.open(SHARED / "data" / "blimp" / "blimp.jsonl.gz", "rt", encoding="utf-8") as lines:
        blimp = [json.loads(line) for line in lines]
    named = [
        {
            "id": f"{row['UID']}:{row['pairID']}",
            "good": row["sentence_good"],
            "bad": row["sentence_bad"],
            "of": row["UID"],
        }
        for row in blimp
    ]
    path = ROOT / "data_cards" / "starter-pairs" / "minimal_pairs.jsonl"
    starter = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for name, asked in (("blimp", fixed_sample(named, pairs, 0, by="of")), ("starter_pairs", starter)):
        sentences = [pair[side] for pair in asked for side in ("good", "bad")]
        scores = scoring.pseudo_log_likelihoods(
            model, tokenizer, sentences, vocabulary_size=len(tokenizer), tokens_per_batch=8192
        ).reshape(-1, 2)
        judged = [{"good": good, "bad": bad} for good, bad in scores.tolist()]
        found[name] = pair_accuracy(judged, draws=2000, seed=0)
    return found


@pytest.mark.acceptance
@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="the real corpora (../shared/data) are not here")
def test_the_starter_knows_grammar_above_chance(capsys: pytest.CaptureFixture[str]) -> None:
    found = figures(sources.STARTER)
    with capsys.disabled():
        for name, figure in found.items():
            print(f"\n{name}: {figure.value:.4f} ({figure.low:.4f} to {figure.high:.4f}), n={figure.n}", end="")
    assert found["blimp"].low > 0.5
    assert found["starter_pairs"].low > 0.5
    assert found["wikitext2_loss"].value < 6.0  # a bag of word frequencies stands at about 7


def test_the_starter_is_small_and_safe() -> None:
    files = list(sources.STARTER.iterdir())
    assert sum(path.stat().st_size for path in files) <= 12_000_000
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".md"}
    assert models.load_masked_lm(sources.STARTER).missing == []
