"""Score every model: how well it tells the classes apart, and how much general English it kept.

A *figure* below is ``{"value", "low", "high", "n"}``: the value on all items, a 95% percentile interval from resampling
items (texts, documents, pairs), and the number of items. A *difference* is a figure with ``"p"`` (two-sided share of
draws across zero) and ``"verdict"`` (``helped | hurt | undecided``) beside it. Shares run from 0 to 1, losses are nats
per masked piece. Where nothing can be said (no such items, a base at chance) there stands ``null``.

``scores.json``::

    {"headline": "macro_recall", "draws": 2000, "level": 0.95,
     "corpora": {"<reviews corpus>": {
        "model": SCORES,                       # on the test split, or by cross-validation on all reviews
        "slices": {"emoji": SCORES | null, "no_emoji": SCORES | null},
        "floors": {"tfidf|features": {         # logistic regression on TF-IDF, on states of the base; same splits
            "scores": SCORES,
            "slices": {"emoji": SCORES | null, "no_emoji": SCORES | null},
            "model_minus_floor": {"accuracy": DIFFERENCE, "macro_recall": DIFFERENCE, "macro_f1": DIFFERENCE},
            "settings": {"C": x, "dev_macro_recall": x | null, "features": n,
                         "layer": n, "train_texts": n}}},   # features alone: 0 is the embeddings; at most 10,000
        "plain": {"accuracy": FIGURE, "macro_recall": FIGURE, "macro_f1": FIGURE,   # raw texts, no code of ours
                  "changed": x,                # share of texts whose predicted label changes
                  "minus_model": {"accuracy": DIFFERENCE, "macro_recall": DIFFERENCE, "macro_f1": DIFFERENCE}}}}}

    SCORES = {"n": n, "accuracy": FIGURE, "macro_recall": FIGURE, "macro_f1": FIGURE,
              "per_class": {"negative|neutral|positive": {"precision": x, "recall": x, "f1": x, "n": n}},
              "confusion": [[n, n, n], [n, n, n], [n, n, n]]}          # rows = truth, columns = predicted

``retention.json``::

    {"models": {"base|adapted|tuned": {
        "masked": {"<slice>": {                # general corpora, and "<pairs corpus>-sentences": its good sentences
            "loss": FIGURE,                    # the primary one: softmax over the base vocabulary; lower is better
            "loss_full": FIGURE,               # softmax over all rows, new emoji rows too
            "bits_per_byte": FIGURE,           # from loss_full, per UTF-8 byte of masked text; lower is better
            "accuracy": FIGURE}},              # share of masked pieces guessed right
        "pairs": {"<pairs corpus>": {"accuracy": FIGURE, "phenomena": {"<phenomenon>": FIGURE}}}}},
     "scores": {"base_to_adapted|adapted_to_tuned|base_to_tuned": {
        "masked": {"<slice>": FIGURE},               # exp(loss before - loss now): 1 = all kept
        "pairs": {"<pairs corpus>": FIGURE | null}}},# (acc now - 0.5) / (acc before - 0.5); null: before is at chance
     "shift": {"<informal | reviews corpus | slice>": {
        "role": "informal|reviews|general|pairs", "split": "dev|test", "base": FIGURE, "adapted": FIGURE}},  # loss
     "probes": {"shuffled_bigram|length": {          # accuracy by layer: the embeddings, then each layer
        "chance": x, "base|adapted|tuned": [FIGURE]}},         # {}: too few sentences
     "cka": {"adapted|tuned": [FIGURE]},             # linear CKA with the base by layer, 1 = the same; {}: as above
     "drift": {"<slice>": {                          # nats a masked piece; above 0: lost; {}: no text to refit on
        "adaptation": FIGURE,                        # adapted - base
        "tuning": FIGURE,                            # tuned - adapted = interface + real + refitting
        "interface": FIGURE,                         # tuned - tuned refitted: what another head wins back
        "real": FIGURE,                              # tuned refitted - adapted refitted: what it does not
        "refitting": FIGURE,                         # adapted refitted - adapted: what refitting alone does
        "loss": {"adapted_refitted|tuned_refitted": FIGURE}}},
     "masks": {"<corpus>": "<sha256>"}}              # which masks were used: equal for all arms of a run

``emoji.json``::

    {"reference": {"name": "ranking|reviews", "emoji": {emoji: x}},   # what people mean by it, -1 to 1
     "polarity": {"base|adapted|tuned|names|default": {      # names, default: the base with new rows, untrained
        "spearman": FIGURE | null,             # rank agreement with the reference; null: under 6 emoji
        "emoji": {emoji: x}, "asked": n, "unknown": [emoji]}},        # its shift of positive minus negative
     "names_minus_default": FIGURE | null,     # what rows started from names gain over the library's, in Spearman
     "counterfactuals": {"<reviews corpus>": {"swap|flips|delete|move|control": FIGURE | null}}}

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
- ``retention/probes_{base,adapted,tuned}.jsonl``  ``{"id", "shuffled_bigram": [n], "length": [n], "bin"}``: how many
  answers were right by layer, of 2 (the sentence and its shuffled twin) and of 1
- ``retention/features_tuned.npy``  float16 [sentences, layers + 1, hidden], for CKA between two seeds
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pydantic import Field

from pipeline.machine.stage import Reads, Stage, StageSettings, speed_only


class Settings(StageSettings):
    """How much is measured, and how surely."""

    max_length: int = Field(128, ge=8, le=512, description="longest text in pieces, [CLS] and [SEP] counted")
    general_documents: int = Field(300, ge=6, description="documents (or texts) of a corpus that get fixed masks")
    windows_per_document: int = Field(2, ge=1, description="stretches of max_length pieces of each document")
    mlm_probability: float = Field(0.15, gt=0, lt=1, description="share of a document's pieces that is masked")
    pairs: int = Field(1000, ge=6, description="minimal pairs of a corpus, spread evenly over its phenomena")
    probe_sentences: int = Field(300, ge=6, description="general sentences that probes and CKA look at")
    refit_tokens: int = Field(20_000, ge=1000, description="general text that heads are refitted on, to tell drift")
    emoji_ranking: Path | None = speed_only(  # by content, see reads
        None, description="the Emoji Sentiment Ranking (CSV), to hold emoji against; null: the reviews' own labels"
    )
    counterfactuals: int = Field(1000, ge=6, description="test texts of a corpus whose emoji are swapped and moved")
    draws: int = Field(2000, ge=100, le=100_000, description="bootstrap samples behind each interval")
    seed: int = Field(0, ge=0, description="of samples, masks and draws; not a training seed")
    tokens_per_batch: int | None = speed_only(
        None, ge=64, description="padded size of a batch; null: what suits the processor, or the GPU"
    )


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
    """Write scores.json, retention.json, emoji.json and the items behind them (layout: this module's docstring)."""
    from pipeline.common.cache import remembered
    from pipeline.common.files import read_json, write_json
    from pipeline.corpora.prepared import corpora_of
    from pipeline.measuring.emoji.run import emoji_understood
    from pipeline.measuring.general.run import general_english
    from pipeline.measuring.reviews.run import score_reviews
    from pipeline.measuring.statistics.bootstrap import LEVEL
    from pipeline.measuring.statistics.classification import HEADLINE

    remember = partial(remembered, cache)
    corpora = {
        corpus: score_reviews(settings, corpus, prepare, source / "model", finetune, remember, out)
        for corpus in corpora_of(prepare, "reviews")
    }
    write_json(out / "scores.json", {"headline": HEADLINE, "draws": settings.draws, "level": LEVEL, "corpora": corpora})
    started = read_json(tokenizer / "coverage.json")["rows_started"]
    folders = {"base": source / "model", "adapted": pretrain / "model", "tuned": finetune / "model"}
    write_json(out / "retention.json", general_english(settings, prepare, folders, remember, out / "retention"))
    write_json(out / "emoji.json", emoji_understood(settings, prepare, folders, started, remember))


def tell(folder: Path) -> list[str]:
    """The run's line of the ladder, for each review corpus."""
    from pipeline.common.files import read_json
    from pipeline.report.summary import rung

    scores, retention = (read_json(folder / name) for name in ("scores.json", "retention.json"))
    return rung(scores, retention)


STAGE = Stage(
    evaluate,
    makes=("scores.json", "predictions", "floors", "retention.json", "retention", "emoji.json"),
    version=7,
    reads=reads,
    tell=tell,
)
