"""Normalisation: what a tokenizer cannot carry is made plain, and every emoji stays.

``repair`` undoes damage (mojibake, HTML entities, escapes, control characters) and suits any text. ``normalise`` also
folds what is particular to posts and reviews: names, links and elongations. Both give the same again when repeated.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from html.entities import html5

import emoji
import ftfy

_FTFY = ftfy.TextFixerConfig(unescape_html=False, explain=False)
"""Entities are decoded here: ftfy leaves a text alone that holds a ``<``, and posts are full of ``<3``."""

_WIKITEXT = re.compile(r" @([-,.])@ ")
_ESCAPES = re.compile(r"(?:\\u[0-9a-fA-F]{4}|\\U00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4})+")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_SURROGATES = re.compile("[\ud800-\udfff]")
_TERMINAL = re.compile("\x1b(?:\\[[0-9;?]*[a-zA-Z]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\))")
"""Commands to a terminal: colours, window titles."""
# Control characters, and invisible ones that cut words apart or turn the direction of text. ZWJ, ZWNJ and variation
# selectors stay: emoji and scripts are made with them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)

# What stands before an emoji selector in some emoji. Elsewhere the selector is debris of an emoji that was cut out.
_BASES = "".join(sorted({entry[at - 1] for entry in emoji.EMOJI_DATA for at, c in enumerate(entry) if c == "\ufe0f"}))
_LOOSE_SELECTOR = re.compile(f"(?<![{re.escape(_BASES)}])\ufe0f+")
_LOOSE_JOINER = re.compile(r"(?:(?<!\S)[\u200c\u200d]+|[\u200c\u200d]+(?!\S))")

# A keycap emoji begins with a plain digit, # or *: the lookahead keeps a mask from eating it.
_LINK = re.compile(
    r"(?i)\b(?:https?://|www\.)(?:[a-z0-9\-._~:/?#\[\]@!$&'()*+,;=%](?!\ufe0f?\u20e3))*"
    r"[a-z0-9\-_~/#@$&*+=%](?!\ufe0f?\u20e3)"
)
_NAME = re.compile(r"(?<![\w@])@(?!\d+(?:[ap]m)?\b)(?:[A-Za-z0-9_](?!\ufe0f?\u20e3))+")
_ELONGATED = re.compile(r"([^\W\d_ℹ]|[!?.])\1{3,}")


def repair(text: str) -> str:
    """Undo damage and nothing else: literal ``\\u2019`` escapes, HTML entities (doubled too), mojibake (ftfy), control
    and invisible characters, emoji selectors left behind by a lost emoji, white space. Quotes become straight.
    """
    return _until_stable(text, _repair_once)


def normalise(text: str) -> str:
    """``repair``, and then as posts are usually fed to a model: @names become ``@user``, links ``http``.

    A letter or ``! ? .`` repeated more than three times is written three times: ``sooooo`` and ``soooooooo`` become one
    word that is still not ``so``. Digits and emoji are never folded.
    """
    return _until_stable(text, lambda part: _fold_once(_repair_once(part)))


def rejoin(text: str) -> str:
    """Undo WikiText's tokenising inside words and numbers: ``state @-@ of @-@ the @-@ art``, ``1 @,@ 000``."""
    return _WIKITEXT.sub(r"\1", text)


def _until_stable(text: str, step: Callable[[str], str]) -> str:
    while (changed := step(text)) != text:
        text = changed
    return text


def _repair_once(text: str) -> str:
    text = _ESCAPES.sub(_unescape, text) if "\\" in text else text
    text = _ENTITY.sub(_entity, text) if "&" in text else text
    text = _TERMINAL.sub("", text) if "\x1b" in text else text
    if not text.isascii():
        text = _SURROGATES.sub("", ftfy.fix_text(text, _FTFY))
    text = _LOOSE_SELECTOR.sub("", _INVISIBLE.sub("", text))
    return " ".join(_LOOSE_JOINER.sub("", text).split())


def _fold_once(text: str) -> str:
    text = _LINK.sub("http", text)
    text = _NAME.sub("@user", text)
    return _ELONGATED.sub(lambda match: match[1] * 3, text)


def _unescape(match: re.Match[str]) -> str:
    """Decode escapes through UTF-16, so that a surrogate pair becomes its one character and half a pair nothing."""
    units = re.findall(r"\\u(.{4})|\\U(.{8})", match[0])
    text = "".join(chr(int(short or long, 16)) for short, long in units)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")


def _entity(match: re.Match[str]) -> str:
    entity = match[0]
    return unescape(entity) if entity[1] == "#" or entity[1:] in html5 else entity
