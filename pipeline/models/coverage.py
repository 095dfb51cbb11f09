"""How much of what people wrote a tokenizer can see: [UNK], words lost in it, tokens per text."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Encoding
from transformers import BertTokenizerFast

LETTERS_LOST = 2
"""An [UNK] whose text holds this many letters has swallowed a word, not only an emoji."""


def measure(tokenizer: BertTokenizerFast, texts: Sequence[str], has_emoji: Sequence[bool]) -> dict[str, float | None]:
    """Shares over texts (0 to 1, lower is better) and the mean length.

    Returns:
        unk_rate: texts with an [UNK]; unk_rate_emoji_texts: the same among texts with emoji (None without any);
        words_lost_rate: emoji texts in which an [UNK] swallowed letters; tokens_per_text: mean, specials not counted.
    """
    encodings: list[Encoding] = []
    for start in range(0, len(texts), 1000):
        encodings += tokenizer.backend_tokenizer.encode_batch(
            list(texts[start : start + 1000]), add_special_tokens=False
        )
    unknown = [
        _unknown_pieces(encoding, text, tokenizer.unk_token_id) for encoding, text in zip(encodings, texts, strict=True)
    ]
    emoji = [pieces for pieces, has in zip(unknown, has_emoji, strict=True) if has]
    return {
        "unk_rate": _share([bool(pieces) for pieces in unknown]),
        "unk_rate_emoji_texts": _share([bool(pieces) for pieces in emoji]),
        "words_lost_rate": _share([any(map(_holds_word, pieces)) for pieces in emoji]),
        "tokens_per_text": sum(len(encoding.ids) for encoding in encodings) / len(texts) if texts else None,
    }


def _unknown_pieces(encoding: Encoding, text: str, unknown: int) -> list[str]:
    """The stretches of text that became [UNK]."""
    if unknown not in encoding.ids:
        return []
    return [text[slice(*span)] for token, span in zip(encoding.ids, encoding.offsets, strict=True) if token == unknown]


def _holds_word(piece: str) -> bool:
    return sum(letter.isascii() and letter.isalpha() for letter in piece) >= LETTERS_LOST


def _share(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None
