"""What [CLS] learns of the base, what is held, and what adaptation leaves as it was to the bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pipeline.learning import adaptation, distillation, freezing, loop, lora
from pipeline.learning.options import AdaptationDistillation, Compute, Lora
from pipeline.models import attachments, loading, vocabulary
from pipeline.models.batches import pad
from pipeline.models.masked_lm import IGNORED
from pipeline.text.emoji import demojize
from tests.toy_training import SCHEDULE, Crash, same
from tests.toys import SENTENCES, write_toy_model


@pytest.fixture(scope="module")
def deep_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_model(tmp_path_factory.mktemp("deep"), num_hidden_layers=3)


def loaded(folder: Path) -> tuple[Any, Any]:
    torch.manual_seed(0)  # of the pooler, which the toy lacks
    return loading.load_masked_lm(folder), loading.load_tokenizer(folder)


def test_the_mean_is_of_real_tokens() -> None:
    states = torch.tensor([[[1.0, 0.0], [3.0, 2.0], [9.0, 9.0]], [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]])
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    assert distillation.token_mean(states, mask).tolist() == [[2.0, 1.0], [2.0, 2.0]]


def test_what_the_teacher_says_is_the_mean_below_its_last_layer_standardised(deep_model: Path) -> None:
    model, tokenizer = loaded(deep_model)
    windows = adaptation.cut(tokenizer, SENTENCES, 32, taught=demojize)
    teacher = distillation.Teacher.of(model.bert, tokenizer.pad_token_id, windows.taught)
    found = teacher.answers(windows.taught).means
    assert found.mean(0).tolist() == pytest.approx([0.0] * 32, abs=1e-5)
    assert found.std(0).tolist() == pytest.approx([1.0] * 32, abs=1e-4)
    ids = torch.tensor(windows.ids[0], dtype=torch.int64)[None]
    plain = model.bert(ids, output_hidden_states=True).hidden_states[-2].mean(1)[0]
    assert torch.allclose(found[0] * teacher.spread + teacher.centre, plain, atol=1e-5)
    with torch.no_grad():
        for weight in model.bert.parameters():
            weight.mul_(2.0)
    assert torch.equal(teacher.answers(windows.taught).means, found)  # it stays what the model was


def test_a_window_is_taught_as_its_own_stretch_of_text_with_emoji_by_name(deep_model: Path) -> None:
    _, tokenizer = loaded(deep_model)
    vocabulary.add_tokens(tokenizer, ["😂"])
    text = "good food and great service 😂 bad food, rude staff and terrible service"
    whole = adaptation.cut(tokenizer, [text, "plain text"], 8, taught=demojize)
    assert len(whole.taught) == len(whole.ids)
    names = [tokenizer.decode(ids, skip_special_tokens=True) for ids in whole.taught]
    own = [tokenizer.decode(ids, skip_special_tokens=True) for ids in whole.ids]
    with_emoji = next(place for place, said in enumerate(own) if "😂" in said)
    assert "😂" not in "".join(names)
    assert names[with_emoji].startswith(own[with_emoji].split("😂")[0].strip())
    assert [name for place, name in enumerate(names) if place != with_emoji] == [
        said for place, said in enumerate(own) if place != with_emoji
    ]


def test_the_terms_by_hand() -> None:
    teacher = distillation.Teacher(Any, 0, 0, torch.tensor([1.0, 0.0]), torch.tensor([2.0, 1.0]), torch.ones(1, 2))
    taught = SimpleNamespace(teacher=teacher, means=torch.tensor([[1.0, -1.0]]))
    batch = {"attention_mask": torch.ones(1, 2), "extra": {"taught": taught}}
    outputs = SimpleNamespace(
        hidden_states=(None, torch.tensor([[[1.0, 0.0], [5.0, 2.0]]])), pooled=torch.tensor([[0.0, 0.0]])
    )
    own = [(3.0 - 1.0) / 2.0, 1.0]  # the mean is (3, 1)
    held = ((own[0] - 1.0) ** 2 + (own[1] + 1.0) ** 2) / 2
    assert float(distillation.mean_term(outputs, batch)) == pytest.approx(held, abs=1e-6)
    assert float(distillation.cls_term(outputs, batch)) == pytest.approx(float(torch.tensor(1.0).tanh()) ** 2, abs=1e-6)


@pytest.mark.parametrize(("cls", "mean"), [(0.7, 0.4), (0.7, 0.0), (0.0, 0.4)])
def test_terms_are_added_to_the_masked_loss(deep_model: Path, cls: float, mean: float) -> None:
    model, tokenizer = loaded(deep_model)
    windows = adaptation.cut(tokenizer, SENTENCES, 32, taught=demojize)
    teacher = distillation.Teacher.of(model.bert, tokenizer.pad_token_id, windows.taught)
    masking, lesson = (
        adaptation.Masking.of(tokenizer, 0.3, False, 0),
        distillation.Lesson(teacher, AdaptationDistillation(cls=cls, mean=mean)),
    )
    batch = adaptation.plan(windows, [list(range(6))], masking, lesson)[0]
    with torch.no_grad():
        model.bert.encoder.layer[0].output.dense.weight.mul_(1.5)  # else there was no gap but that of hidden tokens
    states = model.bert(batch["input_ids"], batch["attention_mask"], output_hidden_states=True)
    targets = teacher.answers([windows.taught[row] for row in range(6)]).means
    expected = model(**{name: batch[name] for name in ("input_ids", "attention_mask", "labels")}).loss
    own = teacher.mean(states.hidden_states[-2], batch["attention_mask"])
    expected = expected + cls * (states.pooler_output - targets.tanh()).square().mean()
    expected = expected + mean * (own - targets).square().mean()
    assert loop.summed(terms=lesson.terms)(model, batch).item() == pytest.approx(expected.item(), abs=1e-5)


def moved(folder: Path, texts: list[str] = SENTENCES) -> tuple[Any, Any, Any, int]:
    """A model that has moved since it was the teacher, its tokenizer with two emoji, windows, and the first new row."""
    model, tokenizer = loaded(folder)
    first = len(tokenizer)
    vocabulary.add_tokens(tokenizer, ["😂", "©"])  # the name of the second is itself
    vocabulary.grow(model, tokenizer, first)
    return model, tokenizer, adaptation.cut(tokenizer, texts, 32, taught=demojize), first


def test_whole_texts_are_drawn_by_seed_and_place_and_never_with_new_rows(deep_model: Path) -> None:
    texts = [text + mark for mark in ("", " 😂", " ©") for text in SENTENCES]
    _, tokenizer, windows, first = moved(deep_model, texts)
    lesson = distillation.Lesson(Any, AdaptationDistillation(states=1.0, whole_share=0.25), first)
    ids, taught = windows.ids, windows.taught
    drawn = [lesson.whole(ids, taught, 0, place) for place in range(20)]
    assert drawn == [lesson.whole(ids, taught, 0, place) for place in range(20)]
    assert lesson.whole(ids, taught, 1, 0) != drawn[0] != drawn[1]
    assert all(len(rows) == len(ids) // 4 for rows in drawn)
    assert {row for rows in drawn for row in rows} == {row for row, own in enumerate(ids) if own.max() < first}
    greedy = replace(lesson, options=AdaptationDistillation(states=1.0, whole_share=0.9))
    assert [len(greedy.whole(ids[:size], taught[:size], 0, 0)) for size in (1, 2, 5)] == [0, 1, 4]  # one to hide in
    assert replace(lesson, options=AdaptationDistillation()).whole(ids, taught, 0, 0) == []
    masking = adaptation.Masking.of(tokenizer, 0.5, False, 0)
    batch = masking.batch(windows, range(len(ids)), 3, drawn[3])
    for row, own in enumerate(ids):
        untouched = (batch["labels"][row] == IGNORED).all() and batch["input_ids"][row][: len(own)].tolist() == [*own]
        assert untouched == (row in drawn[3])


@pytest.mark.parametrize(("frozen", "cls"), [(0, 0.7), (1, 0.0), (2, 0.7), (3, 0.7)])
def test_states_of_whole_texts_are_held_against_the_teachers(deep_model: Path, frozen: int, cls: float) -> None:
    """By value, against transformers' own hidden states; read with the other terms or alone."""
    model, tokenizer, windows, first = moved(deep_model)
    before = model.bert(**padded(windows.ids), output_hidden_states=True).hidden_states
    teacher = distillation.Teacher.of(model.bert, tokenizer.pad_token_id, windows.taught, frozen)
    lesson = distillation.Lesson(teacher, AdaptationDistillation(cls=cls, states=5.0, whole_share=0.5), first)
    plan = adaptation.plan(windows, [[0, 2, 3, 5], [1, 4]], adaptation.Masking.of(tokenizer, 0.3, False, 0), lesson)
    with torch.no_grad():
        for weight in model.bert.encoder.layer[frozen:].parameters():
            weight.mul_(1.2)
    after = model.bert(**padded(windows.ids), output_hidden_states=True).hidden_states
    real = padded(windows.ids)["attention_mask"].bool()
    real[:, 0] = False
    rows = [0, 2, 3, 5]
    own = [windows.ids[row] for row in rows]
    whole = [rows[place] for place in lesson.whole(own, own, 0, 0)]
    assert len(whole) == 2
    gaps = []
    for layer in range(frozen + 1, 4):
        spread = before[layer][real].std(dim=0, correction=0)
        gap = (after[layer][whole] - before[layer][whole])[real[whole]] / spread
        gaps.append(gap.square().mean().item())
    batch = plan[0]
    outputs = model(**{name: part for name, part in batch.items() if name != "extra"})
    assert len(batch["extra"]["taught"].ids) == (4 if cls else 2)  # the teacher reads what is asked for
    expected = sum(gaps) / max(1, len(gaps))
    assert distillation.state_term(outputs, batch).item() == pytest.approx(expected, rel=1e-4)
    assert expected > 0.01 or frozen == 3
    nothing = adaptation.plan(windows, [[0]], adaptation.Masking.of(tokenizer, 0.3, False, 0), lesson)[0]
    outputs = model(**{name: part for name, part in nothing.items() if name != "extra"})
    assert distillation.state_term(outputs, nothing).item() == 0.0


