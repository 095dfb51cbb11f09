"""A base model from nothing: random weights, and a vocabulary trained on the spot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import BertConfig, BertTokenizerFast

from pipeline.common.errors import InputError
from pipeline.models.masked_lm import MaskedLM

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ALPHABET = 400
"""The most frequent characters; with more, rare scripts eat the vocabulary."""


def train_wordpiece(
    texts: Iterable[str], vocab_size: int, max_length: int, *, lowercase: bool = True
) -> BertTokenizerFast:
    """BERT's tokenizer, uncased or cased, over a WordPiece vocabulary of ``texts`` (Wu et al. 2016, section 4.1).

    The same texts give the same vocabulary. Left to itself the trainer numbers the pieces it starts from in the order
    of a hash map, anew in each process, and breaks ties between merges by those numbers.
    """
    texts = list(texts)
    wordpiece = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    wordpiece.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    wordpiece.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    seen = Counter(character for text in texts for character in wordpiece.normalizer.normalize_str(text))
    usual = sorted((-count, character) for character, count in seen.items() if not character.isspace())
    alphabet = sorted({*map(chr, range(0x21, 0x7F)), *(character for _, character in usual[:ALPHABET])})

    def train(size: int, first: list[str]) -> dict[str, int]:
        trainer = trainers.WordPieceTrainer(
            vocab_size=size,
            special_tokens=first,
            initial_alphabet=alphabet,
            limit_alphabet=len(alphabet),
            show_progress=False,
        )
        wordpiece.train_from_iterator(texts, trainer)
        return dict(wordpiece.get_vocab())

    inside = sorted(piece for piece in train(0, SPECIAL_TOKENS) if piece.startswith("##"))
    found = train(vocab_size, [*SPECIAL_TOKENS, *inside])
    ordered = sorted(found, key=lambda piece: found[piece])
    vocabulary = {piece: place for place, piece in enumerate(ordered)}
    return BertTokenizerFast(vocab=vocabulary, do_lower_case=lowercase, model_max_length=max_length)


def from_scratch(
    texts: Iterable[str],
    *,
    vocab_size: int,
    num_hidden_layers: int,
    hidden_size: int,
    num_attention_heads: int,
    seed: int,
    max_position_embeddings: int = 512,
) -> tuple[MaskedLM, BertTokenizerFast]:
    """A BERT of random weights, and its tokenizer with a vocabulary trained on the spot.

    Raises:
        InputError: no text to train a vocabulary on, or a shape that does not divide.
    """
    if hidden_size % num_attention_heads:
        raise InputError(
            f"source.hidden_size: {hidden_size} is no multiple of num_attention_heads {num_attention_heads}; change one"
        )
    texts = list(texts)
    if not texts:
        raise InputError("source.model: scratch needs a corpus with role general; add one under prepare.corpora")
    tokenizer = train_wordpiece(texts, vocab_size, max_position_embeddings)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        num_hidden_layers=num_hidden_layers,
        num_attention_heads=num_attention_heads,
        intermediate_size=4 * hidden_size,
        max_position_embeddings=max_position_embeddings,
        pad_token_id=tokenizer.pad_token_id,
    )
    return MaskedLM(config), tokenizer
