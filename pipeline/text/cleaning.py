"""Normalisation: what a tokenizer cannot carry is made plain, and every emoji stays.

``repair`` undoes damage (mojibake, HTML, escapes, control characters) and suits any text. ``normalise`` also folds what
is particular to posts and reviews: names, links and elongations. Both give the same again when repeated, in a time that
grows with the text's length and nothing else. ``cleaned`` tells, too, what was mended. Each rule has a name, by which
it can be left out (``RULES``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from functools import partial
from html import unescape
from html.entities import html5

import emoji
import ftfy

from pipeline.text.emoji import every_emoji
from pipeline.text.kaomoji import without_kaomoji

_FTFY = ftfy.TextFixerConfig(unescape_html=False, explain=False)
"""Entities are decoded here: ftfy leaves a text alone that holds a ``<``, and posts are full of ``<3``."""

_WIKITEXT = re.compile(r" @([-,.])@ ")
# What stands for & or \ in front of itself is taken in one go, however often it is nested.
_UNIT = r"\\(?:u005[cC]|U0000005[cC])*(?:u([0-9a-fA-F]{4})|U(00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4}))"
_ESCAPES = re.compile(f"(?:{_UNIT})+")
_R_ESCAPE = re.compile("<U\\+(10[0-9a-fA-F]{4}|[0-9a-fA-F]{4,5}|000[0-9a-fA-F]{5})>")
_BYTES = re.compile(r"""b(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")""", re.DOTALL)
_BYTE = re.compile(r"\\x([0-9a-fA-F]{2})|\\(.)", re.DOTALL)
_LINE_BREAK = re.compile(r"(?:(?<!\\)\\++[nr])+")
_PATH = re.compile(r"\\\\|(?:.*?\W)?[A-Za-z]:\\")
_ENTITY = re.compile(
    r"&(?:(?:amp|#0{0,4}38|#[xX]0{0,3}26);)*(#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});"
)
_HALVES = re.compile(r"(?:&#(?:5[5-7]\d{3}|[xX][dD][89a-fA-F][0-9a-fA-F]{2});)+")
_TAG = re.compile(
    r"(?i)</?(?:a|b|br|div|em|font|h[1-6]|i|img|li|ol|p|span|strong|table|td|tr|u|ul)(?:\s+[\w-]+=[^<>]*)?\s*/?>"
)
_SHORTCODE = re.compile(r"(?<!\w):(?!\d+:)[\w+&.’()!-]{2,64}:(?!\w)")
_STARS = re.compile("[★☆]{2,}")
_STYLED = re.compile("[\U0001d400-\U0001d7ff]+")
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
_LOOSE_JOINER = re.compile(r"(?<!\S)[\u200c\u200d]+|(?<![\u200c\u200d])[\u200c\u200d]+(?!\S)")
_CHAIN = re.compile(r"(?:[^\s\u200c\u200d]{1,3}[\u200c\u200d]++){12,}")
"""More joined than any emoji or word has."""

_WITH_BLANKS = ((0xAA, 0xE00), (0x10A0, 0x1100), (0x1200, 0x1780), (0x1E00, 0x2000))
"""Where Unicode has scripts that put blanks between words: not Thai, Khmer or Chinese, where a name or link would
swallow what follows it, nor Korean, which hangs particles on it."""
_LETTERS = "".join(
    one for first, end in _WITH_BLANKS for one in map(chr, range(first, end)) if unicodedata.category(one)[0] in "LM"
)
"""Letters beyond ASCII that names and links are written with, and their marks."""
# A keycap emoji begins with a plain digit, # or *: the lookahead keeps a mask from eating it.
_LINK = re.compile(
    rf"(?i)\b(?:https?://|www\.)(?:[a-z0-9\-._~:/?#\[\]@!$&'()*+,;=%{_LETTERS}](?!\ufe0f?\u20e3))*"
    rf"[a-z0-9\-_~/#@$&*+=%{_LETTERS}](?!\ufe0f?\u20e3)"
)
# Neither a time nor a face: @5pm, @ω@.
_NAME = re.compile(rf"(?<![\w@])@(?!\d+(?:[ap]m)?\b|[^\x00-\x7f]@)(?:[A-Za-z0-9_{_LETTERS}](?!\ufe0f?\u20e3))+")
_ELONGATED = re.compile(r"([^\W\d_ℹ]|[!?.])\1{3,}")
MASK = re.compile(r"@user|\bhttp\b")
"""What ``normalise`` makes of names and links."""


