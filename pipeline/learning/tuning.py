"""One tuning: a classifier on top of the adapted encoder, trained on the reviews with a fold held out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from transformers import set_seed

from pipeline.common.errors import InputError
from pipeline.corpora import prepared
from pipeline.corpora.prepared import Rows
from pipeline.learning import embedding_subset, freezing, frozen_cache, loop, lora, tuning_steps
from pipeline.learning.options import Options
from pipeline.learning.tuning_steps import Ids
from pipeline.measuring.statistics.classification import accuracy, confusion, macro_recall
from pipeline.models import batches, loading
from pipeline.text import augmentation, emoji


class Tuned(NamedTuple):
    """A tuned classifier (under its adapters with lora), how it reads texts, and what is told of the tuning."""

    model: Any
    vocabulary: Any
    mode: str
    story: dict[str, Any]
    history: list[dict[str, float]]


def tuned(settings: Options, start: Path, prepare: Path, seed: int, fold: int, cache: Path, folder: Path) -> Tuned:
    """Tune the model in ``start`` with a fold held out."""
    set_seed(seed)  # the new head's weights
    model = loading.load_classifier(start)
    vocabulary, mode = loading.load_tokenizer(start), loading.emoji_mode(start)
    pooler = "random" if any("pooler" in name for name in model.missing) else "carried"
    frozen = freezing.freeze_prefix(model, settings.frozen_layers)
    if settings.dropout is not None:
        freezing.set_dropout(model, settings.dropout)
    trained = model if settings.method == "full" else _with_adapters(settings, model, loading.emoji_rows(start))
    train, dev = (reviews(prepare, split, fold) for split in ("train", "dev"))
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
    return Tuned(trained, vocabulary, mode, story, history)


def reviews(prepare: Path, split: str, fold: int) -> Rows:
    """The reviews of a split when a fold is held out, each with the name of its ``corpus``.

    Raises:
        InputError: there are none.
    """
    rows = [
        row | {"corpus": corpus}
        for corpus in prepared.corpora_of(prepare, "reviews")
        for row in prepared.corpus_rows(prepare, corpus, split, fold)
    ]
    if not rows:
        raise InputError("finetune: no reviews to train on; add a corpus with role reviews under prepare.corpora")
    return rows


def merged(settings: Options, tuned: Tuned, folder: Path) -> Any:
    """The tuned classifier alone; adapters are merged into it, and written to the folder."""
    return lora.merge(tuned.model, tuned.vocabulary, folder) if settings.method == "lora" else tuned.model


def _with_adapters(settings: Options, model: Any, new_rows: list[int]) -> Any:
    """The model under LoRA on the layers that are not frozen."""
    return lora.wrap(
        model,
        rank=settings.lora_rank,
        alpha=settings.lora_alpha,
        dropout=settings.lora_dropout,
        frozen_layers=settings.frozen_layers,
        new_rows=new_rows,
    )


def _tune(
    settings: Options,
    model: Any,
    vocabulary: Any,
    mode: str,
    sides: tuple[Rows, Rows],
    seed: int,
    cache: Path,
    folder: Path,
) -> tuple[Any, list[dict[str, float]], dict[str, Any]]:
    """Train in place; return the outcome, the history with epochs, what augmentation drew from, what was kept."""
    labels = [row["label"] for row in sides[0]]
    epochs, asked, emoji = _ids(settings, sides, vocabulary, mode, seed)
    budget = {"batch_size": settings.batch_size, "tokens_per_batch": settings.tokens_per_batch}
    weights = tuning_steps.row_weights(labels, [row["corpus"] for row in sides[0]]) if settings.class_weights else None
    rates = {"learning_rate", "head_learning_rate", "layerwise_lr_decay", "weight_decay"}
    with _feed(settings, model, vocabulary.pad_token_id, [*epochs, asked], cache) as (feed, megabytes):
        plan = tuning_steps.plan(epochs, labels, feed, weights=weights, seed=seed, **budget)
        schedule = _schedule(settings, len(plan), seed)
        outcome, history = loop.train(
            model,
            plan,
            schedule,
            groups=freezing.parameter_groups(model, **settings.model_dump(include=rates)),
            figures=_dev_figures(asked, sides[1], feed),
            loss=tuning_steps.weighted_loss(settings.label_smoothing),
            folder=folder,
        )

    def epoch(step: float) -> float:
        return round(float(step) / int(schedule.eval_steps), 2)

    told = {
        "emoji_in_training": emoji,
        "prefix_states_megabytes": megabytes,
        "padding_share": batches.padding_share([len(ids) for texts in epochs for ids in texts], plan.batches),
        "best_epoch": epoch(outcome.best_step),
    }
    return outcome, [{"epoch": epoch(row["step"]), **row} for row in history], told


@contextmanager
def _feed(settings: Options, model: Any, pad_id: int, texts: list[Ids], cache: Path) -> Iterator[tuple[Any, float]]:
    """What batches are made of, ids or the states after the frozen layers, and the megabytes of those."""
    every = [ids for some in texts for ids in some]
    if settings.prefix_states == "recomputed" or not frozen_cache.is_frozen(model, settings.frozen_layers):
        with embedding_subset.alone(model, every) as table:
            yield partial(tuning_steps.inputs, pad_id=pad_id, table=table), 0.0
        return
    states = frozen_cache.states_of(
        model,
        every,
        layers=settings.frozen_layers,
        dtype=settings.prefix_states,
        bf16=loop.use_bf16(settings.compute.precision),
        folder=cache,
        megabytes=settings.prefix_memory_megabytes,
        disk=settings.prefix_disk_megabytes,
    )
    yield states.inputs, round(states.megabytes, 1)


def _ids(
    settings: Options, sides: tuple[Rows, Rows], vocabulary: Any, mode: str, seed: int
) -> tuple[list[Ids], Ids, int]:
    """Ids of the training texts in each epoch and of the dev texts, and how many emoji augmentation draws from.

    With augmentation other emoji are drawn in each epoch.
    """
    train, dev = ([row["text"] for row in rows] for rows in sides)
    labels, passes, epochs = [row["label"] for row in sides[0]], [train], settings.num_train_epochs
    known = augmentation.habits(train, labels) if settings.emoji_augmentation else None
    if known is not None:
        draw = {"share": settings.emoji_augmentation, "noise": settings.emoji_noise}
        seeds = range(seed * 1000, seed * 1000 + epochs)
        passes = [augmentation.augment(train, labels, known, **draw, seed=own) for own in seeds]
    *found, asked = (
        tuning_steps.encode(vocabulary, [emoji.as_model_reads(text, mode) for text in texts], settings.max_length)
        for texts in [*passes, dev]
    )
    return found * (epochs // len(found)), asked, len(known.emoji) if known is not None else 0


def _schedule(settings: Options, batches: int, seed: int) -> Any:
    """How the run goes: evaluated about once an epoch, the best dev macro-recall kept."""
    steps = max(1, batches // settings.gradient_accumulation_steps)
    same = ("warmup_ratio", "patience", "gradient_accumulation_steps")
    return loop.Schedule(
        steps=steps,
        eval_steps=max(1, round(steps / settings.num_train_epochs)),
        metric="dev_macro_recall",
        greater_is_better=True,
        seed=seed,
        **settings.model_dump(include={*same}),
        **settings.compute.model_dump(),
    )


def _dev_figures(ids: Ids, dev: Rows, feed: Any) -> Any:
    """A function model -> dev loss, macro-recall (the one that decides) and accuracy, each the mean over corpora."""
    labels, corpora = (np.array([row[column] for row in dev]) for column in ("label", "corpus"))
    parts = [corpora == name for name in np.unique(corpora)]

    def figures(model: Any) -> dict[str, float]:
        logits = tuning_steps.dev_logits(model, ids, feed)
        matrices = np.array([confusion(labels[own], logits[own].argmax(axis=1)) for own in parts], dtype=float)
        surprise = np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(labels)), labels]
        return {
            "dev_loss": float(np.mean([surprise[own].mean() for own in parts])),
            "dev_macro_recall": float(macro_recall(matrices).mean()),
            "dev_accuracy": float(accuracy(matrices).mean()),
        }

    return figures
