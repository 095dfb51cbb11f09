"""Domain-adaptive pretraining (DAPT): masked language modelling on informal text, with replay of general text.

Gururangan et al. 2020, "Don't Stop Pretraining", sections 3 (DAPT), 4 (the reviews' own texts: TAPT) and 5
(what is near them).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator

from pipeline.common.files import read_json, write_json, write_jsonl
from pipeline.corpora.cards import Role, need
from pipeline.learning.options import (
    AdaptationDistillation,
    Compute,
    EmojiPrediction,
    Freezing,
    Lora,
    Regularisation,
    Selection,
)
from pipeline.machine.stage import Stage, StageSettings

if TYPE_CHECKING:
    from pipeline.corpora.stored_rows import StoredRows
    from pipeline.models.reader import Reader

DEV_PROBABILITY = 0.15
"""Share of tokens hidden in dev text, whatever training hides: else runs could not be held against each other."""


class Settings(StageSettings):
    """How long and how carefully to adapt."""

    num_train_epochs: float = Field(3.0, ge=0, le=1000, description="passes over the informal text; 0: not adapted")
    include_reviews: bool = Field(
        True,
        description="the reviews' training texts too, without their labels (task-adaptive pretraining), but where "
        "folds test them all",
    )
    select: Selection = Selection()
    max_tokens: int | None = Field(None, ge=1, description="stop after this many tokens, whatever the epochs say")
    replay_share: float = Field(
        0.2,
        ge=0,
        le=1,
        description="share of the tokens that is general text, each read once an epoch: no more than there is; 1: all",
    )
    learning_rate: float = Field(1e-4, gt=0, le=0.1, description="peak rate")
    head_learning_rate: float | None = Field(None, gt=0, le=0.1, description="of pooler and MLM head; null: the same")
    emoji_rate_factor: float = Field(5.0, ge=1, le=100, description="new emoji rows learn this many times faster")
    layerwise_lr_decay: float = Field(1.0, gt=0, le=1, description="each layer's rate as a share of the one above")
    warmup_ratio: float = Field(0.06, ge=0, lt=1, description="share of the steps in which the rate rises")
    lr_scheduler_type: Literal["linear", "cosine", "constant_with_warmup"] = Field("linear", description="how it falls")
    mlm_probability: float = Field(0.15, gt=0, lt=1, description="share of tokens hidden")
    whole_words: bool = Field(False, description="hide all pieces of a word together; an emoji is a unit either way")
    method: Literal["full", "lora"] = Field(
        "full", description="all weights above the frozen ones, or LoRA adapters there, which are written as parts, too"
    )
    lora: Lora = Lora(rank=48, alpha=None, dropout=0.0)
    freezing: Freezing = Freezing()
    regularisation: Regularisation = Regularisation()
    distillation: AdaptationDistillation = AdaptationDistillation()
    emoji_prediction: EmojiPrediction = EmojiPrediction()
    max_length: int = Field(128, ge=8, le=512, description="longest window in tokens")
    tokens_per_batch: int = Field(4096, ge=64, description="token budget of a batch")
    gradient_accumulation_steps: int = Field(1, ge=1, description="batches per update")
    evaluations: int = Field(10, ge=1, le=1000, description="how often dev loss is measured in the run, at most")
    patience: int | None = Field(3, ge=1, description="evaluations without better dev loss to stop; null: never")
    dev_windows: int = Field(
        256, ge=8, description="windows of dev texts of each role that are measured, evenly of each corpus"
    )
    compute: Compute = Compute()
    save_dtype: Literal["float32", "float16"] = Field("float32", description="of the weights as written")
    seed: int = Field(0, ge=0, lt=1 << 32, description="of order, masks and dropout")
    every_seed: bool = Field(
        False, description="adapt anew for each of the recipe's seeds, by it; else all share one adaptation"
    )

    renamed: ClassVar[Mapping[str, str]] = {
        "frozen_layers": "freezing.layers", "weight_decay": "regularisation.weight_decay",
        "dropout": "regularisation.dropout", "lora_rank": "lora.rank", "cls_distillation": "distillation.cls",
        "mean_distillation": "distillation.mean", "state_distillation": "distillation.states",
        "whole_share": "distillation.whole_share",
        "precision": "compute.precision", "compile": "compute.compile",
        "checkpoint_seconds": "compute.checkpoint_seconds",
    }  # fmt: skip

    def of_seed(self, seed: int) -> Self:
        """With ``every_seed`` that seed's; what is then made is what the same ``seed`` alone would have made."""
        return self.model_copy(update={"seed": seed, "every_seed": False}) if self.every_seed else self

    @field_validator("every_seed")
    @classmethod
    def _no_seed_of_its_own(cls, every_seed: bool, info: ValidationInfo) -> bool:
        if every_seed and info.data.get("seed"):
            raise ValueError(
                f"with it the recipe's seeds count, and pretrain.seed is {info.data['seed']}; leave one out"
            )
        return every_seed


