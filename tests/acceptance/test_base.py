"""What the base knows of general English: the figures on its card. Run by hand with `make acceptance`."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from transformers import BertTokenizerFast

from pipeline.measuring import masks as fixed_masks
from pipeline.measuring import scoring
from pipeline.measuring.general.score import grammar, losses
from pipeline.measuring.statistics.sampling import fixed_sample
from pipeline.models import attachments, loading, sources
from pipeline.models.masked_lm import MaskedLM
from tests.acceptance.test_real_text import ROOT, SHARED, articles

PAIRS = 6700
"""Of BLiMP's 67,000: 100 of each of its 67 paradigms."""


def figures(model: MaskedLM, tokenizer: BertTokenizerFast, pairs: int = PAIRS) -> dict[str, Any]:
    """Masked loss on WikiText-2's test articles, accuracy on BLiMP and on the starter pairs, with 95% intervals."""
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
        f"wikitext2_{name}": measured.figure(draws=2000, seed=0) for name, measured in losses([rows]).items()
    }
    with gzip.open(SHARED / "data" / "blimp" / "blimp.jsonl.gz", "rt", encoding="utf-8") as lines:
        blimp = [json.loads(line) for line in lines]
    named = [
        {
            "id": f"{row['UID']}:{row['pairID']}",
            "good": row["sentence_good"],
            "bad": row["sentence_bad"],
            "phenomenon": row["UID"],
        }
        for row in blimp
    ]
    path = ROOT / "data_cards" / "starter-pairs" / "minimal_pairs.jsonl"
    starter = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for name, asked in (("blimp", fixed_sample(named, pairs, 0, by="phenomenon")), ("starter_pairs", starter)):
        sentences = [pair[side] for pair in asked for side in ("good", "bad")]
        scores = scoring.pseudo_log_likelihoods(
            model, tokenizer, sentences, vocabulary_size=len(tokenizer), tokens_per_batch=8192
        ).reshape(-1, 2)
        judged = [
            {"good": good, "bad": bad, "phenomenon": pair["phenomenon"]}
            for pair, (good, bad) in zip(asked, scores.tolist(), strict=True)
        ]
        found[name] = grammar([judged]).figure(draws=2000, seed=0)
    return found


def shown(name: str, found: dict[str, Any]) -> None:
    for measure, figure in found.items():
        print(f"\n{name}, {measure}: {figure.value:.4f} ({figure.low:.4f} to {figure.high:.4f}), n={figure.n}", end="")


@pytest.mark.acceptance
@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="the real corpora (../shared/data) are not here")
@pytest.mark.skipif(not sources.part_files(), reason="no parts ship for minilm")
def test_the_base_knows_words_and_grammar(capsys: pytest.CaptureFixture[str]) -> None:
    """Beside it, where it is there, the same encoder trained whole on the encyclopedia."""
    folder, other = sources.resolve("minilm", None), SHARED / "models" / "minilm-wiki"
    model = attachments.attach(loading.load_masked_lm(folder), sources.PARTS)
    found = figures(model, loading.load_tokenizer(folder))
    with capsys.disabled():
        shown("minilm", found)
        if other.is_dir():
            shown("minilm-wiki", figures(loading.load_masked_lm(other), loading.load_tokenizer(other)))
    assert found["wikitext2_loss"].value < 5.0  # a bag of word frequencies stands at about 7
    assert found["blimp"].low > 0.55


@pytest.mark.acceptance
@pytest.mark.skipif(not sources.part_files(), reason="no parts ship for minilm")
def test_what_ships_is_small_and_safe_and_says_its_licence() -> None:
    files = [path for path in sources.PARTS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 8_000_000
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".md"}
    assert sources.licence_of(sources.PARTS)
    assert sources.licence_of(sources.resolve("minilm", None)) == "apache-2.0"
