"""[CLS] tells the emoji of a text, all of them hidden."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from pipeline.learning import adaptation, distillation, emoji_prediction, loop
from pipeline.learning.options import AdaptationDistillation
from pipeline.models import loading, vocabulary
from pipeline.models.masked_lm import IGNORED
from pipeline.text.emoji import demojize

TEXTS = ["good food 😂", "bad food ❤ ❤", "great service", "rude staff 😂 ❤", "good staff"] * 4


def toy(folder: Path):
    torch.manual_seed(0)  # of the pooler, which the toy lacks
    model, tokenizer = loading.load_masked_lm(folder), loading.load_tokenizer(folder)
    first = len(tokenizer)
    vocabulary.add_tokens(tokenizer, ["😂", "❤"])
    vocabulary.grow(model, tokenizer, first)
    return model.eval(), tokenizer, first


def masking_of(tokenizer, first: int, share: float) -> adaptation.Masking:
    plain = adaptation.Masking.of(tokenizer, 0.15, False, 0)
    return replace(plain, first_emoji=first, emoji_share=share)


def test_only_texts_that_show_none_are_told() -> None:
    inputs = torch.tensor([[1, 5, 5, 0], [1, 5, 11, 0], [1, 5, 3, 3], [1, 5, 10, 3]])
    labels = torch.tensor([[-100, 10, 11, -100], [-100, 10, 11, -100], [-100, 2, -100, -100], [-100, 11, -100, -100]])
    rows, ids = emoji_prediction.hidden({"input_ids": inputs, "labels": labels}, 10)
    assert rows.tolist() == [0, 0]
    assert ids.tolist() == [10, 11]


def test_the_term_by_hand() -> None:
    """Two emoji of one text count half each; a text without any is not read."""
    pooled = torch.tensor([[0.0, 1.0], [9.0, 9.0], [2.0, 0.0]])
    weights = torch.tensor([[7.0, 7.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])  # ids 1 and up are emoji
    told = (torch.tensor([0, 0, 2]), torch.tensor([1, 2, 3]))
    term = emoji_prediction.emoji_term(lambda states: states @ weights.T, 1)
    one = torch.tensor([0.0, 1.0, 0.0]).log_softmax(0)
    other = torch.tensor([2.0, 0.0, 0.0]).log_softmax(0)
    expected = -((one[0] + one[1]) / 2 + other[2]) / 2
    found = term(SimpleNamespace(pooled=pooled), {"extra": {"emoji": told}})
    assert float(found) == pytest.approx(float(expected), abs=1e-6)
    nothing = torch.zeros(2, 0, dtype=torch.int64).unbind()
    assert float(term(SimpleNamespace(pooled=pooled), {"extra": {"emoji": nothing}})) == 0.0


def test_all_emoji_of_a_share_of_the_texts_are_hidden_and_nothing_else_changes(toy_model: Path) -> None:
    _, tokenizer, first = toy(toy_model)
    windows = adaptation.cut(tokenizer, TEXTS, 32)
    plain, all_of_them, some = (
        masking_of(tokenizer, first, share).batch(windows, range(len(TEXTS)), 3) for share in (0.0, 1.0, 0.5)
    )
    emoji = torch.where(all_of_them["labels"] >= first, 1, 0)
    ids = torch.where(plain["labels"] == IGNORED, plain["input_ids"], plain["labels"])
    assert torch.equal(emoji == 1, ids >= first)
    assert (all_of_them["input_ids"][emoji == 1] == tokenizer.mask_token_id).all()
    for name in ("input_ids", "labels"):
        assert torch.equal(all_of_them[name][emoji == 0], plain[name][emoji == 0])
    rows = emoji.any(dim=1)
    told = ((some["labels"] >= first).sum(dim=1) == emoji.sum(dim=1))[rows]
    assert 0.3 < told.float().mean() < 0.9


@pytest.mark.parametrize("taught", [False, True])
def test_the_term_is_added_to_the_masked_loss_beside_a_teacher_too(toy_model: Path, taught: bool) -> None:
    model, tokenizer, first = toy(toy_model)
    windows = adaptation.cut(tokenizer, TEXTS, 32, taught=demojize if taught else None)
    lesson, terms = None, [(0.5, emoji_prediction.emoji_term(model.cls, first))]
    if taught:
        teacher = distillation.Teacher.of(model.bert, tokenizer.pad_token_id, windows.taught)
        lesson = distillation.Lesson(teacher, AdaptationDistillation(mean=0.4), first)
        terms += lesson.terms
    batch = adaptation.plan(windows, [range(len(TEXTS))], masking_of(tokenizer, first, 1.0), lesson)[0]
    full = model.bert(batch["input_ids"], batch["attention_mask"], output_hidden_states=True)
    nats = -model.cls(full.pooler_output)[:, first:].log_softmax(dim=1)
    asked = [[first], [first + 1] * 2, [], [first, first + 1], []] * 4
    said = [nats[row, [one - first for one in ids]].mean() for row, ids in enumerate(asked) if ids]
    expected = model(**{name: batch[name] for name in ("input_ids", "attention_mask", "labels")}).loss
    expected = expected + 0.5 * torch.stack(said).mean()
    if taught:
        own = teacher.mean(full.hidden_states[-2], batch["attention_mask"])
        expected = expected + 0.4 * (own - teacher.answers(windows.taught).means).square().mean()
    assert loop.summed(terms=terms)(model, batch).item() == pytest.approx(expected.item(), abs=1e-5)