def pretrain(settings: Settings, *, prepare: Path, tokenizer: Path, out: Path) -> None:
    """Write ``model/`` (adapted), ``history.jsonl`` (losses by step) and ``pretrain.json`` (what was seen).

    With lora also ``parts/``: the head and the adapter, which ``model/`` holds merged, for ``attachments.attach``.
    """
    from pipeline.learning import ranks
    from pipeline.models import loading

    processes = settings.compute.processes if settings.num_train_epochs > 0 else 1
    model, reader, summary, history = ranks.together(processes, _adapted, settings, prepare, tokenizer, out)
    loading.save(model, reader.tokenizer, out / "model", **reader.how, dtype=settings.save_dtype)
    write_json(out / "pretrain.json", summary)
    write_jsonl(out / "history.jsonl", history)


def _adapted(
    settings: Settings, prepare: Path, tokenizer: Path, out: Path
) -> tuple[Any, Reader, dict[str, Any], list[dict[str, float]]]:
    """The adapted model, how it reads texts, and what pretrain.json and history.jsonl say."""
    from pipeline.corpora import prepared
    from pipeline.learning import text_selection
    from pipeline.models import loading
    from pipeline.models.reader import Reader

    start = tokenizer / "model"
    model = loading.load_masked_lm(start)
    reader = Reader.of(start, settings.max_length if settings.num_train_epochs else None)
    history: list[dict[str, float]] = []
    summary: dict[str, Any] = {"method": "none", "tokens_seen": 0, "steps": 0}
    if settings.num_train_epochs > 0:
        informal = prepared.rows(prepare, role="informal", split="train")
        found = len(informal)
        if settings.select.by != "all" and settings.replay_share < 1:
            informal = text_selection.chosen(settings.select, informal, prepare, start, reader, settings.seed)
        windows = _windows(settings, prepare, reader, informal)
        first_row = read_json(tokenizer / "coverage.json")["first_row"]
        summary, history = _adapt(settings, model, reader.tokenizer, windows, first_row, out / "checkpoints")
        if len(informal) < found:
            summary |= {"informal_texts": len(informal), "informal_texts_left_out": found - len(informal)}
    return model, reader, summary, history


def _taught(settings: Settings) -> bool:
    """Whether the model as it was before teaches it anything."""
    return settings.distillation.cls + settings.distillation.mean + settings.distillation.states > 0


def _windows(settings: Settings, prepare: Path, reader: Reader, informal: StoredRows) -> dict[tuple[str, str], Any]:
    """Tokenised windows by role (informal, general) and split: all of train, and what is measured of dev.

    Args:
        informal: the rows to train on.

    Raises:
        InputError: the replay share asks for text of a role that no corpus has.
    """
    from functools import partial

    from pipeline.common.errors import InputError
    from pipeline.learning import adaptation
    from pipeline.text.emoji import demojize

    windows = {}
    for role, wanted in (("informal", settings.replay_share < 1), ("general", settings.replay_share > 0)):
        for split in ("train", "dev"):
            given = (role, split) == ("informal", "train")
            corpora = [informal] if given else _corpora(prepare, role, split)
            if wanted and role == "informal" and settings.include_reviews:
                # With folds each is tested, by one of them.
                reviews = _corpora(prepare, "reviews", split)
                corpora += [rows.where(lambda row: "fold" not in row) for rows in reviews]
            taught = partial(demojize, language=reader.language) if split == "train" and _taught(settings) else None
            parts = [
                adaptation.cut(reader.tokenizer, (reader.text(row["text"]) for row in rows), reader.max_length, taught)
                for rows in corpora
            ]
            windows[role, split] = (
                sum(parts, adaptation.Windows()) if split == "train" else adaptation.evenly(parts, settings.dev_windows)
            )
        if wanted and not len(windows[role, "train"]):
            share = 1 if role == "informal" else 0
            raise InputError(
                f"pretrain.replay_share: {settings.replay_share} needs a corpus with role {role} and there is none; "
                f"add one under prepare.corpora, or set the share to {share}"
            )
    return windows


def _corpora(prepare: Path, role: str, split: str) -> list[StoredRows]:
    """The rows of a split of each corpus with a role."""
    from pipeline.corpora import prepared

    return [prepared.corpus_rows(prepare, corpus, split) for corpus in prepared.corpora_of(prepare, role)]


