"""What measuring asks to be told: the settings of ``evaluate``, trackers apart."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from pipeline.common.settings import Group, by_content, speed_only


class Options(Group):
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
