"""Toys: a real WordPiece trained on the spot and a two-layer BERT made from a config. Offline, made in a second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

SENTENCES = [
    "The cat sat on the mat while the rain fell over the old town.",
    "A glacier forms where more snow falls each winter than melts each summer.",
    "good food and great service, we loved the place",
    "bad food, rude staff and terrible service, never again",
    "it is a bucket. it holds water.",
    "the delivery was late and the box was broken",
    "best phone i ever had, battery lasts for days",
    "meh, it works, nothing special about it at all",
]
OTHER_LANGUAGES = [
    "Schöne Wohnung in der Straße, sehr gemütlich und für den Preis nicht schlecht",
    "Très bonne façade élégante, mais le garçon était désagréable et ça m'a déçu",
    "Очень хороший чай, ёлка пахнет лесом, но доставка была плохой и поздней",
    "好吃的餐厅，服务很差，我们等了很久",
]
KINDS = {"uncased": SENTENCES, "cased": SENTENCES + OTHER_LANGUAGES[:1], "multilingual": SENTENCES + OTHER_LANGUAGES}
"""Of tokenizers, and what their vocabulary is trained on; all but the first keep capitals and accents."""


def toy_tokenizer(vocabulary_size: int = 400, kind: str = "uncased", more: Sequence[str] = ()):  # type: ignore[no-untyped-def]
    """BERT's fast tokenizer over a WordPiece vocabulary trained on SENTENCES, or those of a kind, and more texts."""
    from pipeline.learning.scratch import train_wordpiece

    return train_wordpiece([*KINDS[kind], *more], vocabulary_size, 128, lowercase=kind == "uncased")


def toy_config(vocabulary_size: int, **changes: object):  # type: ignore[no-untyped-def]
    """A BERT of two layers and 32 dimensions."""
    from transformers import BertConfig

    shape: dict[str, object] = {
        "vocab_size": vocabulary_size,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 128,
    }
    return BertConfig(**(shape | changes))


def write_toy_model(
    folder: Path, *, seed: int = 0, kind: str = "uncased", more: Sequence[str] = (), **changes: object
) -> Path:
    """Write a random toy BertForMaskedLM with its tokenizer, as any base model folder looks; return the folder."""
    import torch
    from transformers import BertForMaskedLM

    tokenizer = toy_tokenizer(kind=kind, more=more)
    torch.manual_seed(seed)
    model = BertForMaskedLM(toy_config(len(tokenizer), **changes))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
