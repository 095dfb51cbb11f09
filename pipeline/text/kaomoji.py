"""Faces made of signs that an English BERT has no word for, and the emoji that says the same."""

from __future__ import annotations

import re

_FACES = {
    "😡": (
        "(╯°□°)╯︵ ┻━┻",
        "(╯°□°)╯彡┻━┻",
        "(ノಠ益ಠ)ノ彡┻━┻",
        "(ノ°益°)ノ",
        "ლ(ಠ益ಠლ)",
        "(ಠ益ಠ)",
        "ಠ益ಠ",
        "(╯°□°)╯",
        "┻━┻",
    ),
    "😒": ("(ಠ_ಠ)", "ಠ_ಠ", "ಠ╭╮ಠ", "(눈_눈)", "눈_눈", "(¬_¬)"),
    "😭": ("(ಥ﹏ಥ)", "(ಥ_ಥ)", "ಥ﹏ಥ", "ಥ_ಥ", "(╥﹏╥)", "(╥_╥)", "(つ﹏⊂)"),
    "😍": ("(♥‿♥)", "(｡♥‿♥｡)", "(♥_♥)", "(♥ω♥)", "♥‿♥", "(✿ ♥‿♥)"),
    "😊": (
        "(◕‿◕)",
        "(｡◕‿◕｡)",
        "(◕‿◕✿)",
        "(✿◠‿◠)",
        "(◠‿◠)",
        "◕‿◕",
        "(•‿•)",
        "(◡‿◡)",
        "(ᵔᴥᵔ)",
        "ʕ•ᴥ•ʔ",
        "(´▽`)",
        "(＾▽＾)",
    ),
    "😄": ("(≧▽≦)", "(≧∇≦)", "(≧◡≦)", "ヽ(´▽`)/", "ヽ(•‿•)ノ", "٩(◕‿◕)۶", "(ﾉ◕ヮ◕)ﾉ*:･ﾟ✧", "(ノ◕ヮ◕)ノ*:・゚✧"),
    "🤗": ("(づ｡◕‿‿◕｡)づ", "(つ≧▽≦)つ", "(っ◕‿◕)っ", "༼ つ ◕_◕ ༽つ"),
    "😏": ("( ͡° ͜ʖ ͡°)", "͡° ͜ʖ ͡°"),
    "😮": ("(⊙_⊙)", "(⊙﹏⊙)", "⊙﹏⊙", "(°ロ°)", "Σ(°△°)"),
}
# Markdown takes the shrug's backslash or its underscores, a code page its face and its hands.
_LOST = r"[\\\s]{0,4}_?[\\\s]{0,4}"
_SHRUG = re.compile(
    rf"[¯￣‾]{_LOST}\([ツッシʘ]\){_LOST}/(?:\s?[¯￣‾])?|(?:\\\s?)?_?\([ツッシʘ]\)\\{{0,3}}_\s?/|[¯?]\\{{1,4}}_\(\?\)_/[¯?]"
)
_SHRUGS = frozenset("ツッシʘ")
_BETWEEN = re.compile(r"[\s\\]")
"""Blanks, and the backslashes that Markdown and JSON double: they come and go."""
_EMOJI = {_BETWEEN.sub("", face): one for one, faces in _FACES.items() for face in faces}
_SIGNS = frozenset("".join(_EMOJI)) - set(map(chr, range(0x80)))
_PATTERN = re.compile(
    "|".join(r"[\s\\]{0,3}".join(map(re.escape, face)) for face in sorted(_EMOJI, key=len, reverse=True))
)


def without_kaomoji(text: str) -> str:
    """Each of the common faces as its emoji: ``(◕‿◕)`` is 😊, ``¯\\_(ツ)_/¯`` is 🤷 however damaged. Others stay."""
    if "_(?)_/" in text or not (text.isascii() or _SHRUGS.isdisjoint(text)):
        text = _SHRUG.sub(" 🤷 ", text)
    if text.isascii() or _SIGNS.isdisjoint(text):
        return text
    return _PATTERN.sub(lambda match: f" {_EMOJI[_BETWEEN.sub('', match[0])]} ", text)
