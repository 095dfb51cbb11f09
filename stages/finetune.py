"""Fine-tune the adapted encoder on reviews: low rates, early layers frozen or a retention budget, the best epoch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from pipeline.common.files import remove, write_json, write_jsonl
from pipeline.corpora.cards import need
from pipeline.machine.compute import Compute
from pipeline.machine.stage import Stage, StageSettings, speed_only

if TYPE_CHECKING:
    from pipeline.learning.frontier import Ground


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
    class_weights: bool = Field(True, description="weigh rare classes up, so that within a corpus each counts the same")
    state_distillation: float = Field(
        0.0,
        ge=0,
        le=100,
        description="weight of keeping the last states of all tokens but [CLS] where they were before tuning",
    )
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
    compute: Compute = Field(Compute(), description="how the machine is used")
    prefix_states: Literal["float32", "float16", "recomputed"] = Field(
        "float32", description="how the frozen layers' states are kept, computed once a text; recomputed: in each batch"
    )
    prefix_memory_megabytes: int = speed_only(
        1024, ge=0, description="memory for those states; beyond it they are read from the store's cache on disk"
    )
    prefix_disk_megabytes: int = speed_only(
        8192, ge=0, description="disk that the states of all prefixes may take; the oldest make room"
    )
    frontier_points: int = Field(
        9, ge=0, le=65, description="models from base to tuned, 2 or more, that are scored on dev; 0: leave that out"
    )
    frontier_windows: int = Field(
        48, ge=2, le=10_000, description="windows of general dev text on which their retention is measured"
    )
    retention_budget: float | None = Field(
        None,
        ge=0,
        le=1.5,
        description="take the best of them that keeps this share of general English; null: the tuned",
    )

    @field_validator("frontier_points")
    @classmethod
    def _a_line(cls, points: int) -> int:
        if points == 1:
            raise ValueError("1 point is no line from base to tuned; give 2 or more, or 0 to leave it out")
        return points

    @field_validator("retention_budget")
    @classmethod
    def _has_points(cls, budget: float | None, info: ValidationInfo) -> float | None:
        if budget is not None and info.data.get("frontier_points") == 0:
            raise ValueError(f"{budget:g} chooses among frontier_points, and that is 0; set it to 2 or more, such as 9")
        return budget


def finetune(
    settings: Settings, *, seed: int, prepare: Path, tokenizer: Path, pretrain: Path, cache: Path, out: Path
) -> None:
    """Write ``model/`` (loads in plain transformers), ``adapter/`` with lora, ``history.jsonl``, ``finetune.json``, and
    ``frontier.json``: models between the base and the tuned one (layout: ``pipeline/measuring/frontier/results.py``).
    With a ``retention_budget`` the one chosen there is ``model/``; ``adapter/`` is the tuned one's in any case.

    With cross-validation ``model/`` is tuned with fold 0 held out, and ``folds/<n>.jsonl`` holds what models tuned with
    each other fold held out say of it: ``{"id", "probabilities", "plain": of the raw text}``.
    """
    from pipeline.common import results
    from pipeline.corpora import prepared
    from pipeline.learning import tuning
    from pipeline.learning.frontier import Ground, frontier_of, general_dev
    from pipeline.measuring.frontier.results import Frontier
    from pipeline.models import loading

    ground = Ground(tokenizer, pretrain / "model", general_dev(settings, prepare))
    folds = max((prepared.folds_of(prepare, corpus) for corpus in prepared.corpora_of(prepare, "reviews")), default=1)
    for fold in range(1, folds):
        _test_fold(settings, ground, prepare, seed, fold, cache, out)
    tuned = tuning.tuned(settings, ground.adapted, prepare, seed, 0, cache, out / "checkpoints" / "0")
    model = tuning.merged(settings, tuned, out / "adapter")
    told = frontier_of(settings, model, tuned, tuning.reviews(prepare, "dev", 0), ground)
    vocabulary = tuned.reader.tokenizer
    vocabulary.model_max_length = settings.max_length  # a plain pipeline then cuts texts where training did
    loading.save(model, vocabulary, out / "model", emoji=tuned.reader.emoji)
    chosen = {point["name"]: point["macro_recall"]["value"] for point in told["points"]}
    story = tuned.story | {
        "chosen": told["chosen"],
        "chosen_dev_macro_recall": chosen.get(told["chosen"], tuned.story["dev_macro_recall"]),
    }
    write_json(out / "finetune.json", story)
    results.write(Frontier, out / "frontier.json", told)
    write_jsonl(out / "history.jsonl", tuned.history)


def _test_fold(settings: Settings, ground: Ground, prepare: Path, seed: int, fold: int, cache: Path, out: Path) -> None:
    """Tune with a fold held out and write what the model says of it, unless an interrupted run has done so."""
    from pipeline.corpora import prepared
    from pipeline.learning import tuning
    from pipeline.learning.frontier import take_best
    from pipeline.measuring import scoring

    path, folder = out / "folds" / f"{fold}.jsonl", out / "checkpoints" / str(fold)
    if path.exists():
        return
    tuned = tuning.tuned(settings, ground.adapted, prepare, seed, fold, cache, folder)
    model = tuned.model
    if settings.retention_budget is not None:  # what is tested is what would be taken
        model = tuning.merged(settings, tuned, folder / "adapter")
        take_best(settings, model, tuned, tuning.reviews(prepare, "dev", fold), ground)
    folded = [corpus for corpus in prepared.corpora_of(prepare, "reviews") if prepared.folds_of(prepare, corpus) > 1]
    rows = [row for corpus in folded for row in prepared.corpus_rows(prepare, corpus, "test", fold)]
    told = zip(rows, *(table.tolist() for table in scoring.both_readings(model, tuned.reader, rows)), strict=True)
    write_jsonl(path, ({"id": row["id"], "probabilities": read, "plain": raw} for row, read, raw in told))
    remove(folder)


def check(settings: Mapping[str, Any]) -> None:
    """Refuse to tune without reviews, and to keep a share of general English without any."""
    own, prepare = settings["finetune"], settings["prepare"]
    need(["reviews"], "finetune learns from reviews", prepare.corpora, prepare.data_root)
    if own.retention_budget is not None:
        why = "finetune.retention_budget is measured on general text"
        need(["general"], why, prepare.corpora, prepare.data_root)


STAGE = Stage(
    "finetune",
    finetune,
    makes=("model", "history.jsonl", "finetune.json", "frontier.json"),
    may_make=("adapter", "folds"),
    version=10,
    check=check,
    resumes=True,
)
