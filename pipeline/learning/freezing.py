"""Which layers learn, and how fast: a frozen prefix, and learning rates that fall from the head down.

Layer-wise rates: Howard & Ruder 2018, "Universal Language Model Fine-tuning", section 3.2 (discriminative fine-tuning).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MethodType
from typing import Any

from torch import nn
from transformers import PreTrainedModel, TrainerCallback, TrainerState

from pipeline.common.errors import InputError
from pipeline.learning.options import Training, TuningFreezing

Layers = int | tuple[int, ...]
"""How many are frozen, from the embeddings up; or which alone learn: 0 the embeddings, 1 the first layer, ..."""


def learning(layers: Layers, count: int) -> list[int]:
    """Which of 0 (the embeddings), 1, ..., ``count`` learn, in rising order."""
    return list(range(layers + 1 if layers else 0, count + 1)) if isinstance(layers, int) else sorted({*layers})


def frozen_depth(layers: Layers, count: int) -> int:
    """How many layers below the first that learns are frozen, and the embeddings with them; 0: none."""
    return max(0, min(learning(layers, count), default=count + 1) - 1)


@dataclass(frozen=True)
class FreezingSchedule:
    """How many layers are frozen, from the embeddings up: one depth after the other, each for so many updates."""

    depths: tuple[int, ...]
    """The last one is kept."""
    every: int = 1

    @classmethod
    def of(cls, asked: TuningFreezing, layers: int, epoch: int) -> FreezingSchedule:
        """Of a model with so many layers and so many updates an epoch.

        ``gradual``: the last layer learns first, then one more (Howard & Ruder 2018, section 3.3). ``head_first``: the
        head alone, then all that is to learn (Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and
        Underperform Out-of-Distribution", section 3.4, LP-FT).
        """
        least = frozen_depth(asked.layers, layers)
        above = dict.fromkeys(max(0, place - 1) for place in reversed(learning(asked.layers, layers)))
        depths = {
            "constant": (least,),
            "gradual": tuple(above) or (least,),
            "head_first": (layers, least),
        }
        return cls(depths[asked.schedule], max(1, round(asked.every_epochs * epoch)))

    def depth(self, step: int) -> int:
        """In the update after ``step`` of them."""
        return self.depths[min(step // self.every, len(self.depths) - 1)]

    @property
    def least(self) -> int:
        """What is frozen in all the run: learns never, is in no optimizer group, and its states can be kept."""
        return min(self.depths)

    @property
    def told(self) -> list[list[int]]:
        """[step, layers that are frozen from there on] each."""
        return [[place * self.every, depth] for place, depth in enumerate(self.depths)]

    def callbacks(self, model: Any) -> list[TrainerCallback]:
        """What a training run needs to follow it, if it changes; of a model whose ``least`` layers are frozen."""
        return [Thaw(model, self)] if len(set(self.depths)) > 1 else []


class Thaw(TrainerCallback):
    """Freezes layers as deep as a ``FreezingSchedule`` says, before each update: a pure function of the step."""

    def __init__(self, model: Any, freezing: FreezingSchedule) -> None:
        self.freezing, self.depth = freezing, -1
        bert = model.bert
        parts = [(bert.embeddings, bert.encoder.layer[0]), *((layer,) for layer in bert.encoder.layer[1:])]
        self.parts = [
            (place, module, [weight for weight in module.parameters() if weight.requires_grad])
            for place, modules in enumerate(parts)
            for module in modules
            if not is_held(module)
        ]

    def on_step_begin(self, _args: Any, state: TrainerState, _control: Any, **_: Any) -> None:
        """Let learn what is to learn in the update that begins; AdamW leaves alone what has no gradient."""
        depth = self.freezing.depth(state.global_step)
        if depth == self.depth:
            return
        self.depth = depth
        for place, module, weights in self.parts:
            hold(module)
            if place >= depth:
                for part in module.modules():
                    del part.train
                for weight in weights:
                    weight.requires_grad_(True)


def layer_count(model: PreTrainedModel) -> int:
    """Number of transformer layers of a BERT."""
    return int(model.config.num_hidden_layers)


def freeze(model: PreTrainedModel, layers: Layers, stage: str = "finetune") -> list[str]:
    """Freeze the embeddings and the first ``layers`` layers, or all below the head that is not among them.

    Which layers it pays to tune depends on where two domains differ (Lee et al. 2023, "Surgical Fine-Tuning Improves
    Adaptation to Distribution Shifts", section 2): the first ones where the input looks otherwise.

    Frozen means bit-identical after training: no gradient (so in no optimizer group, where weight decay alone would
    move it), and held in eval mode, so that dropout does not disturb what the prefix computes.

    Returns:
        the names of what does not learn.

    Raises:
        InputError: the model has fewer layers.
    """
    count = layer_count(model)
    if (most := layers if isinstance(layers, int) else max(layers)) > count:
        raise InputError(
            f"{stage}.freezing.layers: {most} of a model with {count} layers; "
            f"give 0 to {count}, {count} trains the head alone"
        )
    for place, module in enumerate([model.bert.embeddings, *model.bert.encoder.layer]):
        if place not in learning(layers, count):
            hold(module)
    return [name for name, parameter in model.named_parameters() if not parameter.requires_grad]


def freeze_for_adaptation(
    model: PreTrainedModel, layers: int, new_rows: int | None, *, embeddings: bool = False
) -> None:
    """Freeze as ``freeze`` does, but let the embedding rows from ``new_rows`` on learn; None: there are none.

    The rows before keep a gradient of zero, and Adam without decay leaves those to the bit as they are
    (``parameter_groups`` gives embeddings that are frozen in part no decay).

    Args:
        embeddings: freeze them though no layer is frozen.
    """
    freeze(model, layers, "pretrain")
    if not layers and not embeddings:
        return
    hold(model.bert.embeddings)
    if new_rows is None:
        return
    rows: Any = model.get_input_embeddings().weight
    rows.requires_grad_(True)
    rows.frozen_rows = new_rows

    def keep(weight: Any) -> None:
        weight.grad[:new_rows] = 0.0

    rows.register_post_accumulate_grad_hook(keep)


def hold(module: nn.Module) -> None:
    """Take a module out of training for good: no gradients, and ``train()`` leaves it in eval mode."""
    module.requires_grad_(False)
    module.eval()
    for part in module.modules():
        part.train = MethodType(lambda self, _mode=True: self, part)  # type: ignore[method-assign]


def is_held(module: nn.Module) -> bool:
    """Whether ``hold`` has taken it out."""
    return "train" in vars(module)


def set_dropout(model: nn.Module, probability: float | None) -> None:
    """Train with another dropout than the model's config says, if any; the config, and so what is saved, stays."""
    for module in model.modules():
        if isinstance(module, nn.Dropout) and probability is not None:
            module.p = probability


def depth(name: str, layers: int) -> int:
    """Distance of a parameter from the head: 0 the head (pooler, classifier), 1 the last layer, ... the embeddings."""
    layer = re.search(r"encoder\.layer\.(\d+)\.", name)
    if layer:
        return layers - int(layer[1])
    return layers + 1 if "embeddings." in name and "cls." not in name else 0


def groups_of(model: Any, settings: Training) -> list[dict[str, Any]]:
    """The ``parameter_groups`` that a stage's settings ask for."""
    return parameter_groups(
        model,
        learning_rate=settings.learning_rate,
        head_learning_rate=settings.head_learning_rate,
        layerwise_lr_decay=settings.layerwise_lr_decay,
        weight_decay=settings.regularisation.weight_decay,
    )


def parameter_groups(
    model: PreTrainedModel,
    *,
    learning_rate: float,
    head_learning_rate: float | None = None,
    layerwise_lr_decay: float = 1.0,
    weight_decay: float = 0.0,
) -> list[dict[str, Any]]:
    """Optimizer groups: every trainable parameter in exactly one, no decay on biases and layer norms.

    The last layer learns at ``learning_rate``, each layer below at ``layerwise_lr_decay`` times the rate of the one
    above, the embeddings below the first; the head at ``head_learning_rate`` (default: like the last layer).
    Each group carries its parameter ``names`` for logs and tests.
    """
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    trainable = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    for name, parameter in trainable:
        below = depth(name, layer_count(model))
        rate = learning_rate * layerwise_lr_decay ** max(0, below - 1)
        if below == 0 and head_learning_rate is not None:
            rate = head_learning_rate
        undecayed = name.endswith("bias") or "LayerNorm" in name or hasattr(parameter, "frozen_rows")
        decay = 0.0 if undecayed else weight_decay
        group = groups.setdefault((rate, decay), {"params": [], "names": [], "lr": rate, "weight_decay": decay})
        group["params"].append(parameter)
        group["names"].append(name)
    placed = [id(parameter) for group in groups.values() for parameter in group["params"]]
    assert sorted(placed) == sorted(id(parameter) for _, parameter in trainable), "each parameter in exactly one group"
    return list(groups.values())