def repair(text: str) -> str:
    """Undo damage and nothing else: literal ``\\u2019`` and ``b'\\xf0'``, HTML tags and entities (doubled too),
    mojibake (ftfy), control and invisible characters, emoji selectors left behind by a lost emoji, white space. Quotes
    become straight, and what people write for emoji (``:joy:``, ``★★★★☆``, faces of letters) becomes one, or words.
    """
    return cleaned(text, short=False)[0]


def normalise(text: str, without: Collection[str] = ()) -> str:
    """``repair``, and then as posts are usually fed to a model: @names become ``@user``, links ``http``.

    A letter or ``! ? .`` repeated more than three times is written three times: ``sooooo`` and ``soooooooo`` become one
    word that is still not ``so``. Digits and emoji are never folded.
    """
    return cleaned(text, short=True, without=without)[0]


def cleaned(text: str, *, short: bool, without: Collection[str] = ()) -> tuple[str, set[str]]:
    """A text as ``normalise`` (of ``short`` ones) or ``repair`` leave it, and the kinds of damage that were mended.

    Where damage lies in damage for more than a few passes, somebody meant harm: the signs it is made of are taken out.

    Args:
        without: names of ``RULES`` that are left out.
    """
    mended: set[str] = set()
    rules, passes, before = (*_RULES, *_OF_POSTS) if short else _RULES, 0, None
    if without:
        plain = partial(_plain, config=_FTFY._replace(fix_encoding="mojibake" not in without))
        rules = tuple((name, plain if rule is _plain else rule) for name, rule in rules if name not in without)
    while text != before:
        before = text
        text = text.replace("&", " ").replace("\\", " ") if passes == _DEEPEST else text
        passes += 1
        for kind, rule in rules:
            if (changed := rule(text)) != text:
                text = changed
                mended.add(kind)
    return text, mended - _NO_DAMAGE


_DEEPEST = 8


def unknown(text: str, *, latin: bool = True) -> set[str]:
    """Kinds of what is left in a cleaned text that few BERTs read: custom shortcodes, symbols, other scripts.

    Args:
        latin: whether letters of scripts that are not Latin are among it.
    """
    odd = {character for character in set(text) if character > "\u024f"}
    odd -= set("".join(every_emoji(text))) if odd else set()
    kinds = {unicodedata.category(one) for one in odd if not unicodedata.name(one, "").startswith("LATIN")}
    found = {
        "symbols": bool(kinds & {"So", "Co", "Cn"}),
        "letters of other scripts": latin and bool(kinds & {"Lo", "Lu", "Ll"}),
        "shortcodes": ":" in text and _SHORTCODE.search(text) is not None,
    }
    return {kind for kind, there in found.items() if there}


def without_masks(text: str, *, by: str) -> str:
    """A normalised text without the masks of names and links; ``by`` stands in their place."""
    return MASK.sub(by, text) if "@user" in text or "http" in text else text


def rejoin(text: str) -> str:
    """Undo WikiText's tokenising inside words and numbers: ``state @-@ of @-@ the @-@ art``, ``1 @,@ 000``."""
    return _WIKITEXT.sub(r"\1", text)


def _written_bytes(text: str) -> str:
    """A text that is the repr of bytes, such as a careless script saves, if they are UTF-8."""
    found = _BYTES.fullmatch(text.strip()) if "\\x" in text else None
    if found is None:
        return text
    inner = found[1] if found[1] is not None else found[2]
    plain = _BYTE.sub(lambda match: chr(int(match[1], 16)) if match[1] else match[0 if match[2] in "nrt" else 2], inner)
    try:
        return plain.encode("latin-1").decode()
    except UnicodeError:
        return text


def _line_breaks(text: str) -> str:
    r"""Literal ``\n`` and ``\r`` as blanks, but in a path (``C:\new``, ``\\host\new``)."""
    if "\\" not in text:
        return text
    return " ".join(word if _PATH.match(word) else _LINE_BREAK.sub(" ", word) for word in text.split(" "))


def _shortcode(match: re.Match[str]) -> str:
    return str(emoji.emojize(match[0], language="alias"))