def padded(ids: list[Any]) -> dict[str, torch.Tensor]:
    rows = pad(ids, 0)
    return {"input_ids": rows, "attention_mask": (rows != 0).long()}


def test_a_model_that_states_are_held_of_stays_nearer_to_what_it_was(deep_model: Path) -> None:
    gaps = []
    for weight in (0.0, 5.0):
        model, tokenizer, windows, first = moved(deep_model)
        teacher = distillation.Teacher.of(model.bert, tokenizer.pad_token_id, windows.taught)
        lesson = distillation.Lesson(teacher, AdaptationDistillation(mean=0.1, states=weight, whole_share=0.5), first)
        plan = adaptation.plan(windows, [range(8)] * 10, adaptation.Masking.of(tokenizer, 0.3, False, 0), lesson)
        before = model.bert(**padded(windows.ids)).last_hidden_state
        for place in range(10):
            updated(model, plan[place], 1, lesson)
        gaps.append((model.eval().bert(**padded(windows.ids)).last_hidden_state - before).square().mean().item())
    assert gaps[1] < 0.5 * gaps[0]


def test_resumed_a_run_with_whole_texts_ends_the_same_in_bfloat16_too(deep_model: Path, tmp_path: Path) -> None:
    def trained(folder: Path, precision: str, *callbacks: Any) -> Any:
        model, tokenizer, windows, first = moved(deep_model, SENTENCES * 3)
        teacher = distillation.Teacher.of(model.bert, tokenizer.pad_token_id, windows.taught)
        lesson = distillation.Lesson(teacher, AdaptationDistillation(cls=1.0, states=5.0, whole_share=0.5), first)
        masking = adaptation.Masking.of(tokenizer, 0.3, False, 0)
        order = [range(start, start + 4) for start in range(0, 24, 4)] * 2
        loop.train(
            model,
            adaptation.plan(windows, order, masking, lesson),
            replace(SCHEDULE, compute=Compute(checkpoint_seconds=1e-9, precision=precision)),
            groups=freezing.parameter_groups(model, learning_rate=1e-3),
            figures=adaptation.dev_losses({"general": windows.take(range(4))}, masking, 128),
            objective=loop.summed(terms=lesson.terms),
            folder=folder,
            callbacks=callbacks,
        )
        return model

    for precision in ("fp32", "bf16"):
        whole = trained(tmp_path / precision, precision)
        with pytest.raises(RuntimeError, match="power cut"):
            trained(tmp_path / f"{precision} cut", precision, Crash(7))
        assert same(trained(tmp_path / f"{precision} cut", precision), whole)


