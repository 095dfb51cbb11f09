"""Informal noise: what each kind does, by value, and that it knows neither labels nor dev texts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, get_args

import pytest

from pipeline.learning import tuning
from pipeline.learning.options import Augmentation
from pipeline.text import noise
from pipeline.text.cleaning import normalise

TEXT = "Really GREAT food, thank you @user http I don't know foo.com #great 10/10 😍"
EVERY: list[Any] = list(noise._KINDS)


def made(texts: list[str], kinds: list[Any] = EVERY, **how: Any) -> list[str]:
    return list(noise.noisy(texts, kinds, **{"share": 1.0, "rate": 1.0, "seed": 0} | how))


def test_keys_that_touch() -> None:
    """Each row stands half a key right of the one above."""
    assert noise.NEIGHBOURS["g"] == "bfhtvy"
    assert noise.NEIGHBOURS["a"] == "qswz"
    assert noise.NEIGHBOURS["p"] == "lo"
    assert all(letter in noise.NEIGHBOURS[key] for letter, keys in noise.NEIGHBOURS.items() for key in keys)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("slang", TEXT, "rly gr8 food, ty @user http idk foo.com #great 10/10 😍"),
        ("slang", "you'll go; your thank-you note; YOU", "you'll go; ur thank-u note; u"),
        ("slang", "I don't know. don't.", "idk. dont."),
        ("lower_case", TEXT, "really great food, thank you @user http i don't know foo.com #great 10/10 😍"),
        ("elongated", "so good, hmm MAN @user http #so", "sooo goood, hmm MAAAN @user http #so"),
        ("elongated", "too cool", "tooo coool"),
        ("dropped", "not bad @user http #nice", "not bad @user http #nice"),
        ("typos", "not bad 2x @user http #nice 😍", "not bad 2x @user http #nice 😍"),
    ],
)
def test_kinds_by_value(kind: Any, text: str, expected: str) -> None:
    assert made([text], [kind]) == [expected]


def test_the_settings_name_the_kinds_that_there_are() -> None:
    (named,) = get_args(Augmentation.model_fields["noise_kinds"].annotation)[:1]
    assert set(get_args(named)) == {*noise._KINDS, "lower_case"}


def test_a_dropped_letter_is_one_and_never_the_first() -> None:
    found = {made(["bread"], ["dropped"], seed=seed)[0] for seed in range(60)}
    assert found == {"bead", "brad", "bred", "brea"}


def test_a_typo_is_one_neighbouring_key_of_the_same_case() -> None:
    found = {made(["PoOp"], ["typos"], seed=seed)[0] for seed in range(200)}
    places = {(1, "o"), (2, "O"), (3, "p")}
    keys = {"o": "iklp", "O": "IKLP", "p": "lo"}
    assert found == {"PoOp"[:at] + key + "PoOp"[at + 1 :] for at, letter in places for key in keys[letter]}


def test_share_and_rate_are_kept_and_the_seed_decides() -> None:
    texts = ["people waited there with bread"] * 2000
    some = made(texts, ["dropped"], share=0.3, rate=1.0)
    assert 540 < sum(text != texts[0] for text in some) < 660
    few = [text.split() for text in made(texts, ["dropped"], rate=0.1)]
    assert 900 < sum(word not in texts[0].split() for text in few for word in text) < 1100  # of 10,000 words
    assert some == made(texts, ["dropped"], share=0.3)
    assert some != made(texts, ["dropped"], share=0.3, seed=1)
    assert made(texts, share=0.0) == texts


def test_noise_is_what_cleaning_leaves_as_it_is() -> None:
    texts = [TEXT, "we waited FOUR hours because nobody told you, and it's not good :(", "sooo goood !!!"]
    for seed in range(50):
        noised = made(texts, [*EVERY, "lower_case"], rate=0.5, seed=seed)
        assert [normalise(text) for text in noised] == noised


def test_tuning_noises_training_texts_alone_and_knows_no_label() -> None:
    texts = [f"the people waited {word} with their bread" for word in ("there", "quite", "often")] * 20
    reader: Any = SimpleNamespace(ids=list)

    def ids(labels: list[int], seed: int = 0) -> Any:
        settings: Any = SimpleNamespace(num_train_epochs=2, augmentation=Augmentation(noise_share=0.5, noise_rate=0.5))
        train = [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]
        return tuning._ids(settings, train, [{"text": text} for text in texts], reader, seed)

    (first, second), dev, emoji = ids([0, 1, 2] * 20)
    assert (dev, emoji) == (texts, 0)
    assert first != second
    for epoch in (first, second):
        assert 15 < sum(one == other for one, other in zip(epoch, texts, strict=True)) < 45
    assert ids([2, 2, 0] * 20)[0] == [first, second]
    assert ids([0, 1, 2] * 20, seed=1)[0] != [first, second]


def test_emoji_that_nobody_wrote_cannot_be_added_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    settings: Any = SimpleNamespace(num_train_epochs=2, augmentation=Augmentation(emoji_share=0.5))
    train = [{"text": "fine", "label": 2}, {"text": "bad", "label": 0}]
    reader: Any = SimpleNamespace(ids=list)
    epochs, _, emoji = tuning._ids(settings, train, train, reader, 0)
    assert (epochs, emoji) == ([["fine", "bad"]] * 2, 0)
    assert "finetune.augmentation.emoji_share: no training review has an emoji" in caplog.text
