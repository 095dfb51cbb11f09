"""How much of what people wrote a tokenizer can see: [UNK], words lost in it, tokens per text."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import BertTokenizerFast

LETTERS_LOST = 2
"""An [UNK] whose text holds this many letters in a row has swallowed a word, not only an emoji."""


def measure(tokenizer: BertTokenizerFast, texts: Sequence[str], has_emoji: Sequence[bool]) -> dict[str, float | None]:
    """Shares over texts (0 to 1, lower is better) and the mean length.

    Returns:
        unk_rate: texts with an [UNK]; unk_rate_emoji_texts: the same among texts with emoji (None without any);
        words_lost_rate: emoji texts in which an [UNK] swallowed letters; tokens_per_text: mean, without [CLS] and [SEP].
    """
    unknown = [_unknown_pieces(tokenizer, text) for text in texts]
    emoji = [pieces for pieces, has in zip(unknown, has_emoji, strict=True) if has]
    lengths = [len(ids) for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]] if texts else []
    return {
        "unk_rate": _share([bool(pieces) for pieces in unknown]),
        "unk_rate_emoji_texts": _share([bool(pieces) for pieces in emoji]),
        "words_lost_rate": _share([any(map(_holds_word, pieces)) for pieces in emoji]),
        "tokens_per_text": sum(lengths) / len(lengths) if lengths else None,
    }


def _unknown_pieces(tokenizer: BertTokenizerFast, text: str) -> list[str]:
    """The stretches of text that became [UNK]."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    pairs = zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
    return [text[start:end] for token, (start, end) in pairs if token == tokenizer.unk_token_id]


def _holds_word(piece: str) -> bool:
    return sum(letter.isascii() and letter.isalpha() for letter in piece) >= LETTERS_LOST


def _share(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None
