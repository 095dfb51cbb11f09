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
        "floor": SCORES,                       # TF-IDF with logistic regression, same splits
        "floor_slices": {"emoji": SCORES | null, "no_emoji": SCORES | null},
        "floor_settings": {"C": x, "dev_macro_recall": x, "features": n},
        "minus_floor": {"accuracy": DIFFERENCE, "macro_recall": DIFFERENCE, "macro_f1": DIFFERENCE},   # model - floor
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

Items, one a row, from which all of this can be computed again without a model:

- ``predictions/<corpus>.jsonl``  ``{"id", "label", "probabilities", "emoji", "predicted", "plain": from raw text}``;
  with cross-validation all reviews, fold after fold, each predicted by the model that was not tuned on it
- ``floor/<corpus>.jsonl``  ``{"id", "label", "probabilities", "emoji", "predicted"}``, in the same order
- ``retention/{base,adapted,tuned}.jsonl``  ``{"corpus", "id", "nats", "nats_full", "masked", "correct", "bytes"}``:
  sums over a general document's masked pieces
- ``retention/{adapted,tuned}_refitted.jsonl``  the same under a head trained anew on the frozen encoder
- ``retention/shift_{base,adapted}.jsonl``  the same of informal dev and reviews test texts
- ``retention/pairs_{base,adapted,tuned}.jsonl``  ``{"corpus", "id", "phenomenon", "good", "bad"}``: log-likelihoods
- ``retention/masks/<corpus>.jsonl``  ``{"id", "input_ids", "masked", "bytes"}``, a row a window: what was masked
- ``retention/sentences.jsonl``  ``{"id", "corpus", "text", "shuffled", "words"}``: what probes and CKA look at
- ``retention/probes_{base,adapted,tuned}.jsonl``  ``{"id", "shuffled_bigram": [n], "length": [n], "bin"}``: how many
  answers were right by layer, of 2 (the sentence and its shuffled twin) and of 1
- ``retention/features_tuned.npy``  float16 [sentences, layers + 1, hidden], for ``cka.noise_floor`` between two seeds
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from pipeline.errors import InputError
from pipeline.files import digest, read_jsonl, write_jsonl
from pipeline.stage import Stage, StageSettings, speed_only

DIGITS = 6
"""Decimals kept of probabilities."""
ASKED = {"general": "test", "informal": "dev", "reviews": "test"}
"""The split of each role's corpora that gets fixed masks."""
Rows = list[dict[str, Any]]
Remember = Callable[[Any, Callable[[], Any]], Any]


class Settings(StageSettings):
    """How much is measured, and how surely."""

    max_length: int = Field(128, ge=8, le=512, description="longest text in pieces, [CLS] and [SEP] counted")
    general_documents: int = Field(300, ge=6, description="documents (or texts) of a corpus that get fixed masks")
    windows_per_document: int = Field(2, ge=1, description="stretches of max_length pieces of each document")
    mlm_probability: float = Field(0.15, gt=0, lt=1, description="share of a document's pieces that is masked")
    pairs: int = Field(1000, ge=6, description="minimal pairs of a corpus, spread evenly over its phenomena")
    probe_sentences: int = Field(300, ge=6, description="general sentences that probes and CKA look at")
    refit_tokens: int = Field(20_000, ge=1000, description="general text that heads are refitted on, to tell drift")
    draws: int = Field(2000, ge=100, le=100_000, description="bootstrap samples behind each interval")
    seed: int = Field(0, ge=0, description="of samples, masks and draws; not a training seed")
    tokens_per_batch: int = speed_only(8192, ge=64, description="padded size of a batch")


def evaluate(
    settings: Settings, *, prepare: Path, source: Path, pretrain: Path, finetune: Path, cache: Path, out: Path
) -> None:
    """Write scores.json, retention.json and the items behind them (layout: this module's docstring)."""
    from pipeline.metrics.bootstrap import LEVEL
    from pipeline.metrics.classification import HEADLINE
    from pipeline.metrics.memo import remembered
    from pipeline.text.prepared import corpora_of

    remember = partial(remembered, cache)
    corpora = {
        corpus: _score_reviews(settings, corpus, prepare, finetune, remember, out)
        for corpus in corpora_of(prepare, "reviews")
    }
    _write(out / "scores.json", {"headline": HEADLINE, "draws": settings.draws, "level": LEVEL, "corpora": corpora})
    folders = {"base": source / "model", "adapted": pretrain / "model", "tuned": finetune / "model"}
    _write(out / "retention.json", _retention(settings, prepare, folders, remember, out / "retention"))


