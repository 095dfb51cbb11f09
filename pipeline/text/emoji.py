"""Emoji in text: find them, name them, write them out as words.

What counts as an emoji is ``emoji.EMOJI_DATA`` (Unicode's own list with every sequence: skin tones, families, flags,
keycaps), less the three signs that are typography unless an emoji selector follows: © ® ™.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

import emoji

TYPOGRAPHY = frozenset("©®™")

_FIRSTS = {entry[0] for entry in emoji.EMOJI_DATA} - set("0123456789#*") | {"\u20e3"}
"""Every emoji holds one of these characters; a quick look spares most texts the slow search."""
_STRETCH = re.compile(r"[0-9#*]?[^\x00-\x7f]+")
"""Where emoji can be: all of their characters but the first of a keycap lie beyond ASCII."""


def emoji_list(text: str) -> list[str]:
    """The emoji of a text in order, each as its key in ``emoji.EMOJI_DATA``."""
    return [one for one in every_emoji(text) if one not in TYPOGRAPHY]


def every_emoji(text: str) -> list[str]:
    """``emoji_list``, with those that are typography."""
    if text.isascii() or _FIRSTS.isdisjoint(text):
        return []
    return [match["emoji"] for part in _STRETCH.findall(text) for match in emoji.emoji_list(part)]


def has_emoji(text: str) -> bool:
    """Whether a text holds at least one emoji."""
    return bool(emoji_list(text))


def named_in(languages: Iterable[str]) -> str:
    """The first of some languages, as codes, that emoji have names in; English, if none is."""
    return next((name for code in languages if (name := code.partition("-")[0]) in emoji.LANGUAGES), "en")


def name_words(character: str, language: str = "en") -> str:
    """The emoji's CLDR short name as plain words: 😂 is ``face with tears of joy``, in German ``gesicht mit ...``.

    Forms without their selector (❤, 1⃣) have the name of the full form; a part that is no emoji alone, such as a
    letter of a flag, has Unicode's name.
    """
    emoji.config.load_language(language)
    for form in (character, character + "\ufe0f", character.replace("\u20e3", "\ufe0f\u20e3")):
        if form in emoji.EMOJI_DATA:
            names = emoji.EMOJI_DATA[form]
            return str(names.get(language, names["en"])).strip(":").replace("_", " ")
    return unicodedata.name(character[0], "symbol").lower()


def demojize(text: str, language: str = "en") -> str:
    """Every emoji written out as the words of its name, set off by spaces: ``great😂`` is ``great face with ...``."""
    if _FIRSTS.isdisjoint(text):
        return text

    def words(character: str, _: object) -> str:
        return character if character in TYPOGRAPHY else f" {name_words(character, language)} "

    return " ".join(emoji.replace_emoji(text, replace=words).split())
