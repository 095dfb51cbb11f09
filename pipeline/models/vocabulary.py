"""Growing a vocabulary by emoji: which tokens are added, where their rows start, and how much of a text is then read.

The compositional set: one token for every code point that emoji are built of, so that all of them can be spelled with
1,438 rows for BERT's vocabulary, a family by its members, a flag by its two letters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence

import emoji
import torch
from tokenizers import AddedToken, Encoding, Regex, normalizers
from torch import Tensor
from transformers import BertTokenizerFast, PreTrainedTokenizerFast

from pipeline.models.masked_lm import MaskedLM

INVISIBLE = frozenset("\ufe0f\u200d\u20e3")
"""Variation selector, zero-width joiner, keycap: the normaliser strips the first two (adding one alone crashes
tokenizers), and the third only ever follows a character of its own."""
KEYCAP = "\u20e3"
_DRESS = "[\ufe0e\ufe0f\u200d\U000e0020-\U000e007f]"
BIAS_QUANTILE = 0.05
"""New tokens start with the output bias of a rare old token: a bias of 0 would make them the most likely guess."""
LETTERS_LOST = 2
"""An [UNK] whose text holds this many letters has swallowed a word, not only an emoji."""


def compositional_tokens() -> list[str]:
    """Every non-ASCII code point of a fully-qualified emoji, and the twelve keycaps; sorted, the same every time."""
    qualified = (name for name, data in emoji.EMOJI_DATA.items() if data["status"] == emoji.STATUS["fully_qualified"])
    points = {point for name in qualified for point in name if ord(point) > 0xA0}
    visible = {point for point in points if point not in INVISIBLE and not 0xE0000 <= ord(point) <= 0xE007F}
    return [*sorted(visible), *(key + KEYCAP for key in "0123456789#*")]


def without_invisible(tokenizer: BertTokenizerFast) -> BertTokenizerFast:
    """The tokenizer, or one that drops what emoji are joined and dressed by where it would make pieces or [UNK] of it.

    Whoever strips accents strips the selectors, too, of colour (U+FE0F) and of text (U+FE0E, as phones write after ❤);
    cased tokenizers keep them and the joiner, and those with pieces of bytes keep all. ``BertTokenizer`` builds its
    normaliser anew when loaded, so the one that is returned is of the class that keeps it (``AutoTokenizer`` loads
    either).
    """
    backend = tokenizer.backend_tokenizer
    own = [backend.normalizer] if backend.normalizer else []
    if own and not set(own[0].normalize_str("❤\ufe0e\ufe0f\u200d🏴\U000e007f")) - set("❤🏴"):
        return tokenizer
    backend.normalizer = normalizers.Sequence([normalizers.Replace(Regex(_DRESS), ""), *own])
    special = {name: str(token) for name, token in tokenizer.special_tokens_map.items()}
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=tokenizer.model_max_length, **special)


def add_tokens(tokenizer: BertTokenizerFast, tokens: Sequence[str]) -> list[str]:
    """Add the tokens that the vocabulary lacks, in a form that every loading route keeps; return those.

    ``normalized`` finds bare and variation-selected forms alike, but where the normaliser makes plain letters of a sign
    (NFKC: `M` of Ⓜ, `!!` of ‼), for which every such letter would be taken: those are looked for in the raw text. Not
    ``single_word``, so that `great😂` is cut; not ``special``, so that they are masked in training and survive
    ``skip_special_tokens``. One that the vocabulary holds at the beginning of words alone, as it does rare signs, is
    cut off as well, and keeps its id.
    """
    known = tokenizer.get_vocab()
    new = [token for token in tokens if token not in known]
    cut = [token for token in tokens if token not in known or f"##{token}" not in known]
    raw = {token for token in cut if _is_read_as_letters(tokenizer, token)}
    tokenizer.add_tokens(
        [AddedToken(token, normalized=token not in raw, single_word=False, special=False) for token in cut]
    )
    return new


def _is_read_as_letters(tokenizer: BertTokenizerFast, token: str) -> bool:
    """Whether the normaliser makes of a sign what it makes of the letters that Unicode holds it to be written by."""
    letters, normaliser = unicodedata.normalize("NFKC", token), tokenizer.backend_tokenizer.normalizer
    if letters == token or normaliser is None:
        return False
    return bool(normaliser.normalize_str(token) == normaliser.normalize_str(letters))


def grow(model: MaskedLM, tokenizer: BertTokenizerFast, first_row: int, *, mean_resizing: bool = False) -> None:
    """Give the model a row for every token; rows from ``first_row`` on are new, the others stay as they are.

    New rows are random, or with ``mean_resizing``, transformers' default, nearly all the mean of the old ones.
    """
    model.resize_token_embeddings(len(tokenizer), mean_resizing=mean_resizing)
    with torch.no_grad():
        bias = model.cls.predictions.bias
        bias[first_row:] = bias[:first_row].quantile(BIAS_QUANTILE)


def name_rows(
    model: MaskedLM,
    tokenizer: BertTokenizerFast,
    tokens: Mapping[int, str],
    name_of: Callable[[str], str],
    *,
    noise: float,
    seed: int,
) -> None:
    """Start each new row from its name: the mean of the name's word pieces, at the median norm, with a little noise.

    Args:
        tokens: the new tokens by id.
        name_of: the words of an emoji's name (CLDR short name).
        noise: standard deviation of the noise, as a share of a row's root mean square; keeps rows with one name apart.
    """
    generator = torch.Generator().manual_seed(seed)
    first = min(tokens)
    with torch.no_grad():
        rows = model.get_input_embeddings().weight
        typical = rows[:first].norm(dim=1).median()
        for token_id, token in tokens.items():
            pieces = tokenizer(name_of(token), add_special_tokens=False)["input_ids"]
            known = [piece for piece in pieces if piece < first and piece != tokenizer.unk_token_id]
            start = rows[known].mean(dim=0) if known else rows[:first].mean(dim=0)
            jitter = torch.randn(start.shape, generator=generator) * noise * typical / start.numel() ** 0.5
            rows[token_id] = _at_norm(_at_norm(start, typical) + jitter, typical)


def _at_norm(row: Tensor, norm: Tensor) -> Tensor:
    return row * (norm / row.norm().clamp_min(1e-12))


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
    return sum(map(str.isalpha, piece)) >= LETTERS_LOST


def _share(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None