def _score_reviews(
    settings: Settings, corpus: str, prepare: Path, finetune: Path, remember: Remember, out: Path
) -> dict[str, Any]:
    """Predict the test texts three ways (as prepared, as raw text, by the floor), store it, and score it."""
    from pipeline.metrics.scorecard import compared
    from pipeline.text.emojis import has_emoji
    from pipeline.text.prepared import corpus_rows, folds_of

    folds = range(folds_of(prepare, corpus))
    tests = [corpus_rows(prepare, corpus, "test", fold) for fold in folds]
    test = [row for rows in tests for row in rows]
    if not test:
        raise InputError(f"corpus {corpus}: no test texts, so nothing can be scored; give its card a test split")
    labels, emoji = [row["label"] for row in test], [has_emoji(row["text"]) for row in test]
    tested_in = [fold for fold, rows in enumerate(tests) for _ in rows] if len(tests) > 1 else None
    found, plain = _probabilities(settings, finetune, tests)
    floor = _floor(corpus, prepare, folds, remember)
    predicted, from_raw, floored = (table.argmax(axis=1).tolist() for table in (found, plain, floor["probabilities"]))
    for folder, table, more in (
        ("predictions", found, {"predicted": predicted, "plain": from_raw}),
        ("floor", floor["probabilities"], {"predicted": floored}),
    ):
        columns = {
            "id": [row["id"] for row in test],
            "label": labels,
            "probabilities": table.tolist(),
            "emoji": emoji,
            **({"fold": tested_in} if tested_in else {}),
            **more,
        }
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        write_jsonl(out / folder / f"{corpus}.jsonl", rows)
    card = compared(labels, emoji, predicted, floored, from_raw, tested_in, draws=settings.draws, seed=settings.seed)
    return {**card, "floor_settings": floor["settings"]}


def _probabilities(settings: Settings, finetune: Path, tests: Sequence[Rows]) -> tuple[Any, Any]:
    """Class probabilities [n, 3] of the texts as prepared, and of the raw texts as a plain pipeline reads them.

    The model tests fold 0 (or the only test split); the other folds were tested when their models were tuned.
    """
    import numpy as np

    from pipeline.modeling import models, scoring
    from pipeline.text.emojis import as_model_reads

    model = finetune / "model"
    mode, tokenizer = models.emoji_mode(model), models.load_tokenizer(model)
    own = [as_model_reads(row["text"], mode) for row in tests[0]] + [row["raw"] for row in tests[0]]
    found = scoring.class_probabilities(
        models.load_classifier(model),
        tokenizer,
        own,
        tokens_per_batch=settings.tokens_per_batch,
        max_length=tokenizer.model_max_length,
    ).round(DIGITS)
    tables = [[found[: len(tests[0])]], [found[len(tests[0]) :]]]
    for fold, rows in enumerate(tests[1:], start=1):
        told = {row["id"]: row for row in read_jsonl(finetune / "folds" / f"{fold}.jsonl")}
        for table, column in zip(tables, ("probabilities", "plain"), strict=True):
            table.append(np.array([told[row["id"]][column] for row in rows]).reshape(-1, 3))
    as_prepared, from_raw = (np.concatenate(table) for table in tables)
    return as_prepared, from_raw


def _floor(corpus: str, prepare: Path, folds: range, remember: Remember) -> dict[str, Any]:
    """Settings (of fold 0) and probabilities of the floor on all test texts; remembered, as equal for all arms."""
    import numpy as np
    import sklearn

    from pipeline.modeling import floor
    from pipeline.text.prepared import corpus_rows

    found = []
    for fold in folds:
        rows = [corpus_rows(prepare, corpus, split, fold) for split in ("train", "dev", "test")]
        train, dev, test = ([(row["text"], row["label"]) for row in split] for split in rows)
        key = ["floor", floor.VERSION, sklearn.__version__, digest([train, dev, test])]
        found.append(remember(key, partial(floor.floor_scores, train, dev, [text for text, _ in test])))
    tables = [np.asarray(fold["probabilities"]).reshape(-1, 3) for fold in found]
    return {**found[0], "probabilities": np.concatenate(tables)}


