"""Emoji for training texts: drawn as people use them, with noise, and never the label in disguise."""

from __future__ import annotations

import pytest

from pipeline.text import augmentation

TEXTS = ["bad 😡", "awful 😡😡", "meh", "ok 🤷", "great 😍", "nice 😍 👍"]
LABELS = [0, 0, 1, 1, 2, 2]


def test_habits_by_hand() -> None:
    """Each emoji counts once a text; half a count is added to all four in each class."""
    known = augmentation.habits(TEXTS, LABELS, smoothing=0.5)
    assert known is not None
    chance = [dict(zip(known.emoji, row, strict=True)) for row in known.by_class.tolist()]
    assert chance[0]["😡"] == pytest.approx(2.5 / 4)
    assert chance[1]["🤷"] == pytest.approx(1.5 / 3)
    assert chance[2]["😍"] == pytest.approx(2.5 / 5)
    assert chance[2]["😡"] == pytest.approx(0.5 / 5)
    assert known.by_class.sum(axis=1) == pytest.approx([1, 1, 1])


def test_no_emoji_no_habits() -> None:
    assert augmentation.habits(["a", "b"], [0, 1]) is None


def test_only_a_share_of_the_texts_without_emoji_get_one() -> None:
    known = augmentation.habits(TEXTS, LABELS)
    assert known is not None
    texts, labels = ["plain"] * 1000 + ["has 👍"] * 100, [0] * 1100

    def augmented(seed: int) -> list[str]:
        return list(augmentation.augment(texts, labels, known, share=0.3, noise=0.0, seed=seed))

    made = augmented(0)
    assert made[1000:] == texts[1000:]
    given = [text for text in made[:1000] if text != "plain"]
    assert 250 < len(given) < 350
    assert all(text.startswith("plain ") for text in given)
    assert made == augmented(0)
    assert made != augmented(1)


def test_noise_keeps_the_emoji_from_giving_the_label_away() -> None:
    known = augmentation.habits(TEXTS, LABELS, smoothing=0.01)
    assert known is not None
    for noise, least, most in ((0.0, 0.95, 1.0), (1.0, 0.2, 0.5)):
        made = augmentation.augment(["x"] * 2000, [0] * 2000, known, share=1.0, noise=noise, seed=0)
        angry = sum("😡" in text for text in made) / 2000
        assert least <= angry <= most
