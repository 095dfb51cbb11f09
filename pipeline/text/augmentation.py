"""Emoji augmentation: training texts get an emoji that people put on texts of that class, or, now and then, any other.

An emoji chosen by the label alone would hand the model the label. So emoji are drawn from P(emoji | class) as the
training texts have it, mixed with P(emoji) over all classes, and never shown outside training.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.common.labels import LABELS
from pipeline.text.emoji import emoji_list


@dataclass(frozen=True)
class EmojiHabits:
    """Which emoji go with which class: probabilities [3, emoji], rows sum to 1."""

    emoji: tuple[str, ...]
    by_class: NDArray[np.float64]
    overall: NDArray[np.float64]

    def drawn_from(self, label: int, noise: float) -> NDArray[np.float64]:
        """The distribution for a text of a class: ``noise`` is the share that ignores the class."""
        mixed: NDArray[np.float64] = (1.0 - noise) * self.by_class[label] + noise * self.overall
        return mixed


def habits(texts: Iterable[str], labels: Iterable[int], smoothing: float = 0.5) -> EmojiHabits | None:
    """Count emoji by class in training texts; each counts once a text, ``smoothing`` is added. None without emoji."""
    counts = [Counter[str]() for _ in LABELS]
    for text, label in zip(texts, labels, strict=True):
        counts[label].update(set(emoji_list(text)))
    known = tuple(sorted(set().union(*counts)))
    if not known:
        return None
    table = np.array([[count[one] for one in known] for count in counts]) + smoothing
    return EmojiHabits(known, table / table.sum(axis=1, keepdims=True), table.sum(axis=0) / table.sum())


def augment(
    texts: Iterable[str], labels: Iterable[int], known: EmojiHabits, *, share: float, noise: float, seed: int
) -> Iterator[str]:
    """Append one drawn emoji to ``share`` of the texts that have none; the others come back as they are."""
    random = np.random.default_rng(seed)
    chances = [known.drawn_from(label, noise) for label in range(len(LABELS))]
    for text, label in zip(texts, labels, strict=True):
        chosen = known.emoji[int(random.choice(len(known.emoji), p=chances[label]))]
        wanted = random.random() < share and not emoji_list(text)
        yield f"{text} {chosen}" if wanted else text
