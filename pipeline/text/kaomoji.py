"""Faces made of signs that an English BERT has no word for, and the emoji that says the same.

The shrug ``¯\\_(ツ)_/¯`` is not among them: its face, ツ, is in BERT's vocabulary.
"""

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
_BETWEEN = re.compile(r"[\s\\]")
"""Blanks, and the backslashes that Markdown and JSON double: they come and go."""
_EMOJI = {_BETWEEN.sub("", face): one for one, faces in _FACES.items() for face in faces}
_SIGNS = frozenset("".join(_EMOJI)) - set(map(chr, range(0x80)))
_PATTERN = re.compile(
    "|".join(r"[\s\\]{0,3}".join(map(re.escape, face)) for face in sorted(_EMOJI, key=len, reverse=True))
)


def without_kaomoji(text: str) -> str:
    """Each of the common faces as its emoji: ``(◕‿◕)`` is 😊. Others stay."""
    if text.isascii() or _SIGNS.isdisjoint(text):
        return text
    return _PATTERN.sub(lambda match: f" {_EMOJI[_BETWEEN.sub('', match[0])]} ", text)