def _retention(
    settings: Settings, prepare: Path, folders: dict[str, Path], remember: Remember, out: Path
) -> dict[str, Any]:
    """Put the models to the exam and look at their layers; store the answers, return what retention.json says."""
    import numpy as np

    from pipeline.metrics import cka, drift, probing, retention
    from pipeline.modeling import exam as room
    from pipeline.modeling.features import observe
    from pipeline.text.prepared import corpora_of

    exam = _set_exam(settings, prepare, folders["base"])
    asking: dict[str, Any] = {"tokens_per_batch": settings.tokens_per_batch, "remember": remember}
    answers = room.sit(exam, folders, **asking)
    room.store(exam, answers, out)
    sentences = _sentences(settings, prepare)
    seen = observe(exam.tokenizer, sentences, folders, **asking) if sentences else {}
    probes = probing.answers(seen, sentences, seed=settings.seed, remember=remember)
    write_jsonl(out / "sentences.jsonl", sentences)
    for model, found in probes.items():
        write_jsonl(out / f"probes_{model}.jsonl", found)
    if seen:
        np.save(out / "features_tuned.npy", seen["tuned"][:, 0])
    roles = {corpus: (role, split) for role, split in ASKED.items() for corpus in corpora_of(prepare, role)}
    roles |= {room.sentences_of(corpus): ("pairs", "test") for corpus in exam.pairs}
    sure = {"draws": settings.draws, "seed": settings.seed}
    return {
        **retention.marked(answers, roles, **sure),
        "probes": probing.marked(probes, **sure),
        "cka": cka.against(seen),
        "drift": drift.marked({model: kinds["masked"] for model, kinds in answers.items()}, **sure),
        "masks": {corpus: masks.digest for corpus, masks in {**exam.masked, **exam.shift}.items()},
    }


def _set_exam(settings: Settings, prepare: Path, base: Path) -> Any:
    """The exam of this recipe: masks chosen once with the base's tokenizer, pairs sampled evenly over phenomena."""
    from pipeline.metrics.sampling import fixed_sample
    from pipeline.modeling import exam, models
    from pipeline.text.prepared import corpora_of, corpus_rows, rows

    def texts(role: str) -> dict[str, list[tuple[str, str]]]:
        every = {corpus: corpus_rows(prepare, corpus, ASKED[role]) for corpus in corpora_of(prepare, role)}
        return {corpus: _sample(settings, found) for corpus, found in every.items()}

    pairs = {corpus: corpus_rows(prepare, corpus, "test") for corpus in corpora_of(prepare, "pairs")}
    tokenizer = models.load_tokenizer(base)
    return exam.set_exam(
        tokenizer,
        general=texts("general"),
        shift=texts("informal") | texts("reviews"),
        pairs={
            name: fixed_sample(found, settings.pairs, settings.seed, by="phenomenon") for name, found in pairs.items()
        },
        training=_sample(settings, rows(prepare, role="general", split="train")),
        max_length=min(settings.max_length, tokenizer.model_max_length),
        **settings.model_dump(include={"mlm_probability", "windows_per_document", "refit_tokens", "seed"}),
    )


def _sample(settings: Settings, rows: Rows) -> list[tuple[str, str]]:
    from pipeline.metrics.sampling import fixed_sample

    return [(row["id"], row["text"]) for row in fixed_sample(rows, settings.general_documents, settings.seed)]


def _sentences(settings: Settings, prepare: Path) -> Rows:
    """Sentences of general test texts with their shuffled twins; none if there are too few to say anything."""
    from pipeline.metrics.bootstrap import FEWEST_ITEMS
    from pipeline.metrics.sampling import fixed_sample
    from pipeline.text.prepared import corpora_of, corpus_rows
    from pipeline.text.sentences import with_twins

    texts = {corpus: corpus_rows(prepare, corpus, ASKED["general"]) for corpus in corpora_of(prepare, "general")}
    found = [item for corpus, rows in texts.items() for item in with_twins(corpus, _sample(settings, rows))]
    enough = len(found) >= FEWEST_ITEMS
    return fixed_sample(found, settings.probe_sentences, settings.seed, by="corpus") if enough else []


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


STAGE = Stage(evaluate, makes=("scores.json", "predictions", "floor", "retention.json", "retention"), version=2)
