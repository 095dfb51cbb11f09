"""LoRA: small trained updates beside frozen weights, merged into them at the end.

Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", section 4.1, through the peft library.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import save_file
from transformers import BertForSequenceClassification, BertTokenizerFast

from pipeline.modeling.mlm import MaskedLM


def wrap(
    model: BertForSequenceClassification,
    *,
    rank: int,
    alpha: int,
    dropout: float,
    frozen_layers: int,
    new_rows: Sequence[int],
) -> Any:
    """Adapters on query and value of the layers above the frozen ones; pooler, classifier and new rows train whole."""
    config = LoraConfig(
        task_type="SEQ_CLS",
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=["query", "value"],
        modules_to_save=["classifier", "pooler"],  # peft adds the classifier alone
        layers_to_transform=list(range(frozen_layers, model.config.num_hidden_layers)),
        trainable_token_indices={"word_embeddings": list(new_rows)} if new_rows else None,
    )
    return get_peft_model(model, config)


EVERYWHERE = ("query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense")
"""The linear maps of a BERT layer, as peft matches them: by the end of a module's name."""


def inject(model: MaskedLM, *, rank: int, frozen_layers: int) -> None:
    """Put adapters on every linear map of the layers above the frozen ones, in place.

    They learn, and those layers do not; outside the layers what learned goes on.
    """
    config = LoraConfig(
        r=rank,
        lora_alpha=rank,
        target_modules=list(EVERYWHERE),
        layers_to_transform=list(range(frozen_layers, model.config.num_hidden_layers)),
    )
    outside = [weight for name, weight in model.named_parameters() if weight.requires_grad and ".layer." not in name]
    inject_adapter_in_model(config, model)
    for weight in outside:
        weight.requires_grad_(True)


def extract(model: MaskedLM, folder: Path, dtype: str) -> None:
    """Write the injected adapters as peft does, then merge them into the model and take them out of it, in place."""
    state = {f"base_model.model.{name}": weight for name, weight in get_peft_model_state_dict(model).items()}
    folder.mkdir(parents=True, exist_ok=True)
    kept = {name: weight.detach().to(getattr(torch, dtype)).contiguous() for name, weight in sorted(state.items())}
    save_file(kept, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    model.peft_config["default"].save_pretrained(str(folder))
    for name, module in list(model.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge(safe_merge=True)
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, module.get_base_layer())
    del model.peft_config


def merge(wrapped: Any, tokenizer: BertTokenizerFast, folder: Path) -> BertForSequenceClassification:
    """Write the adapter with its tokenizer (peft resizes a base by it), then return the plain model with all merged."""
    wrapped.save_pretrained(str(folder), save_embedding_layers=False)
    tokenizer.save_pretrained(str(folder))
    return wrapped.merge_and_unload()
