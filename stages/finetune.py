"""Fine-tune the adapted encoder on reviews: early layers frozen, low learning rate, the best epoch kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field

from pipeline.cards import need
from pipeline.errors import InputError
from pipeline.files import remove, write_jsonl
from pipeline.stage import Stage, StageSettings, speed_only

DIGITS = 6
"""Decimals kept of probabilities."""
Rows = list[dict[str, Any]]


class Settings(StageSettings):
    """How to tune without forgetting."""

    method: Literal["full", "lora"] = Field(
        "full", description="all weights above the frozen ones, or LoRA adapters there"
    )
    frozen_layers: int = Field(2, ge=0, le=48, description="layers frozen from the embeddings up; 0 freezes nothing")
    learning_rate: float = Field(
        2e-5, gt=0, le=0.1, description="peak rate of the last layer (of the adapters with lora)"
    )
    head_learning_rate: float | None = Field(1e-3, gt=0, le=0.1, description="of pooler and classifier; null: the same")
    layerwise_lr_decay: float = Field(0.9, gt=0, le=1, description="each layer's rate as a share of the one above")
    weight_decay: float = Field(0.01, ge=0, le=1, description="AdamW's, not on biases and layer norms")
    dropout: float | None = Field(None, ge=0, lt=1, description="in all trained layers and the head; null: the model's")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the target spread over all classes")
    class_weights: bool = Field(True, description="weigh rare classes up, so that each counts the same")
    num_train_epochs: int = Field(8, ge=1, le=1000, description="passes over the reviews at most")
    patience: int | None = Field(
        3, ge=1, description="epochs without a better dev macro-recall before it stops; null: never"
    )
    batch_size: int = Field(32, ge=1, le=4096, description="texts per update")
    tokens_per_batch: int = Field(4096, ge=64, description="and no more tokens than this, padding counted")
    gradient_accumulation_steps: int = Field(1, ge=1, description="batches per update")
    warmup_ratio: float = Field(0.1, ge=0, lt=1, description="share of the steps in which the rate rises")
    max_length: int = Field(128, ge=8, le=512, description="tokens of a text that are read")
    emoji_augmentation: float = Field(
        0.0, ge=0, le=1, description="share of emoji-free training texts given one, each epoch"
    )
    emoji_noise: float = Field(0.3, ge=0, le=1, description="share of those emoji drawn without looking at the class")
    lora_rank: int = Field(8, ge=1, le=256, description="lora: rank of the update")
    lora_alpha: int = Field(16, ge=1, description="lora: its scale, alpha / rank")
    lora_dropout: float = Field(0.05, ge=0, lt=1, description="lora: dropout before the adapters")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="bf16 where the machine computes it natively"
    )
    prefix_states: Literal["float32", "float16", "recomputed"] = Field(
        "float32", description="how the frozen layers' states are kept, computed once a text; recomputed: in each batch"
    )
    prefix_memory_megabytes: int = speed_only(
        1024, ge=0, description="memory for those states; beyond it they are read from the store's cache on disk"
    )
    checkpoint_seconds: float = speed_only(60.0, gt=0, description="time between checkpoints")


def finetune(settings: Settings, *, seed: int, prepare: Path, pretrain: Path, cache: Path, out: Path) -> None:
    """Write ``model/`` (loads in plain transformers), ``adapter/`` with lora, ``history.jsonl``, ``finetune.json``.

    With cross-validation ``model/`` is tuned with fold 0 held out, and ``folds/<n>.jsonl`` holds what models tuned with
    each other fold held out say of it: ``{"id", "probabilities", "plain": of the raw text}``.
    """
    from pipeline.modeling import lora, models, training
    from pipeline.text import prepared

    start = pretrain / "model"
    folds = max((prepared.folds_of(prepare, corpus) for corpus in prepared.corpora_of(prepare, "reviews")), default=1)
    for fold in range(1, folds):
        _test_fold(settings, start, prepare, seed, fold, cache, out)
    tuned = _tuned(settings, start, prepare, seed, 0, cache, out / "checkpoints" / "0")
    model = tuned.model
    if settings.method == "lora":
        model = lora.merge(tuned.model, tuned.vocabulary, out / "adapter")
    tuned.vocabulary.model_max_length = settings.max_length  # a plain pipeline then cuts texts where training did
    models.save(model, tuned.vocabulary, out / "model", emoji=tuned.mode)
    (out / "finetune.json").write_text(json.dumps(tuned.story, indent=2) + "\n", encoding="utf-8")
    training.write_history(tuned.history, out / "history.jsonl")


class _Tuned(NamedTuple):
    """A tuned classifier (under its adapters with lora), how it reads texts, and what is told of the tuning."""

    model: Any
    vocabulary: Any
    mode: str
    story: dict[str, Any]
    history: list[dict[str, float]]


def _tuned(settings: Settings, start: Path, prepare: Path, seed: int, fold: int, cache: Path, folder: Path) -> _Tuned:
    """Tune the model in ``start`` with a fold held out."""
    from transformers import set_seed

    from pipeline.modeling import layers, models

    set_seed(seed)  # the new head's weights
    model = models.load_classifier(start)
    vocabulary, mode = models.load_tokenizer(start), models.emoji_mode(start)
    pooler = "random" if any("pooler" in name for name in model.missing) else "carried"
    frozen = layers.freeze_prefix(model, settings.frozen_layers)
    if settings.dropout is not None:
        layers.set_dropout(model, settings.dropout)
    trained = model if settings.method == "full" else _with_adapters(settings, model, models.emoji_rows(start))
    train, dev = (_rows(prepare, split, fold) for split in ("train", "dev"))
    outcome, history, told = _tune(settings, trained, vocabulary, mode, (train, dev), seed, cache, folder)
    trainable = sum(weight.numel() for weight in trained.parameters() if weight.requires_grad)
    story = {
        "method": settings.method,
        "pooler": pooler,
        "trainable_parameters": trainable,
        "frozen_parameters": sum(weight.numel() for weight in trained.parameters()) - trainable,
        "frozen": frozen,
        **told,
        "steps": outcome.steps,
        "stopped": outcome.stopped,
        "best_step": outcome.best_step,
        "dev_macro_recall": outcome.best,
    }
    return _Tuned(trained, vocabulary, mode, story, history)


def _rows(prepare: Path, split: str, fold: int) -> Rows:
    """The reviews of a split when a fold is held out.

    Raises:
        InputError: there are none.
    """
    from pipeline.text import prepared

    rows = prepared.rows(prepare, role="reviews", split=split, fold=fold)
    if not rows:
        raise InputError("finetune: no reviews to train on; add a corpus with role reviews under prepare.corpora")
    return rows


def _test_fold(settings: Settings, start: Path, prepare: Path, seed: int, fold: int, cache: Path, out: Path) -> None:
    """Tune with a fold held out and write what the model says of it, unless an interrupted run has done so."""
    from pipeline.modeling import scoring
    from pipeline.text import emojis, prepared

    path, folder = out / "folds" / f"{fold}.jsonl", out / "checkpoints" / str(fold)
    if path.exists():
        return
    tuned = _tuned(settings, start, prepare, seed, fold, cache, folder)
    folded = [corpus for corpus in prepared.corpora_of(prepare, "reviews") if prepared.folds_of(prepare, corpus) > 1]
    rows = [row for corpus in folded for row in prepared.corpus_rows(prepare, corpus, "test", fold)]
    found = scoring.class_probabilities(
        tuned.model,
        tuned.vocabulary,
        [emojis.as_model_reads(row["text"], tuned.mode) for row in rows] + [row["raw"] for row in rows],
        tokens_per_batch=settings.tokens_per_batch,
        max_length=settings.max_length,
    ).round(DIGITS)
    told = zip(rows, found[: len(rows)].tolist(), found[len(rows) :].tolist(), strict=True)
    write_jsonl(path, ({"id": row["id"], "probabilities": read, "plain": raw} for row, read, raw in told))
    remove(folder)


def _with_adapters(settings: Settings, model: Any, new_rows: list[int]) -> Any:
    """The model under LoRA on the layers that are not frozen."""
    from pipeline.modeling import lora

    return lora.wrap(
        model,
        rank=settings.lora_rank,
        alpha=settings.lora_alpha,
        dropout=settings.lora_dropout,
        frozen_layers=settings.frozen_layers,
        new_rows=new_rows,
    )


def _tune(
    settings: Settings,
    model: Any,
    vocabulary: Any,
    mode: str,
    sides: tuple[Rows, Rows],
    seed: int,
    cache: Path,
    folder: Path,
) -> tuple[Any, list[dict[str, float]], dict[str, Any]]:
    """Train in place; return the outcome, the history with epochs, what augmentation drew from, what was kept."""
    from pipeline.modeling import finetuning, layers, training

    labels, asked_labels = ([row["label"] for row in rows] for rows in sides)
    epochs, asked, emoji = _ids(settings, sides, vocabulary, mode, seed)
    feed, megabytes = _feed(settings, model, vocabulary.pad_token_id, [*epochs, asked], cache)
    budget = {"batch_size": settings.batch_size, "tokens_per_batch": settings.tokens_per_batch}
    plan = finetuning.plan(epochs, labels, feed, seed=seed, **budget)
    schedule = _schedule(settings, len(plan), seed)
    weights = finetuning.class_weights(labels) if settings.class_weights else None
    rates = {"learning_rate", "head_learning_rate", "layerwise_lr_decay", "weight_decay"}
    outcome, history = training.train(
        model,
        plan,
        schedule,
        groups=layers.parameter_groups(model, **settings.model_dump(include=rates)),
        figures=_dev_figures(settings, asked, asked_labels, feed),
        loss=finetuning.weighted_loss(weights, settings.label_smoothing),
        folder=folder,
    )

    def epoch(step: float) -> float:
        return round(float(step) / int(schedule.eval_steps), 2)

    told = {"emoji_in_training": emoji, "prefix_states_megabytes": megabytes, "best_epoch": epoch(outcome.best_step)}
    return outcome, [{"epoch": epoch(row["step"]), **row} for row in history], told


def _feed(settings: Settings, model: Any, pad_id: int, texts: list[list[list[int]]], cache: Path) -> tuple[Any, float]:
    """What batches are made of, ids or the states after the frozen layers, and the megabytes of those."""
    from functools import partial

    from pipeline.modeling import finetuning, prefix, training

    if settings.prefix_states == "recomputed" or not prefix.is_frozen(model, settings.frozen_layers):
        return partial(finetuning.inputs, pad_id=pad_id), 0.0
    states = prefix.states_of(
        model,
        (ids for some in texts for ids in some),
        layers=settings.frozen_layers,
        dtype=settings.prefix_states,
        bf16=training.use_bf16(settings.precision),
        folder=cache,
        megabytes=settings.prefix_memory_megabytes,
    )
    return states.inputs, round(states.megabytes, 1)


def _ids(
    settings: Settings, sides: tuple[Rows, Rows], vocabulary: Any, mode: str, seed: int
) -> tuple[list[list[list[int]]], list[list[int]], int]:
    """Ids of the training texts in each epoch and of the dev texts, and how many emoji augmentation draws from.

    With augmentation other emoji are drawn in each epoch.
    """
    from pipeline.modeling import finetuning
    from pipeline.text import augmentation, emojis

    train, dev = ([row["text"] for row in rows] for rows in sides)
    labels, passes, epochs = [row["label"] for row in sides[0]], [train], settings.num_train_epochs
    known = augmentation.habits(train, labels) if settings.emoji_augmentation else None
    if known is not None:
        draw = {"share": settings.emoji_augmentation, "noise": settings.emoji_noise}
        seeds = range(seed * 1000, seed * 1000 + epochs)
        passes = [augmentation.augment(train, labels, known, **draw, seed=own) for own in seeds]
    *found, asked = (
        finetuning.encode(vocabulary, [emojis.as_model_reads(text, mode) for text in texts], settings.max_length)
        for texts in [*passes, dev]
    )
    return found * (epochs // len(found)), asked, len(known.emoji) if known is not None else 0


def _schedule(settings: Settings, batches: int, seed: int) -> Any:
    """How the run goes: evaluated about once an epoch, the best dev macro-recall kept."""
    from pipeline.modeling import training

    steps = max(1, batches // settings.gradient_accumulation_steps)
    same = ("warmup_ratio", "patience", "gradient_accumulation_steps")
    return training.Schedule(
        steps=steps,
        eval_steps=max(1, round(steps / settings.num_train_epochs)),
        metric="dev_macro_recall",
        greater_is_better=True,
        seed=seed,
        **settings.model_dump(include={*same, "checkpoint_seconds", "precision"}),
    )


def _dev_figures(settings: Settings, ids: list[list[int]], given: list[int], feed: Any) -> Any:
    """A function model -> dev loss, macro-recall (the one that decides) and accuracy."""
    import numpy as np

    from pipeline.metrics import classification
    from pipeline.modeling import finetuning

    labels = np.array(given)

    def figures(model: Any) -> dict[str, float]:
        logits = finetuning.dev_logits(model, ids, feed, settings.tokens_per_batch)
        matrix = classification.confusion(labels, logits.argmax(axis=1)).astype(float)
        surprise = np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(labels)), labels]
        return {
            "dev_loss": float(surprise.mean()),
            "dev_macro_recall": float(classification.macro_recall(matrix)),
            "dev_accuracy": float(classification.accuracy(matrix)),
        }

    return figures


def check(settings: Mapping[str, Any]) -> None:
    """Refuse to tune without reviews."""
    need(["reviews"], "finetune learns from reviews", settings["prepare"].corpora, settings["prepare"].data_root)


STAGE = Stage(
    finetune,
    makes=("model", "history.jsonl", "finetune.json"),
    may_make=("adapter",),
    version=2,
    check=check,
    resumes=True,
)