def _adapt(
    settings: Settings, model: Any, vocabulary: Any, windows: dict[tuple[str, str], Any], first_row: int, folder: Path
) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """Train the model in place; return what pretrain.json and history.jsonl say."""
    from dataclasses import replace

    from transformers import set_seed

    from pipeline.learning import adaptation, callbacks, distillation, emoji_prediction, freezing, loop, lora, ranks
    from pipeline.models import attachments, batches

    informal = windows["informal", "train"] if settings.replay_share < 1 else adaptation.Windows()
    text = informal + windows["general", "train"]
    budget = adaptation.Budget(settings.num_train_epochs, settings.max_tokens, settings.tokens_per_batch)
    order = adaptation.batches_within(
        informal, windows["general", "train"], settings.replay_share, budget, settings.seed
    )
    masking = adaptation.Masking.of(vocabulary, settings.mlm_probability, settings.whole_words, settings.seed)
    dev = {role: windows[role, "dev"] for role in ("informal", "general")}
    deciding = "informal" if len(informal) and len(dev["informal"]) else "general"
    freezing.set_dropout(model, settings.regularisation.dropout)
    new_rows = first_row if len(vocabulary) > first_row else None
    frozen, lesson, terms = settings.freezing.layers, None, []
    if _taught(settings):
        teacher = distillation.Teacher.of(model.bert, vocabulary.pad_token_id, text.taught, frozen)
        lesson = distillation.Lesson(teacher, settings.distillation, first_row)
        terms += lesson.terms
    told, training = settings.emoji_prediction, masking
    if told.weight and new_rows is not None:
        training = replace(masking, first_emoji=first_row, emoji_share=told.share)
        terms.append((told.weight, emoji_prediction.emoji_term(model.cls, first_row)))
    model.bert.pooler.requires_grad_(settings.distillation.cls > 0 or training is not masking)
    freezing.freeze_for_adaptation(model, frozen, new_rows, embeddings=settings.method == "lora")
    wrapped = None
    if settings.method == "lora":
        set_seed(settings.seed)  # of the adapters' weights
        wrapped = lora.inject(model, settings.lora, frozen)
    beside: list[Any] = []
    if new_rows is not None and settings.emoji_rate_factor != 1:
        beside.append(callbacks.RowRates(model.get_input_embeddings(), first_row, settings.emoji_rate_factor))
    steps = max(1, len(order) // settings.gradient_accumulation_steps)
    schedule = loop.Schedule.of(
        settings,
        steps=steps,
        eval_steps=math.ceil(steps / settings.evaluations),
        metric=f"{deciding}_dev_loss",
        greater_is_better=False,
        seed=settings.seed,
        lr_scheduler_type=settings.lr_scheduler_type,
    )
    outcome, history = loop.train(
        model,
        adaptation.plan(text, order, training, lesson),
        schedule,
        groups=freezing.groups_of(model, settings),
        figures=adaptation.dev_losses(dev, replace(masking, probability=DEV_PROBABILITY), settings.tokens_per_batch),
        objective=loop.summed(terms=terms),
        folder=folder,
        callbacks=beside,
    )
    if wrapped is not None:
        if ranks.rank() == 0:
            attachments.detach(wrapped, folder.parent / "parts")
        wrapped.merge_and_unload()
    trained = order[: outcome.steps * settings.gradient_accumulation_steps]
    seen, general = text.lengths[trained.numbers], trained.numbers >= len(informal)
    replayed = float(seen[general].sum() / seen.sum())
    return {
        "method": "dapt" if len(informal) else "general",
        "tokens_seen": int(seen.sum()),
        "replay_share": replayed,
        "steps": outcome.steps,
        "stopped": outcome.stopped,
        "best_step": outcome.best_step,
        f"best_{deciding}_dev_loss": outcome.best,
        "padding_share": batches.padding_share(text.lengths, trained),
        "emoji_rows": len(vocabulary) - first_row,
        "emoji_rows_never_seen": adaptation.rows_never_seen(text, trained, first_row, len(vocabulary)),
    }, history


def check(settings: Mapping[str, Any]) -> None:
    """Refuse to adapt to text that no corpus has, to choose it by a target's labels, and what the base cannot keep."""
    from pipeline.common.errors import InputError
    from pipeline.models.sources import check_numbers

    own, prepare = settings["pretrain"], settings["prepare"]
    if own.num_train_epochs > 0:
        frozen, lora = own.freezing.layers, own.method == "lora"
        check_numbers("pretrain", settings["source"], max_length=own.max_length, frozen=frozen, lora=lora)
    wanted: dict[str, list[Role]] = {}
    if own.num_train_epochs > 0 and own.replay_share < 1:
        share = "pretrain.num_train_epochs above 0 and replay_share below 1 ask for informal text"
        wanted[share] = ["informal", "reviews"] if own.include_reviews else ["informal"]
        if own.select.by != "all":
            wanted["pretrain.select asks what is near the reviews"] = ["reviews"]
            if settings["finetune"].target:
                raise InputError(
                    f"pretrain.select.by: {own.select.by} looks at labels of all reviews, to choose the layer "
                    "that tells what is near, and none of finetune.target may be looked at; set it to all"
                )
    if own.num_train_epochs > 0 and own.replay_share > 0:
        wanted["pretrain.replay_share above 0 asks for general text"] = ["general"]
    for why, roles in wanted.items():
        need(roles, why, prepare.corpora, prepare.data_root)


STAGE = Stage(
    "pretrain",
    pretrain,
    makes=("model", "history.jsonl", "pretrain.json"),
    may_make=("parts",),
    version=10,
    check=check,
    resumes=True,
)
