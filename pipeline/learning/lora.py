"""LoRA: small trained updates beside frozen weights, merged into them at the end.

Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", section 4.1, through the peft library.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peft import LoraConfig
from transformers import BertForSequenceClassification, BertTokenizerFast

from pipeline.common.errors import InputError
from pipeline.learning import freezing
from pipeline.learning.freezing import Layers
from pipeline.learning.options import Lora
from pipeline.models import attachments
from pipeline.models.masked_lm import MaskedLM


def wrap(model: BertForSequenceClassification, options: Lora, layers: Layers, new_rows: Sequence[int]) -> Any:
    """Adapters on query and value of the layers that are to learn; pooler, classifier and new rows train whole."""
    config = _config(
        model,
        options,
        layers,
        task_type="SEQ_CLS",
        target_modules=["query", "value"],
        modules_to_save=["classifier", "pooler"],  # peft adds the classifier alone
        trainable_token_indices={"word_embeddings": list(new_rows)} if new_rows else None,
    )
    return attachments.adapted(model, config)


EVERYWHERE = ("query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense")
"""The linear maps of a BERT layer, as peft matches them: by the end of a module's name."""


def inject(model: MaskedLM, options: Lora, frozen: int) -> Any:
    """Put adapters on every linear map of the layers above the frozen ones, in place; return peft's view of the model.

    They learn, and those layers do not; outside the layers what learned goes on.
    """
    config = _config(model, options, frozen, target_modules=list(EVERYWHERE))
    outside = [weight for name, weight in model.named_parameters() if weight.requires_grad and ".layer." not in name]
    wrapped = attachments.adapted(model, config)
    for weight in outside:
        weight.requires_grad_(True)
    return wrapped


def _config(model: Any, options: Lora, layers: Layers, **rest: Any) -> LoraConfig:
    learning = [place - 1 for place in freezing.learning(layers, model.config.num_hidden_layers) if place]
    if not learning:
        raise InputError(f"freezing.layers: {layers} leaves none of the model's layers for LoRA; give less")
    return LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha or options.rank,
        lora_dropout=options.dropout,
        layers_to_transform=learning,
        **rest,
    )


def merge(wrapped: Any, tokenizer: BertTokenizerFast, folder: Path) -> BertForSequenceClassification:
    """Write the adapter with its tokenizer (peft resizes a base by it), then return the plain model with all merged."""
    wrapped.save_pretrained(str(folder), save_embedding_layers=False)
    attachments.portable(folder)
    tokenizer.save_pretrained(str(folder))
    return wrapped.merge_and_unload()
