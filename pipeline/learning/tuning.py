"""One tuning: a classifier on top of the adapted encoder, trained on the reviews with a fold held out."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from transformers import set_seed

from pipeline.common.errors import InputError
from pipeline.corpora import prepared
from pipeline.corpora.stored_rows import Rows, StoredRows, columns_of
from pipeline.learning import fisher, freezing, frozen_cache, loop, lora, regularisers, tuning_steps
from pipeline.learning.options import Augmentation, Options
from pipeline.learning.tuning_terms import Terms
from pipeline.measuring import scoring
from pipeline.measuring.statistics.classification import accuracy, confusion, macro_recall
from pipeline.measuring.statistics.sampling import fixed_places
from pipeline.models import batches, loading
from pipeline.models.batches import Ragged
from pipeline.models.reader import Reader
from pipeline.text import augmentation, noise

log = logging.getLogger(__name__)


class Lessons(NamedTuple):
    """What a classifier is taught and judged by: reviews, the training ones each with its weight; None: all alike."""

    train: StoredRows
    dev: StoredRows
    target: StoredRows
    """Dev texts of the target, of which no label is looked at."""
    labels: list[int]
    """Of the training reviews."""
    weights: NDArray[np.float32] | None
    truth: list[list[Any]]
    """Labels and corpora of the dev reviews."""

    @classmethod
    def of(cls, settings: Options, prepare: Path, fold: int) -> Lessons:
        """Those of a run with a fold held out."""
        train, dev = learnt_from(settings, prepare, fold), reviews(prepare, "dev", fold, left_out(settings))
        labels, corpora = columns_of(train, "label", "corpus")
        weights = tuning_steps.row_weights(labels, corpora) if settings.class_weights else None
        target = StoredRows.joined(prepared.corpus_rows(prepare, corpus, "dev", fold) for corpus in settings.target)
        return cls(train, dev, target, labels, weights, columns_of(dev, "label", "corpus"))

    def figures(self, logits: NDArray[np.float64]) -> dict[str, float]:
        """What ``dev_figures`` says of the dev reviews' logits [texts, 3]."""
        return dev_figures(logits, *self.truth)


class Tuned(NamedTuple):
    """A tuned classifier (under its adapters with lora), how it reads texts, what it learnt from, and what is told."""

    model: Any
    reader: Reader
    lessons: Lessons
    summary: dict[str, Any]
    history: list[dict[str, float]]

    def merged(self, folder: Path) -> Any:
        """The classifier alone; adapters are merged into it, and written to the folder."""
        return lora.merge(self.model, self.reader.tokenizer, folder) if self.summary["method"] == "lora" else self.model


