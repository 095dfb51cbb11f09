"""States computed once: equal to those computed anew, whoever computed them, and never damaged."""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.learning import freezing, frozen_cache, loop, lora, tuning_steps
from pipeline.learning.held_states import HeldStates, held_term
from pipeline.learning.options import FrozenCache, Lora
from pipeline.models import batches, loading
from pipeline.models.classifier import Classifier
from pipeline.models.reader import Reader
from tests.toy_training import SCHEDULE, Crash, same
from tests.toys import SENTENCES, toy_config

DRAW = np.random.default_rng(0)
TEXTS = [DRAW.integers(5, 100, length).tolist() for length in DRAW.integers(2, 20, 60)]
ADAPTERS = Lora(rank=2, alpha=4, dropout=0.0)
LABELS = [text[0] % 3 for text in TEXTS]


def kept(bf16: bool = False, **options: Any) -> dict[str, Any]:
    return {"options": FrozenCache(**{"memory_megabytes": 1, "disk_megabytes": 10} | options), "bf16": bf16}


KEPT = kept()


def toy(frozen: int, seed: int = 0) -> Classifier:
    torch.manual_seed(seed)
    model = Classifier(toy_config(100, num_labels=3, num_hidden_layers=3, initializer_range=0.2)).eval()
    freezing.freeze(model, frozen)
    return model


