"""What trainings ask to be told: groups of settings, which the stages have among theirs."""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from pipeline.common.errors import InputError
from pipeline.common.extras import need
from pipeline.common.settings import Group, speed_only

Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, le=100)]
Depth = Annotated[int, Field(ge=0, le=48)]
Dropout = Annotated[float, Field(ge=0, lt=1)]


Tracker = Literal["tensorboard", "trackio", "wandb", "mlflow"]


def installed(trackers: tuple[Tracker, ...]) -> tuple[Tracker, ...]:
    """The trackers. Raises ValueError for one that is not installed."""
    for name in trackers:
        try:
            need(name, name, instead="leave it out")
        except InputError as error:
            raise ValueError(str(error)) from None
    return trackers


Trackers = Annotated[tuple[Tracker, ...], AfterValidator(installed)]


class Compute(Group):
    """How the machine is used."""

    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto", description="bf16 where the machine computes it natively"
    )
    compile: bool = Field(
        default=False, description="torch.compile in training, for a GPU: a minute at first, and it rounds otherwise"
    )
    processes: int = Field(
        default=1, ge=1, le=1024, description="that share a training, each a part of every batch; they round otherwise"
    )
    checkpoint_seconds: float = speed_only(60.0, gt=0, description="time between checkpoints")
    report_to: Trackers = speed_only((), description="trackers that follow the training: tensorboard, trackio, ...")


class Freezing(Group):
    """What does not learn."""

    layers: Depth = Field(default=0, description="frozen from the embeddings up, new emoji rows apart; 0: none")


class TuningFreezing(Group):
    """What does not learn, or not yet."""

    layers: Depth | Annotated[tuple[Depth, ...], Field(min_length=1)] = Field(
        default=0,
        description="as in adaptation; or a list: 0 the embeddings, 1 the first layer, ... that alone learn below the "
        "head (surgical)",
    )
    schedule: Literal["constant", "gradual", "head_first"] = Field(
        default="constant", description="gradual: the last layer first, then one more; head_first: the head alone first"
    )
    every_epochs: float = Field(default=1.0, gt=0, le=1000, description="epochs until more layers learn")


class Regularisation(Group):
    """What holds weights back."""

    weight_decay: Share = Field(default=0.01, description="AdamW's, not on biases and layer norms")
    dropout: Dropout | None = Field(default=None, description="in all that learns; null: as the model says")


class TuningRegularisation(Regularisation):
    """And a classifier."""

    label_smoothing: Dropout = Field(default=0.0, description="share of the target spread over all classes")
    l2_sp: Weight = Field(default=0.0, description="weight of the squared way from where tuning starts, head apart")
    ewc: Weight = Field(
        default=0.0, description="the same, each weight by how much masked language modelling of general text minds it"
    )
    anneal: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="share of the updates at which l2_sp and ewc have fallen to half, by a sigmoid (RecAdam); null: "
        "they stay",
    )
    mixout: Dropout = Field(
        default=0.0, description="share of the layers' weights put back to where tuning starts, drawn for each batch"
    )

    @field_validator("anneal")
    @classmethod
    def _has_what_falls(cls, anneal: float | None, info: ValidationInfo) -> float | None:
        if anneal is not None and not (info.data.get("l2_sp") or info.data.get("ewc")):
            raise ValueError("neither l2_sp nor ewc is above 0: nothing falls; set one, such as l2_sp to 0.1")
        return anneal


class Distillation(Group):
    """What the model as it was before teaches."""

    states: Weight = Field(
        default=0.0, description="weight of keeping the tokens' last states, [CLS] apart, where they were before"
    )


class AdaptationDistillation(Group):
    """The same, where tokens are hidden."""

    cls: Weight = Field(default=0.0, description="weight of matching the pooled [CLS] to the tokens' mean as it was")
    mean: Weight = Field(default=0.0, description="weight of keeping the mean of the tokens where it was before")
    states: Weight = Field(
        default=0.0, description="weight of keeping all layers' states of whole texts, no token hidden, as they were"
    )
    whole_share: float = Field(
        default=0.4, ge=0, le=0.9, description="for states: share of a batch's texts left whole, none with new emoji"
    )


