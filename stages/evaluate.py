"""Score every model: how well it tells the classes apart, and how much general English it kept.

``scores.json``, ``retention.json`` and ``emoji.json`` are declared in the ``results.py`` of each question's room, and
as JSON schemas in ``docs/schema``.

Items, one a row, from which all of this can be computed again without a model:

- ``predictions/<corpus>.jsonl``  ``{"id", "label", "probabilities", "emoji", "predicted", "plain": from raw text}``;
  with cross-validation all reviews, fold after fold, each predicted by the model that was not tuned on it
- ``floors/<floor>/<corpus>.jsonl``  ``{"id", "label", "probabilities", "emoji", "predicted"}``, in the same order
- ``retention/{base,adapted,tuned}.jsonl``  ``{"corpus", "id", "nats", "nats_full", "masked", "correct", "bytes"}``:
  sums over a general document's masked pieces
- ``retention/{adapted,tuned}_refitted.jsonl``  the same under a head trained anew on the frozen encoder
- ``retention/shift_{base,adapted}.jsonl``  the same of informal dev and reviews test texts
- ``retention/pairs_{base,adapted,tuned}.jsonl``  ``{"corpus", "id", "phenomenon", "good", "bad"}``: log-likelihoods
- ``retention/masks/<corpus>.jsonl``  ``{"id", "input_ids", "masked", "bytes"}``, a row a window: what was masked
- ``retention/sentences.jsonl``  ``{"id", "corpus", "text", "shuffled", "words"}``: what probes and CKA look at
- ``retention/probes_{base,adapted,tuned}.jsonl``  ``{"id"}`` and by task (``layers.probes.TASKS``), and by its
  ``<task>_control``, ``[n]``: how many answers were right on each layer
- ``retention/features_tuned.npy``  float16 [sentences, layers + 1, hidden], for CKA between two seeds
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from pipeline.common.settings import by_content, speed_only
from pipeline.learning.options import Trackers
from pipeline.machine.stage import Reads, Stage, StageSettings


class Settings(StageSettings):
    """How much is measured, and how surely."""

    max_length: int = Field(128, ge=8, le=512, description="longest text in pieces, [CLS] and [SEP] counted")
    general_documents: int = Field(300, ge=6, description="documents (or texts) of a corpus that get fixed masks")
    windows_per_document: int = Field(2, ge=1, description="stretches of max_length pieces of each document")
    mlm_probability: float = Field(0.15, gt=0, lt=1, description="share of a document's pieces that is masked")
    pairs: int = Field(1000, ge=6, description="minimal pairs of a corpus, spread evenly over its phenomena")
    probe_sentences: int = Field(300, ge=6, description="general sentences that probes and CKA look at")
    refit_tokens: int = Field(20_000, ge=1000, description="general text that heads are refitted on, to tell drift")
    emoji_ranking: Path | None = by_content(
        None, description="the Emoji Sentiment Ranking (CSV), to hold emoji against; null: the reviews' own labels"
    )
    counterfactuals: int = Field(1000, ge=6, description="test texts of a corpus whose emoji are swapped and moved")
    draws: int = Field(2000, ge=100, le=100_000, description="bootstrap samples behind each interval")
    seed: int = Field(0, ge=0, lt=1 << 32, description="of samples, masks and draws; not a training seed")
    tokens_per_batch: int | None = speed_only(
        None, ge=64, description="padded size of a batch; null: what suits the processor, or the GPU"
    )
    report_to: Trackers = speed_only((), description="trackers that are told the figures: tensorboard, trackio, ...")


def reads(settings: Settings) -> Reads:
    """The ranking of emoji, by content."""
    return {"emoji ranking": settings.emoji_ranking} if settings.emoji_ranking else {}


def evaluate(
    settings: Settings,
    *,
    prepare: Path,
    source: Path,
    tokenizer: Path,
    pretrain: Path,
    finetune: Path,
    cache: Path,
    out: Path,
) -> None:
    """Write scores.json, retention.json, emoji.json and the items behind them (this module's docstring)."""
    from pipeline.common import results
    from pipeline.common.cache import remembered
    from pipeline.common.files import read_json
    from pipeline.corpora.prepared import corpora_of
    from pipeline.learning import trackers
    from pipeline.measuring.emoji.results import Emoji
    from pipeline.measuring.emoji.run import emoji_understood
    from pipeline.measuring.general.results import Retention
    from pipeline.measuring.general.run import general_english
    from pipeline.measuring.reviews.results import Reviews
    from pipeline.measuring.reviews.run import score_reviews
    from pipeline.measuring.scoring import Known
    from pipeline.models import sources

    remember = partial(remembered, cache)
    said: Known = {}
    reviews, target = corpora_of(prepare, "reviews"), read_json(finetune / "finetune.json").get("target", [])
    others = [corpus for corpus in reviews if corpus not in target]
    corpora = {}
    for corpus in reviews:  # floors see no labels of the target, as the arm did not
        learnt = others if corpus in target else [corpus]
        read = (settings, corpus, prepare, source / "model", finetune, remember, out, said)
        corpora[corpus] = score_reviews(*read, sources=learnt)
    results.write(Reviews, out / "scores.json", {"corpora": corpora})
    started = read_json(tokenizer / "coverage.json")["rows_started"]
    folders = {"base": source / "model", "adapted": pretrain / "model", "tuned": finetune / "model"}
    spoken = sources.languages_told(source)
    kept = general_english(settings, prepare, folders, remember, out / "retention", spoken)
    results.write(Retention, out / "retention.json", kept)
    understood = emoji_understood(settings, prepare, folders, started, remember, said, spoken)
    results.write(Emoji, out / "emoji.json", understood)
    trackers.tell(settings.report_to, _final(corpora, kept))


def _final(corpora: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, float]:
    """The figures of an arm that trackers are told: scores by corpus, and what was kept of masked words."""
    told = {f"{name}/{corpus}": found["model"][name]["value"] for corpus, found in corpora.items()
            for name in ("macro_recall", "accuracy", "macro_f1")}  # fmt: skip
    told |= {f"emoji_macro_recall/{corpus}": found["slices"]["emoji"]["macro_recall"]["value"]
             for corpus, found in corpora.items() if found["slices"]["emoji"]}  # fmt: skip
    told |= {
        f"masked_kept/{place}": share["value"] for place, share in kept["scores"]["base_to_tuned"]["masked"].items()
    }
    return {name: value for name, value in told.items() if value is not None}


def tell(folder: Path) -> list[str]:
    """The run's line of the ladder, for each review corpus."""
    from pipeline.common.files import read_json
    from pipeline.report.summary import rung

    scores, retention = (read_json(folder / name) for name in ("scores.json", "retention.json"))
    return rung(scores, retention)


STAGE = Stage(
    "evaluate",
    evaluate,
    makes=("scores.json", "predictions", "floors", "retention.json", "retention", "emoji.json"),
    version=13,
    reads=reads,
    tell=tell,
)