def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many texts each call of the computation was for."""
    counts: list[int] = []
    compute = frozen_cache._compute

    def counting(model: Any, texts: Any, *rest: Any) -> Any:
        counts.append(len(texts))
        return compute(model, texts, *rest)

    monkeypatch.setattr(frozen_cache, "_compute", counting)
    return counts


@pytest.mark.parametrize("frozen", [1, 2, 3])
@pytest.mark.parametrize("megabytes", [1, 0])
def test_logits_from_states_are_those_from_ids(tmp_path: Path, frozen: int, megabytes: int) -> None:
    model = toy(frozen)
    states = frozen_cache.states_of(model, TEXTS, layers=frozen, folder=tmp_path, **kept(memory_megabytes=megabytes))
    rows = TEXTS[:20]
    plain = model(**batches.padded(rows, 0)).logits
    torch.testing.assert_close(model(**states.inputs(rows)).logits, plain, atol=1e-5, rtol=0)
    dev = [tuning_steps.dev_logits(model, TEXTS, feed) for feed in (states.inputs, partial(batches.padded, padding=0))]
    np.testing.assert_allclose(*dev, atol=1e-5, rtol=0)
    assert all(states.found[frozen_cache.key(text)].flags.owndata == bool(megabytes) for text in TEXTS)


def test_float16_is_half_the_size_and_a_little_off(tmp_path: Path) -> None:
    model = toy(1)
    single, half = (
        frozen_cache.states_of(model, TEXTS, layers=1, folder=tmp_path, **kept(dtype=kind))
        for kind in ("float32", "float16")
    )
    tokens = sum(len(text) for text in {tuple(text) for text in TEXTS})
    assert single.megabytes == tokens * 32 * 4 / 2**20 == 2 * half.megabytes
    gap = float((single.inputs(TEXTS)["states"] - half.inputs(TEXTS)["states"]).abs().max())
    assert 0 < gap < 2e-3


def test_under_autocast_they_are_what_training_would_compute(tmp_path: Path) -> None:
    model = toy(2)
    states = frozen_cache.states_of(model, TEXTS, layers=2, folder=tmp_path, **kept(bf16=True))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(
            model(**states.inputs(TEXTS)).logits, model(**batches.padded(TEXTS, 0)).logits, atol=3e-2, rtol=0
        )
    exact = frozen_cache.states_of(model, TEXTS, layers=2, folder=tmp_path, **KEPT).inputs(TEXTS)["states"]
    assert not torch.equal(states.inputs(TEXTS)["states"], exact)


def test_weights_that_were_cast_for_a_while_are_what_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = toy(2)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    cast = frozen_cache.states_of(model, TEXTS, layers=2, folder=tmp_path / "cast", **kept(bf16=True))
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    monkeypatch.setattr(frozen_cache, "_cast", lambda *_: nullcontext())
    plain = frozen_cache.states_of(model, TEXTS, layers=2, folder=tmp_path / "plain", **kept(bf16=True))
    assert all(np.array_equal(plain.found[name], rows) for name, rows in cast.found.items())


def test_a_second_run_computes_only_what_is_new_and_gets_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = computed(monkeypatch)
    first = frozen_cache.states_of(toy(1), TEXTS[:40], layers=1, folder=tmp_path / "shared", **KEPT)
    model = toy(1)
    model.classifier.weight.data.zero_()  # another head on the same prefix
    second = frozen_cache.states_of(model, TEXTS[20:], layers=1, folder=tmp_path / "shared", **KEPT)
    assert counts == [40, 20]
    alone = frozen_cache.states_of(model, reversed(TEXTS), layers=1, folder=tmp_path / "own", **KEPT)
    for text in TEXTS:
        there = (first if text in TEXTS[:20] else second).found[frozen_cache.key(text)]
        assert np.array_equal(there, alone.found[frozen_cache.key(text)])


@pytest.mark.parametrize(("dtype", "bf16"), [("float32", False), ("float32", True), ("float16", False)])
def test_a_texts_states_do_not_depend_on_the_texts_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, bf16: bool
) -> None:
    monkeypatch.setitem(frozen_cache.FORWARD_TOKENS, "cpu", 48)  # so that there are many blocks
    given = kept(dtype=dtype, bf16=bf16)
    together = frozen_cache.states_of(toy(2), TEXTS, layers=2, folder=tmp_path / "all", **given)
    for part in (TEXTS[:1], TEXTS[::3], TEXTS[5:30]):
        apart = frozen_cache.states_of(toy(2), part, layers=2, folder=tmp_path / str(len(part)), **given)
        assert all(np.array_equal(states, together.found[name]) for name, states in apart.found.items())


def test_another_prefix_shares_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = computed(monkeypatch)
    changed = toy(1)
    changed.bert.encoder.layer[0].output.dense.bias.data[0] += 1e-6
    heads = toy(1)
    heads.config.num_attention_heads = 4
    for model, number in ((toy(1), 1), (toy(2), 2), (toy(1, seed=1), 1), (changed, 1), (heads, 1)):
        frozen_cache.states_of(model, TEXTS[:4], layers=number, folder=tmp_path, **KEPT)
    for other in ({"dtype": "float16"}, {"bf16": True}):
        frozen_cache.states_of(toy(1), TEXTS[:4], layers=1, folder=tmp_path, **kept(**other))
    assert counts == [4] * 7


@pytest.mark.parametrize("name", ["states", "lengths.npy", "keys.npy"])
def test_what_is_damaged_is_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    counts = computed(monkeypatch)
    sound = frozen_cache.states_of(toy(1), TEXTS, layers=1, folder=tmp_path, **KEPT)
    [file] = tmp_path.rglob(name)
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        again = frozen_cache.states_of(toy(1), TEXTS, layers=1, folder=tmp_path, **KEPT)
    assert "damaged" in caplog.text
    assert torch.equal(again.inputs(TEXTS)["states"], sound.inputs(TEXTS)["states"])
    frozen_cache.states_of(toy(1), TEXTS, layers=1, folder=tmp_path, **KEPT)
    distinct = len({tuple(text) for text in TEXTS})
    assert counts == [distinct, distinct]


def test_without_a_folder_to_write_to(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    states = frozen_cache.states_of(toy(1), TEXTS, layers=1, folder=tmp_path / "file", **KEPT)
    there = frozen_cache.states_of(toy(1), TEXTS, layers=1, folder=tmp_path / "folder", **KEPT)
    assert "cannot be kept" in caplog.text
    assert torch.equal(states.inputs(TEXTS)["states"], there.inputs(TEXTS)["states"])
    with pytest.raises(OSError, match="file"):
        frozen_cache.states_of(toy(1), TEXTS, layers=1, folder=tmp_path / "file", **kept(memory_megabytes=0))


def test_a_shelf_renamed_while_it_is_read_or_written_costs_time_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model, folder = toy(1), tmp_path / "cache"
    expected = frozen_cache.states_of(model, TEXTS, layers=1, folder=folder, **KEPT)
    counts, digest_of, compute = computed(monkeypatch), frozen_cache.sha256, frozen_cache._compute

    def renamed(*given: Any) -> Any:
        if folder.exists():
            folder.rename(tmp_path / f"away{len(list(tmp_path.iterdir()))}")
        return given

    monkeypatch.setattr(frozen_cache, "sha256", lambda path: digest_of(*renamed(path)))
    again = frozen_cache.states_of(model, TEXTS, layers=1, folder=folder, **KEPT)
    assert "computing them again" in caplog.text
    assert counts == [len(expected.found)] * 2  # once more where they could not be kept either
    monkeypatch.setattr(frozen_cache, "sha256", digest_of)
    monkeypatch.setattr(frozen_cache, "_compute", lambda *given: compute(*renamed(*given)))
    anew = frozen_cache.states_of(model, [*TEXTS, [7, 8, 9]], layers=1, folder=folder, **KEPT)
    for name, states in expected.found.items():
        assert states.tobytes() == again.found[name].tobytes() == anew.found[name].tobytes()


def test_a_computation_cut_short_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compute = frozen_cache._compute

    def stopped(*given: Any) -> Any:
        yield next(compute(*given))
        raise KeyboardInterrupt

    monkeypatch.setattr(frozen_cache, "_compute", stopped)
    with pytest.raises(KeyboardInterrupt):
        frozen_cache.states_of(toy(1), TEXTS, layers=1, folder=tmp_path, **KEPT)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_prefix_is_frozen_only_if_nothing_in_it_learns() -> None:
    assert not frozen_cache.is_frozen(toy(0), 0)
    assert frozen_cache.is_frozen(toy(2), 2)
    assert not frozen_cache.is_frozen(toy(1), 2)
    assert frozen_cache.is_frozen(lora.wrap(toy(1), ADAPTERS, 1, []), 1)
    assert not frozen_cache.is_frozen(lora.wrap(toy(1), ADAPTERS, 1, [90]), 1)  # its embedding row learns


def tuned(
    toy_model: Path,
    folder: Path,
    *,
    frozen: int,
    cached: bool,
    adapters: bool = False,
    hold: float = 0.0,
    crash: int = 0,
) -> Any:
    """Tune the toy, dropout on, for 6 updates with frozen layers, from states or from ids, its tokens held or not."""
    torch.manual_seed(0)
    model, tokenizer = loading.load_classifier(toy_model), loading.load_tokenizer(toy_model)
    freezing.freeze(model, frozen)
    trained: Any = model
    if adapters:
        trained = lora.wrap(model, ADAPTERS, frozen, [])
    epochs = [Reader(tokenizer, "none", 32).ids([text + "!" * epoch for text in SENTENCES]) for epoch in range(3)]
    feed: batches.Feed = partial(batches.padded, padding=tokenizer.pad_token_id)
    every, held = [ids for epoch in epochs for ids in epoch], None
    if hold:
        kept = {"layers": freezing.layer_count(model), "folder": folder / "cache", "every_token": True, **KEPT}
        held = HeldStates.of(frozen_cache.states_of(model, every, **kept), epochs[0])
    if cached:
        feed = frozen_cache.states_of(trained, every, layers=frozen, folder=folder / "cache", **KEPT).inputs
    labels = [row % 3 for row in range(len(SENTENCES))]
    plan = tuning_steps.plan(epochs, labels, feed, held=held, batch_size=4, tokens_per_batch=1000, seed=0)

    def figures(model: torch.nn.Module) -> dict[str, float]:
        logits = tuning_steps.dev_logits(model, epochs[0], feed)
        return {"general_dev_loss": float(np.logaddexp.reduce(logits, axis=1).mean())}

    return trained, *loop.train(
        trained,
        plan,
        replace(SCHEDULE, steps=len(plan), eval_steps=2),
        groups=freezing.parameter_groups(trained, learning_rate=1e-3, weight_decay=0.01),
        figures=figures,
        objective=loop.summed(tuning_steps.weighted_loss(0.0), [(hold, held_term)] if held else []),
        folder=folder / "checkpoints",
        callbacks=[Crash(crash)] if crash else [],
    )


@pytest.mark.parametrize(("frozen", "adapters"), [(1, False), (2, False), (1, True)])
def test_training_from_states_is_training_from_ids(
    toy_model: Path, tmp_path: Path, frozen: int, adapters: bool
) -> None:
    from_ids, from_states = (
        tuned(toy_model, tmp_path / str(cached), frozen=frozen, cached=cached, adapters=adapters)
        for cached in (False, True)
    )
    moved = 0.0
    start = loading.load_classifier(toy_model).state_dict()
    for name, weight in from_ids[0].state_dict().items():
        torch.testing.assert_close(from_states[0].state_dict()[name], weight, atol=1e-4, rtol=0, msg=name)
        if name in start:
            moved = max(moved, float((weight - start[name]).abs().max()))
    assert adapters or moved > 1e-3
    for one, other in zip(from_ids[2], from_states[2], strict=True):
        assert one == pytest.approx(other, abs=1e-4)


@pytest.mark.parametrize("hold", [0.0, 2.0])
def test_resuming_from_states_is_exact(toy_model: Path, tmp_path: Path, hold: float) -> None:
    run = partial(tuned, toy_model, frozen=1, cached=True, hold=hold)
    whole = run(tmp_path / "whole")
    with pytest.raises(RuntimeError, match="power cut"):
        run(tmp_path / "cut", crash=4)
    shutil.rmtree(tmp_path / "cut" / "cache")  # it may vanish at any time
    resumed = run(tmp_path / "cut")
    assert same(resumed[0], whole[0])
    assert resumed[1:] == whole[1:]


def test_the_prefixes_not_used_for_longest_make_room(tmp_path: Path) -> None:
    for seed in (0, 1):
        frozen_cache.states_of(toy(1, seed), TEXTS, layers=1, folder=tmp_path, **KEPT)
    first, second = sorted(tmp_path.glob("[0-9a-f]" * 64), key=lambda shelf: shelf.stat().st_mtime)
    os.utime(first, (0, 0))
    left = first / "draft-killed"
    left.mkdir()
    frozen_cache.states_of(toy(1), TEXTS[:5], layers=1, folder=tmp_path, **kept(disk_megabytes=0))
    assert left.exists()  # nothing had to be computed, so nothing was tidied
    more = [[*text, 7] for text in TEXTS]
    frozen_cache.states_of(toy(1), more, layers=1, folder=tmp_path, **kept(disk_megabytes=0))
    assert not left.exists()
    assert (first.exists(), second.exists()) == (True, False)  # what is in use stays, whatever it takes
