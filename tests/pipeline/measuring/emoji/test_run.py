"""What rows meant before any training is asked of rows that start as the tokenizer stage starts them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.common.cache import remembered
from pipeline.corpora import prepared
from pipeline.measuring import scoring
from pipeline.measuring.emoji import ask as emoji_ask
from pipeline.measuring.emoji import run
from pipeline.models import loading, vocabulary
from pipeline.models.reader import Reader
from stages.evaluate import Settings


def test_rows_start_with_the_noise_that_the_recipe_gave_them(
    toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = loading.load_masked_lm(toy_model), loading.load_tokenizer(toy_model)
    first = len(tokenizer)
    vocabulary.add_tokens(tokenizer, ["😂", "😡"])
    vocabulary.grow(model, tokenizer, first, mean_resizing=False)
    loading.save(model, tokenizer, tmp_path / "adapted", emoji="all")
    folders = {"base": toy_model, "adapted": tmp_path / "adapted", "tuned": toy_model}
    born: list[dict[str, Any]] = []
    newborn = emoji_ask.newborn

    def noted(*given: Any, **how: Any) -> Any:
        born.append({name: how[name] for name in ("noise", "seed")})
        return newborn(*given, **how)

    monkeypatch.setattr(emoji_ask, "newborn", noted)
    ask = partial(run.polarity, Settings(), ["😂", "😡"], folders, remember=partial(remembered, tmp_path / "cache"))
    quiet, loud = (ask({"noise": noise, "seed": 3})["names"]["emoji"] for noise in (0.0, 1.0))
    assert quiet != loud
    assert born == [{"noise": noise, "seed": 3} for noise in (0.0, 0.0, 1.0, 1.0)]


def test_emoji_are_appended_to_clear_words_alone(
    toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {"clear": [0.0, 0.05, 0.95], "unclear": [0.2, 0.5, 0.3]}
    monkeypatch.setattr(prepared, "corpus_rows", lambda *_: [{"id": word, "text": word} for word in words])
    monkeypatch.setattr(Reader, "ids", lambda _, asked: list(asked))
    read: list[str] = []

    def answers(_model: Any, asked: list[str], **_how: Any) -> Any:
        read.extend(asked)
        return np.array([words[text.split()[0]] for text in asked]).reshape(-1, 3)

    monkeypatch.setattr(scoring, "class_probabilities", answers)
    found = run._counterfactuals(Settings(), tmp_path, "toy", toy_model, {}, None)
    assert [text for text in read if text.startswith("unclear")] == ["unclear"]
    assert sum(text.startswith("clear") for text in read) == 3
    assert (found["control"]["value"], found["control"]["n"]) == (1.0, 1)
