"""Which language a text is probably in, by script and common words: for shares of many texts, not for one."""

from __future__ import annotations

import unicodedata
from collections import Counter

from pipeline.text.words import words

_SCRIPTS = {
    **{"CJK": "zh", "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "CYRILLIC": "ru", "GREEK": "el"},
    **{"ARABIC": "ar", "HEBREW": "he", "THAI": "th", "DEVANAGARI": "hi", "BENGALI": "bn", "TAMIL": "ta"},
}
"""By the first word of a letter's Unicode name: the language of most speakers who write it."""
_COMMON = {
    "en": """the and is it to of this was for in my but not with that have on are you so very i they we at as be has
        just a no do me if what there can your from got or""",
    "de": """der das und ist nicht ich ein eine zu mit den für es auf aber sehr im sich von wie auch noch nur bin die
        habe nach wird bei""",
    "es": """el la los las de que y en un una es se por con para muy pero lo está su al mi más fue todo bien como del
        nada este""",
    "fr": """le la les de des et est un une je que pas pour dans très il ce en mais ne sur avec au du qui j'ai c'est
        plus bien""",
    "it": """il lo la gli le di che e è un una non per con molto ma mi si sono ho della del questo ben anche più
        tutto""",
    "pt": """o os de que e é um uma não para com muito mas eu se da na foi por mais bom meu está produto veio
        também""",
    "nl": """de het een en niet ik van te op voor maar zeer dit er zijn aan heel goed ook nog erg wel bij is
        mijn""",
}
"""Some of each language's commonest words, as reviews have them."""
_OF = {language: frozenset(listed.split()) for language, listed in _COMMON.items()}
KNOWN = frozenset({*_OF, *_SCRIPTS.values()})
_FEWEST = 2


def language(text: str) -> str | None:
    """The ISO 639-1 code of a text's language, one of ``KNOWN``; None where that is not to be told.

    Script decides where most letters are of one that is not Latin; else the language of which a text has most common
    words, at least two, and more than of any other.
    """
    foreign = [] if text.isascii() else [one for one in text if one > "\u024f" and one.isalpha()]
    if foreign and 2 * len(foreign) > sum(map(str.isalpha, text)):
        if len(foreign) < 2:
            return None
        names = Counter(unicodedata.name(one, "").partition(" ")[0] for one in foreign)
        kana = names["HIRAGANA"] + names["KATAKANA"]
        return "ja" if 5 * kana > len(foreign) else _SCRIPTS.get(names.most_common(1)[0][0])
    found = set(words(text))
    counts = sorted(((len(found & common), name) for name, common in _OF.items()), reverse=True)
    (most, name), (second, _) = counts[:2]
    return name if most >= _FEWEST and most > second else None
