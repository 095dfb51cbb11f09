"""Informal noise: words of training texts written as in a hurry, whatever their class.

Belinkov & Bisk 2018, "Synthetic and Natural Noise Both Break Neural Machine Translation", section 4 (neighbouring
keys); what posts do beyond that: Han & Baldwin 2011, "Lexical Normalisation of Short Text Messages". Names, links,
tags, emoji and figures stay, and of what is mistyped the first letter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from numpy.random import Generator, default_rng

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours(letter: str) -> str:
    """Keys that touch a letter's on a QWERTY keyboard, where each row stands half a key right of the one above."""
    at = {key: (row, column + row / 2) for row, keys in enumerate(_ROWS) for column, key in enumerate(keys)}
    row, x = at[letter]
    return "".join(key for key in sorted(at) if (abs(at[key][0] - row), abs(at[key][1] - x)) in {(0, 1), (1, 0.5)})


NEIGHBOURS = {letter: _neighbours(letter) for letter in sorted("".join(_ROWS))}
_SLANG = dict(
    line.split("\t") for line in Path(__file__).with_name("slang.tsv").read_text(encoding="utf-8").splitlines()
)


def _words(pattern: str) -> re.Pattern[str]:
    """Words, but no part of one, of a tag, a name or an address, nor the mask of a link."""
    return re.compile(rf"(?i)(?<![\w@#'/.])(?!http\b)(?:{pattern})(?![\w'/]|\.\w)")


_PLAIN = _words("|".join(map(re.escape, sorted(_SLANG, key=len, reverse=True))))
_SHORT, _LONG = _words("[a-z]{2,}"), _words("[a-z]{4,}")


def _typo(word: str, random: Generator) -> str:
    at = int(random.integers(1, len(word)))
    keys = NEIGHBOURS[word[at].lower()]
    key = keys[int(random.integers(len(keys)))]
    return word[:at] + (key.upper() if word[at].isupper() else key) + word[at + 1 :]


def _dropped(word: str, random: Generator) -> str:
    at = int(random.integers(1, len(word)))
    return word[:at] + word[at + 1 :]


def _elongated(word: str, random: Generator) -> str:
    """A vowel three times, which is what cleaning leaves of more."""
    vowels = [at for at, letter in enumerate(word) if letter in "aeiouAEIOU"]
    if not vowels:
        return word
    at = vowels[int(random.integers(len(vowels)))]
    return word[:at].rstrip(word[at]) + word[at] * 3 + word[at:].lstrip(word[at])


def _slang(words: str, _random: Generator) -> str:
    return _SLANG[words.lower()]


_KINDS: dict[str, tuple[re.Pattern[str], Callable[[str, Generator], str]]] = {
    "slang": (_PLAIN, _slang),
    "dropped": (_LONG, _dropped),
    "typos": (_LONG, _typo),
    "elongated": (_SHORT, _elongated),
}


def noisy(texts: Iterable[str], kinds: Sequence[str], *, share: float, rate: float, seed: int) -> Iterator[str]:
    """Of ``share`` of the texts each kind changes ``rate`` of the words it can change; ``lower_case`` all of them.

    A text's noise depends on its words, its place and the seed alone, never on a label.
    """
    return (_one(text, kinds, share, rate, default_rng([seed, place, 12])) for place, text in enumerate(texts))


def _one(text: str, kinds: Sequence[str], share: float, rate: float, random: Generator) -> str:
    if random.random() >= share:
        return text
    text = text.lower() if "lower_case" in kinds else text
    for kind, (pattern, change) in _KINDS.items():
        if kind in kinds:
            text = pattern.sub(partial(_now_and_then, change, rate, random), text)
    return text


def _now_and_then(change: Callable[[str, Generator], str], rate: float, random: Generator, match: re.Match[str]) -> str:
    return change(match[0], random) if random.random() < rate else match[0]