class Selection(Group):
    """Which informal texts are read, beside the reviews' own."""

    by: Literal["all", "nearest", "random"] = Field(
        default="all",
        description="nearest: those that the model finds near some training text of the reviews; random: as many, "
        "drawn by pretrain.seed",
    )
    neighbours: int = Field(default=1, ge=1, le=1000, description="of each training text of the reviews")


class EmojiPrediction(Group):
    """What is felt about a text, told by the emoji its writer gave it."""

    weight: Weight = Field(
        default=0.0, description="of guessing a text's new emoji at the pooled [CLS], where they are all hidden"
    )
    share: Share = Field(default=0.5, description="share of the texts with new emoji in which all are hidden for it")


class Replay(Group):
    """Text without labels, read beside the reviews, its windows in turn."""

    states: Weight = Field(default=0.0, description="weight of keeping its tokens' last states where they were before")
    mlm: Weight = Field(default=0.0, description="weight of masked language modelling on it, the head as it was")
    text: Literal["general", "informal", "target"] = Field(
        default="general", description="the role of the corpora it is of; target: the training texts of finetune.target"
    )
    windows: int = Field(default=512, ge=1, le=100_000, description="how much of it")
    windows_per_batch: int = Field(default=4, ge=1, le=1024, description="of them beside each batch of reviews")


class Rehearsal(Group):
    """Reviews that the model was tuned on before, of which a share is learnt again beside new ones."""

    corpora: tuple[str, ...] = Field(
        default=(), description="reviews corpora of before; the test texts of all tell what was forgotten"
    )
    share: float = Field(
        default=0.3,
        ge=0,
        le=0.9,
        description="share of the training texts that is theirs, as far as they go, evenly of each class; 0: none is, "
        "and their dev texts choose nothing",
    )


class Contrast(Group):
    """Texts of a class drawn together."""

    weight: Weight = Field(default=0.0, description="of the supervised contrastive loss, of what the pooler makes")
    temperature: float = Field(default=0.3, gt=0, le=10, description="of its softmax: the lower, the harder")


class DomainAdversary(Group):
    """Features by which the target's texts and the source's cannot be told apart."""

    weight: Weight = Field(
        default=0.0, description="of the reversed gradient of a domain classifier at its full strength (DANN)"
    )


class Augmentation(Group):
    """Texts that are changed in each epoch."""

    emoji_share: Share = Field(default=0.0, description="share of emoji-free training texts given one")
    emoji_noise: Share = Field(default=0.3, description="share of those emoji drawn without looking at the class")
    noise_share: Share = Field(default=0.0, description="share of training texts given informal noise, of any class")
    noise_rate: Share = Field(default=0.1, description="share of their words that each kind of noise changes")
    noise_kinds: tuple[Literal["slang", "dropped", "typos", "elongated", "lower_case"], ...] = Field(
        default=("slang", "dropped", "typos", "elongated"),
        min_length=1,
        description="slang for plain words, a letter dropped, a neighbouring key, a vowel three times; lower_case: the "
        "whole text, which an uncased model does not see",
    )


class Lora(Group):
    """Adapters, where the method is lora."""

    rank: int = Field(default=8, ge=1, le=256, description="rank of the update")
    alpha: int | None = Field(default=16, ge=1, description="the update's scale is alpha / rank; null: 1")
    dropout: Dropout = Field(default=0.05, description="before the adapters")


class FrozenCache(Group):
    """States of frozen layers, computed once a text."""

    dtype: Literal["float32", "float16"] | None = Field(
        default="float32", description="how the states are kept; null: computed in each batch instead"
    )
    memory_megabytes: int = speed_only(1024, ge=0, description="memory for them; beyond it the store's cache is read")
    disk_megabytes: int = speed_only(8192, ge=0, description="disk for those of all runs; the oldest make room")