def _rated(text: str) -> str:
    """Stars as words where they are a rating: five of them, full and hollow, or the only ones in a text."""
    if "★" not in text:
        return text
    runs = _STARS.findall(text)

    def words(match: re.Match[str]) -> str:
        full, every = match[0].count("★"), len(match[0])
        rating = full and (every == 5 or (every < 5 and len(runs) == 1))
        return f" {full} star{'s' * (full > 1)} " if rating else match[0]

    return _STARS.sub(words, text)


def _unstyled(text: str) -> str:
    return text if text.isascii() else _STYLED.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)


def _mojibake(text: str) -> str:
    return ftfy.fix_text(text, _FTFY) if not text.isascii() and ftfy.is_bad(text) else text


def _plain(text: str, config: ftfy.TextFixerConfig = _FTFY) -> str:
    """Quotes, widths and ligatures, what cannot be seen, white space: what is no damage of one kind or another."""
    if text.isascii():
        return " ".join((text if text.isprintable() else _INVISIBLE.sub("", text)).split())
    text = _SURROGATES.sub("", ftfy.fix_text(text, config))
    text = _LOOSE_SELECTOR.sub("", _INVISIBLE.sub("", text))
    text = _CHAIN.sub(lambda match: re.sub("[\u200c\u200d]", "", match[0]), text) if "\u200d" in text else text
    return " ".join(_LOOSE_JOINER.sub("", text).split())


def _linked(text: str) -> str:
    return _LINK.sub("http", text) if "//" in text or "www." in text.lower() else text


def _folded(text: str) -> str:
    longer = any(4 * sign in text for sign in set(text))
    return _ELONGATED.sub(lambda match: match[1] * 3, text) if longer else text


def _unescape(match: re.Match[str]) -> str:
    """Decode escapes through UTF-16, so that a surrogate pair becomes its one character and half a pair nothing."""
    return _from_units(int(short or long, 16) for short, long in re.findall(_UNIT, match[0]))


def _from_units(units: Iterable[int]) -> str:
    text = "".join(map(chr, units))
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")


def _halves(match: re.Match[str]) -> str:
    found = re.findall(r"&#(?:[xX]([0-9a-fA-F]+)|(\d+));", match[0])
    units = [int(hexadecimal, 16) if hexadecimal else int(decimal) for hexadecimal, decimal in found]
    return _from_units(units) if all(0xD800 <= unit <= 0xDFFF for unit in units) else match[0]


def _entity(match: re.Match[str]) -> str:
    entity = f"&{match[1]};"
    return unescape(entity) if entity[1] == "#" or entity[1:] in html5 else entity


def _where(sign: str, pattern: re.Pattern[str], by: str | Callable[[re.Match[str]], str], text: str) -> str:
    """What a pattern finds replaced, in texts that hold a sign of it."""
    return pattern.sub(by, text) if sign in text else text


_RULES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("bytes written out", _written_bytes),
    ("escapes", partial(_where, "\\", _ESCAPES, _unescape)),
    ("escapes", partial(_where, "<U+", _R_ESCAPE, lambda match: _from_units([int(match[1], 16)]))),
    ("HTML entities", partial(_where, "&#", _HALVES, _halves)),
    ("HTML entities", partial(_where, "&", _ENTITY, _entity)),
    ("HTML tags", partial(_where, "<", _TAG, " ")),
    ("terminal commands", partial(_where, "\x1b", _TERMINAL, "")),
    ("shortcodes", partial(_where, ":", _SHORTCODE, _shortcode)),
    ("kaomoji", without_kaomoji),
    ("rows of stars", _rated),
    ("styled letters", _unstyled),
    ("mojibake", _mojibake),
    ("quotes and spaces", _plain),
)
"""Kinds of damage and what undoes each, in order."""
_OF_POSTS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("line breaks written out", _line_breaks),
    ("links", _linked),
    ("names", partial(_where, "@", _NAME, "@user")),
    ("elongation", _folded),
)
"""What is done to posts and reviews, too. An article may hold LaTeX, and mean it."""
_NO_DAMAGE = {"quotes and spaces", "links", "names", "elongation"}
RULES = tuple(dict.fromkeys(name for name, _ in (*_RULES, *_OF_POSTS)))