def tuned(settings: Options, start: Path, prepare: Path, seed: int, fold: int, cache: Path, folder: Path) -> Tuned:
    """Tune the model in ``start`` with a fold held out."""
    set_seed(seed)  # the new head's weights
    model: Any = loading.load_classifier(start)
    reader, pooler = Reader.of(start, settings.max_length), pooler_of(model)
    kept = "classifier.weight" not in model.missing
    frozen, layers = freezing.freeze(model, settings.freezing.layers), freezing.layer_count(model)
    freezing.set_dropout(model, settings.regularisation.dropout)
    if settings.method == "lora":
        model = lora.wrap(model, settings.lora, settings.freezing.layers, loading.emoji_rows(start))
    lessons = Lessons.of(settings, prepare, fold)
    epochs, dev_ids, emoji_drawn = _ids(settings, lessons.train, lessons.dev, reader, seed)
    terms = Terms.of(settings, model, reader, epochs, prepare, seed, fold, cache)
    with frozen_cache.feed(
        model,
        chain(*dict.fromkeys(epochs), dev_ids, terms.fed),
        settings.frozen_cache,
        layers=freezing.frozen_depth(settings.freezing.layers, layers),
        padding=reader.tokenizer.pad_token_id,
        beside=terms.read,
        bf16=loop.use_bf16(settings.compute.precision),
        folder=cache,
    ) as (feed, megabytes, table):
        plan = tuning_steps.plan(
            epochs,
            lessons.labels,
            feed,
            weights=lessons.weights,
            held=terms.held,
            beside=lambda place: terms.batch(place, len(plan), feed, table),
            batch_size=settings.batch_size,
            tokens_per_batch=settings.tokens_per_batch,
            seed=seed,
        )
        padding = batches.padding_share(np.concatenate([some.lengths for some in epochs]), plan.batches)
        steps = max(1, len(plan) // settings.gradient_accumulation_steps)
        epoch, held_by = max(1, round(steps / settings.num_train_epochs)), settings.regularisation
        thaw = freezing.FreezingSchedule.of(settings.freezing, layers, epoch)
        outcome, history = loop.train(
            model,
            plan,
            loop.Schedule.of(
                settings, steps=steps, eval_steps=epoch, metric="dev_macro_recall", greater_is_better=True, seed=seed
            ),
            groups=freezing.groups_of(model, settings),
            figures=lambda model: lessons.figures(tuning_steps.dev_logits(model, dev_ids, feed)) | terms.figures(),
            objective=terms.objective(model, start),
            penalty=regularisers.penalty_of(
                model,
                held_by,
                steps,
                fisher.of_general_text(model, start, prepare, reader) if held_by.ewc else None,
            ),
            callbacks=thaw.callbacks(model),
            folder=folder,
        )
    told = terms.told(model) | ({"classifier": "carried"} if kept else {})
    summary = {
        "method": settings.method,
        "pooler": pooler,
        **weights_of(model),
        "frozen": frozen,
        "frozen_layers": thaw.told,
        "emoji_in_training": emoji_drawn,
        "frozen_cache_megabytes": megabytes,
        "padding_share": padding,
        "best_epoch": round(outcome.best_step / epoch, 2),
        "steps": outcome.steps,
        "stopped": outcome.stopped,
        "best_step": outcome.best_step,
        "dev_macro_recall": outcome.best,
    } | told
    return Tuned(model, reader, lessons, summary, [{"epoch": round(row["step"] / epoch, 2), **row} for row in history])


def untouched(settings: Options, start: Path, prepare: Path, fold: int) -> Tuned:
    """The model in ``start`` with the classifier it has, nothing learnt: what arms that go on are held against.

    Raises:
        InputError: it has no classifier.
    """
    model: Any = loading.load_classifier(start).requires_grad_(False)
    if "classifier.weight" in model.missing:
        raise InputError("finetune.method: with none the base's own classifier is asked; set source.classifier to kept")
    reader, lessons = Reader.of(start, settings.max_length), Lessons.of(settings, prepare, fold)
    found = scoring.class_probabilities(model, reader.ids(texts(lessons.dev)))
    told = lessons.figures(np.log(np.maximum(found, np.finfo(np.float64).tiny)))
    summary = {
        "method": settings.method,
        "pooler": "carried",
        "classifier": "carried",
        **weights_of(model),
        "steps": 0,
        "best_step": 0,
        "dev_macro_recall": told["dev_macro_recall"],
    }
    return Tuned(model, reader, lessons, summary, [{"epoch": 0.0, "step": 0, **told}])


def pooler_of(model: Any) -> str:
    """Whether the pooler of a classifier just loaded is from its folder, or drawn."""
    return "random" if any("pooler" in name for name in model.missing) else "carried"


def weights_of(model: Any) -> dict[str, int]:
    """How many weights learn, and how many do not."""
    count = {learns: sum(weight.numel() for weight in model.parameters() if weight.requires_grad is learns)
             for learns in (True, False)}  # fmt: skip
    return {"trainable_parameters": count[True], "frozen_parameters": count[False]}


def left_out(settings: Options) -> tuple[str, ...]:
    """The reviews corpora that are only tested: neither learnt from, nor asked which epoch and which blend is best."""
    rehearsal = settings.rehearsal
    return (*settings.target, *(rehearsal.corpora if rehearsal.share == 0 else ()))


def learnt_from(settings: Options, prepare: Path, fold: int) -> StoredRows:
    """The training reviews, or as many as are asked for: the same for all runs, and more of them hold the fewer.

    Of those to be rehearsed as many as make their share beside all others (experience replay: Robins 1995,
    "Catastrophic Forgetting, Rehearsal and Pseudorehearsal").
    """
    rows = reviews(prepare, "train", fold, left_out(settings))
    if settings.rehearsal.corpora and settings.rehearsal.share:
        (corpora,) = columns_of(rows, "corpus")
        from_old = np.isin(corpora, settings.rehearsal.corpora)
        old, new, share = rows.take(from_old), rows.take(~from_old), settings.rehearsal.share
        again = fixed_places(old, round(share / (1 - share) * len(new)), 0, by="label")
        rows = StoredRows.joined((old.take(again), new))
    if settings.train_reviews is None:
        return rows
    return rows.take(fixed_places(rows, settings.train_reviews, 0, by="label"))


def reviews(prepare: Path, split: str, fold: int, target: Collection[str] = ()) -> StoredRows:
    """The reviews of a split when a fold is held out, each with the name of its ``corpus``; the target's are not read.

    Raises:
        InputError: there are none.
    """
    named = [corpus for corpus in prepared.corpora_of(prepare, "reviews") if corpus not in target]
    each = {corpus: prepared.corpus_rows(prepare, corpus, split, fold) for corpus in named}
    rows = StoredRows.joined(found.beside(corpus=corpus) for corpus, found in each.items())
    if not rows and named:
        raise InputError(
            f"finetune: {', '.join(named)}: no row in {split}; all were given as another split or dropped "
            "(see prepare's corpora.json); let a card name files for split train"
        )
    if not rows:
        raise InputError("finetune: no reviews to train on; add a corpus with role reviews under prepare.corpora")
    return rows


def _ids(settings: Options, train: Rows, dev: Rows, reader: Reader, seed: int) -> tuple[list[Ragged], Ragged, int]:
    """Ids of the training texts in each epoch and of the dev texts, and how many emoji augmentation draws from.

    With augmentation other emoji, and other noise, are drawn in each epoch.
    """
    epochs, draw = settings.num_train_epochs, settings.augmentation
    known = augmentation.habits(texts(train), (row["label"] for row in train)) if draw.emoji_share else None
    if draw.emoji_share and known is None:
        log.warning(
            "finetune.augmentation.emoji_share: no training review has an emoji to put on others; none was added"
        )
    passes = [texts(train)]
    if known is not None or draw.noise_share:
        seeds = range(seed * 1000, seed * 1000 + epochs)
        passes = [_augmented(train, known, draw, own) for own in seeds]
    *train_ids, dev_ids = (reader.ids(some) for some in [*passes, texts(dev)])
    return train_ids * (epochs // len(train_ids)), dev_ids, len(known.emoji) if known is not None else 0


def texts(rows: Rows) -> Iterable[str]:
    """Of rows, as they are read."""
    return (row["text"] for row in rows)


def _augmented(train: Rows, known: augmentation.EmojiHabits | None, draw: Augmentation, seed: int) -> Iterable[str]:
    """Training texts as an epoch reads them: noise first, for it leaves emoji alone."""
    read, labels = texts(train), (row["label"] for row in train)
    if draw.noise_share:
        read = noise.noisy(read, draw.noise_kinds, share=draw.noise_share, rate=draw.noise_rate, seed=seed)
    if known is not None:
        read = augmentation.augment(read, labels, known, share=draw.emoji_share, noise=draw.emoji_noise, seed=seed)
    return read


def dev_figures(logits: NDArray[np.float64], labels: ArrayLike, corpora: ArrayLike) -> dict[str, float]:
    """Dev loss, macro-recall (the one that decides) and accuracy of logits [texts, 3], each the mean over corpora."""
    labels, corpora = np.asarray(labels), np.asarray(corpora)
    parts = [corpora == name for name in np.unique(corpora)]
    matrices = np.array([confusion(labels[own], logits[own].argmax(axis=1)) for own in parts], dtype=float)
    surprise = np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(labels)), labels]
    return {
        "dev_loss": float(np.mean([surprise[own].mean() for own in parts])),
        "dev_macro_recall": float(macro_recall(matrices).mean()),
        "dev_accuracy": float(accuracy(matrices).mean()),
    }