class FrontierOptions(Group):
    """Models from base to tuned, and the choice among them."""

    points: int = Field(
        default=17,
        ge=0,
        le=65,
        description="models from base to tuned, evenly; five, with a budget more beside the best, are scored; 0: none",
    )
    windows: int = Field(
        default=200, ge=2, le=10_000, description="windows of general dev text, of as many documents as there are"
    )
    budget: float | None = Field(
        default=None,
        ge=0,
        le=1.5,
        description="take the best that keeps this share of general English, as a lower bound; null: the tuned",
    )

    @field_validator("points")
    @classmethod
    def _a_line(cls, points: int) -> int:
        if points == 1:
            raise ValueError("1 point is no line from base to tuned; give 2 or more, or 0 to leave it out")
        return points

    @field_validator("budget")
    @classmethod
    def _has_points(cls, budget: float | None, info: ValidationInfo) -> float | None:
        if budget is not None and info.data.get("points") == 0:
            raise ValueError(f"{budget:g} chooses among points, and there are 0; set them to 2 or more, such as 17")
        return budget


class Training(Protocol):
    """How fast and how carefully; of ``pretrain`` and ``finetune`` alike."""

    learning_rate: float
    head_learning_rate: float | None
    layerwise_lr_decay: float
    warmup_ratio: float
    patience: int | None
    gradient_accumulation_steps: int
    compute: Compute

    @property
    def regularisation(self) -> Regularisation:
        """What holds weights back."""


class Options(Group):
    """How to tune without forgetting: the settings of ``finetune``."""

    method: Literal["full", "lora", "features", "none"] = Field(
        "full",
        description="all weights above the frozen ones, or adapters there; features: none, a logistic head on [CLS]; "
        "none: nothing learns, the classifier that source keeps is asked as it is",
    )
    freezing: TuningFreezing = TuningFreezing(layers=2)
    learning_rate: float = Field(2e-5, gt=0, le=0.1, description="peak rate of the last layer, or of adapters")
    head_learning_rate: float | None = Field(1e-3, gt=0, le=0.1, description="of pooler and classifier; null: the same")
    layerwise_lr_decay: float = Field(0.9, gt=0, le=1, description="each layer's rate as a share of the one above")
    num_train_epochs: int = Field(8, ge=1, le=1000, description="passes over the reviews at most")
    patience: int | None = Field(3, ge=1, description="epochs without better dev macro-recall to stop; null: never")
    batch_size: int = Field(32, ge=1, le=4096, description="texts per update")
    tokens_per_batch: int = Field(4096, ge=64, description="and no more tokens than this, padding counted")
    gradient_accumulation_steps: int = Field(1, ge=1, description="batches per update")
    warmup_ratio: float = Field(0.1, ge=0, lt=1, description="share of the steps in which the rate rises")
    max_length: int = Field(128, ge=8, le=512, description="tokens of a text that are read")
    train_reviews: int | None = Field(
        None, ge=30, description="labelled training texts that are learnt from at most, evenly of each class; null: all"
    )
    target: tuple[str, ...] = Field(
        (),
        description="reviews corpora whose labels are not looked at, in training or in choosing; their test texts are "
        "scored all the same",
    )
    class_weights: bool = Field(True, description="weigh rare classes up, so that within a corpus each counts the same")
    regularisation: TuningRegularisation = TuningRegularisation()
    distillation: Distillation = Distillation()
    replay: Replay = Replay()
    rehearsal: Rehearsal = Rehearsal()
    contrast: Contrast = Contrast()
    domain_adversary: DomainAdversary = DomainAdversary()
    augmentation: Augmentation = Augmentation()
    lora: Lora = Lora()
    frontier: FrontierOptions = FrontierOptions()
    frozen_cache: FrozenCache = FrozenCache()
    compute: Compute = Compute()