BOTH = distillation.Lesson(Any, AdaptationDistillation(cls=1.0, mean=1.0))


def updated(model: Any, batch: dict[str, Any], steps: int = 3, lesson: distillation.Lesson = BOTH) -> None:
    objective = loop.summed(terms=lesson.terms)
    groups = freezing.parameter_groups(model, learning_rate=1e-2, weight_decay=0.1)
    optimizer = torch.optim.AdamW([{key: part for key, part in group.items() if key != "names"} for group in groups])
    for _ in range(steps):
        optimizer.zero_grad()
        objective(model.train(), batch).backward()
        optimizer.step()


def grown(folder: Path) -> tuple[Any, dict[str, torch.Tensor], dict[str, Any], int]:
    """A model with two emoji rows, its weights, a batch that shows one of them, and the first new row."""
    model, tokenizer = loaded(folder)
    first = len(tokenizer)
    vocabulary.add_tokens(tokenizer, ["😂", "❤"])
    vocabulary.grow(model, tokenizer, first)
    windows = adaptation.cut(tokenizer, [f"{text} 😂 so 😂" for text in SENTENCES], 48, taught=demojize)
    teacher = distillation.Teacher.of(model.bert, tokenizer.pad_token_id, windows.taught)
    model.bert.pooler.requires_grad_(True)
    masking = adaptation.Masking.of(tokenizer, 0.3, False, 0)
    batch = adaptation.plan(
        windows, [list(range(8))], masking, distillation.Lesson(teacher, AdaptationDistillation(cls=1.0, mean=1.0))
    )[0]
    return model, {name: weight.clone() for name, weight in model.state_dict().items()}, batch, first


