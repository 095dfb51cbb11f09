"""A vocabulary from nothing: the trainer's own numbering is random, ours is not."""

from __future__ import annotations

from pipeline.learning.scratch import train_wordpiece
from tests.toys import SENTENCES


def test_the_same_text_gives_the_same_vocabulary() -> None:
    """The hash maps inside the trainer are seeded anew for each, so that even one process sees different orders."""
    found = [train_wordpiece(SENTENCES, 200, 64).get_vocab() for _ in range(4)]
    assert all(vocabulary == found[0] for vocabulary in found)
    assert len(found[0]) == 200


def test_rare_scripts_do_not_eat_the_vocabulary() -> None:
    rare = "".join(chr(0x4E00 + place) for place in range(600))
    vocabulary = train_wordpiece([*SENTENCES * 3, rare], 2000, 64).get_vocab()
    assert sum(piece in vocabulary for piece in rare) < 400
    assert {"a", "##a", "!", "~"} <= vocabulary.keys()
