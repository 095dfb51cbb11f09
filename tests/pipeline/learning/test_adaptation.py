"""What is trained on, in which shares, and what is hidden."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.learning import adaptation
from pipeline.models import loading, vocabulary
from pipeline.models.batches import Ragged
from pipeline.models.masked_lm import IGNORED
from tests.toys import SENTENCES


@pytest.fixture(scope="module")
def tokenizer(toy_model: Path):
    tokenizer = loading.load_tokenizer(toy_model)
    vocabulary.add_tokens(tokenizer, ["😂", "❤"])
    return tokenizer


def windows(*lengths: int) -> adaptation.Windows:
    ids = Ragged.of(np.arange(10, 10 + length) for length in lengths)
    return adaptation.Windows(ids, ids)


def test_long_texts_are_cut_and_nothing_is_lost(tokenizer) -> None:
    text = " ".join(SENTENCES)
    cut = adaptation.cut(tokenizer, [text, "", "good food"], 16)
    whole = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert max(cut.lengths) <= 16
    inner = [int(one) for row in cut.ids[:-1] for one in row[1:-1]]
    assert inner == whole
    assert cut.ids[-1].tolist() == tokenizer("good food")["input_ids"]  # the empty text left no window


def test_replay_holds_its_share_of_the_tokens() -> None:
    informal, general = [10] * 100, [20] * 500
    rows = adaptation.mixture(informal, general, 0.2, seed=0, epoch=0)
    assert rows[:100].tolist() == list(range(100))
    replayed = rows[100:].tolist()
    assert len(replayed) == len(set(replayed)) == 12  # 1000 tokens are 80%: 250 are 20%, 12.5 windows of 20
    assert rows.tolist() != adaptation.mixture(informal, general, 0.2, seed=0, epoch=1).tolist()
    assert adaptation.mixture(informal, general, 0.0, seed=0, epoch=0).tolist() == list(range(100))
    assert sorted(adaptation.mixture(informal, general, 1.0, seed=0, epoch=0)) == list(range(100, 600))


def test_dev_windows_are_of_every_part_as_far_as_they_go() -> None:
    parts = [windows(*[3] * 100), windows(*[4] * 5), windows(), windows(*range(10, 110))]
    found = adaptation.evenly(parts, 25)
    assert found.lengths[:15].tolist() == [3] * 10 + [4] * 5
    drawn = found.lengths[15:].tolist()
    assert drawn == sorted(set(drawn)) != list(range(10, 20))  # ten of the last, in order, but not its first ones
    assert len(drawn) == 10
    assert adaptation.evenly(parts, 25).lengths.tolist() == found.lengths.tolist()
    assert len(adaptation.evenly(parts, 1000)) == 205
    assert len(adaptation.evenly([], 8)) == 0


def test_the_budget_ends_a_run() -> None:
    texts, nothing = windows(*[10] * 100), adaptation.Windows()

    def tokens(epochs: float, ceiling: int | None) -> int:
        budget = adaptation.Budget(epochs, ceiling, 100)
        order = adaptation.batches_within(texts, nothing, 0.0, budget, seed=0)
        return sum(texts.lengths[row] for batch in order for row in batch)

    assert tokens(1, None) == 1000
    assert tokens(2.5, None) == 2500
    assert tokens(100, 700) == 700
    assert tokens(100, 750) == 800  # the batch in which it is reached is the last


def test_masks_are_a_function_of_seed_and_place(tokenizer) -> None:
    cut = adaptation.cut(tokenizer, SENTENCES, 32)
    masking = adaptation.Masking.of(tokenizer, 0.3, False, seed=1)
    one, same, other = (masking.batch(cut, [0, 1, 2], place) for place in (5, 5, 6))
    assert all(torch.equal(one[name], same[name]) for name in one if name != "places")
    chosen = one["labels"] != IGNORED
    assert torch.equal(one["places"].of(one["labels"]), one["labels"][chosen])
    assert len(one["places"].rows) == chosen.sum()
    assert not torch.equal(one["labels"], other["labels"])
    kept = one["labels"] == IGNORED
    assert (one["input_ids"] == tokenizer.cls_token_id)[:, 0].all()
    assert kept[:, 0].all()
    assert kept[one["attention_mask"] == 0].all()


def test_an_emoji_is_a_unit_of_its_own_and_words_are_hidden_whole(tokenizer) -> None:
    """`restaurant😂😂!` is one stretch without spaces; each emoji is drawn by itself, the word's pieces together."""
    cut = adaptation.cut(tokenizer, ["restaurant😂😂!"], 32)
    pieces = tokenizer.convert_ids_to_tokens(cut.ids[0].tolist())
    word = [place for place, piece in enumerate(pieces) if piece.startswith("##") or piece[0].isalpha()]
    first, second = (place for place, piece in enumerate(pieces) if piece == "😂")
    assert len(word) > 1
    masking = adaptation.Masking.of(tokenizer, 0.5, True, seed=0)
    drawn = torch.stack([(masking.batch(cut, [0], place)["labels"] != IGNORED)[0] for place in range(60)])
    assert (drawn[:, word] == drawn[:, word[:1]]).all()
    for one, other in ((first, second), (first, word[0]), (second, len(pieces) - 2)):
        assert not torch.equal(drawn[:, one], drawn[:, other])
    plain = adaptation.Masking.of(tokenizer, 0.5, False, seed=0)
    drawn = torch.stack([(plain.batch(cut, [0], place)["labels"] != IGNORED)[0] for place in range(60)])
    assert not (drawn[:, word] == drawn[:, word[:1]]).all()


def test_rows_never_seen_by_hand() -> None:
    text = adaptation.Windows(Ragged.of([[2, 50, 3], [2, 52, 53, 3]]))
    assert adaptation.rows_never_seen(text, [[0]], 50, 60) == 9
    assert adaptation.rows_never_seen(text, [[0], [1, 1]], 50, 60) == 7


def test_dev_loss_is_the_mean_over_hidden_tokens_and_the_same_twice(toy_model: Path) -> None:
    model, plain = loading.load_masked_lm(toy_model), loading.load_tokenizer(toy_model)
    cut = adaptation.cut(plain, SENTENCES, 32)
    masking = adaptation.Masking.of(plain, 0.3, False, seed=0)
    measure = adaptation.dev_losses({"general": cut, "informal": adaptation.Windows()}, masking, 10_000)
    batch = masking.batch(cut, sorted(range(len(cut)), key=lambda row: -len(cut.ids[row])), 0)
    with torch.no_grad():
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten())
    assert measure(model) == {"general_dev_loss": pytest.approx(float(expected), abs=1e-5)}
    assert measure(model) == measure(model)