def test_frozen_in_adaptation_means_bit_identical_but_for_new_rows(deep_model: Path) -> None:
    model, before, batch, first = grown(deep_model)
    freezing.freeze_for_adaptation(model, 2, first)
    updated(model, batch)
    rows = "bert.embeddings.word_embeddings.weight"
    for name, weight in model.state_dict().items():
        if name in {rows, "cls.predictions.decoder.weight"}:
            assert torch.equal(weight[:first], before[name][:first])
            assert not torch.equal(weight[first:], before[name][first:])
        else:
            frozen = name.startswith(("bert.embeddings", "bert.encoder.layer.0.", "bert.encoder.layer.1."))
            key_bias = name.endswith("key.bias")  # softmax does not see it
            assert torch.equal(weight, before[name]) == frozen or key_bias, name


def test_adapters_learn_alone_and_the_parts_make_the_model_again(deep_model: Path, tmp_path: Path) -> None:
    model, before, batch, _ = grown(deep_model)
    freezing.freeze_for_adaptation(model, 1, None, embeddings=True)
    wrapped = lora.inject(model, Lora(rank=4, alpha=None, dropout=0.0), 1)
    updated(model, batch)
    asked = {name: batch[name] for name in ("input_ids", "attention_mask")}
    trained = model.eval()(**asked).logits
    attachments.detach(wrapped, tmp_path)
    assert wrapped.merge_and_unload() is model
    assert torch.allclose(model(**asked).logits, trained, atol=1e-5)
    after = model.state_dict()
    assert after.keys() == before.keys()  # no trace of the adapters
    for name, weight in after.items():
        in_layer = "encoder.layer." in name and ".layer.0." not in name and name.endswith("weight")
        learned = (in_layer and "LayerNorm" not in name) or name.startswith(("cls.", "bert.pooler"))
        assert torch.equal(weight, before[name]) != (learned and "decoder.weight" not in name), name
    fresh, *_ = grown(deep_model)
    for name, weight in attachments.attach(fresh, tmp_path).state_dict().items():
        assert torch.allclose(weight, after[name], atol=2e-3), name  # float16
