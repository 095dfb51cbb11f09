"""Refitting the head: a head that was mixed up costs nothing in the end, a damaged encoder does."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.measuring.general import drift, head_refit
from pipeline.measuring.general.head_refit import refit_head, study_text
from pipeline.measuring.masks import FixedMasks, choose_fixed_masks
from pipeline.measuring.scoring import masked_nats, with_masks
from pipeline.models import loading
from pipeline.models.batches import as_inputs
from pipeline.models.masked_lm import MaskedLM
from tests import toys

HOW: dict[str, Any] = {"mlm_probability": 0.15, "max_length": 32, "windows_per_document": 2}
DOCUMENTS = [(f"{place}-{copy_}", text) for copy_ in range(40) for place, text in enumerate(toys.SENTENCES)]
TEST = [(f"test-{place}", text) for place, text in enumerate(toys.SENTENCES)]


@pytest.fixture(scope="module")
def tokenizer(toy_model: Path) -> Any:
    return loading.load_tokenizer(toy_model)


@pytest.fixture(scope="module")
def study(tokenizer: Any) -> FixedMasks:
    return study_text(tokenizer, DOCUMENTS, tokens=8000, seed=0, **HOW)


@pytest.fixture(scope="module")
def learned(toy_model: Path, study: FixedMasks) -> MaskedLM:
    """The toy after it has learned the toy sentences by heart."""
    torch.manual_seed(0)
    model = loading.load_masked_lm(toy_model)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    windows = study.windows
    for step in range(150):
        asked = [windows[(32 * step + place) % len(windows)] for place in range(32)]
        inputs = as_inputs([with_masks(window.input_ids, window.masked, study.mask_id) for window in asked], 0, model)
        labels = torch.full_like(inputs["input_ids"], -100)
        for row, window in enumerate(asked):
            labels[row, list(window.masked)] = torch.tensor([window.input_ids[place] for place in window.masked])
        optimizer.zero_grad()
        model(**inputs, labels=labels).loss.backward()
        optimizer.step()
    return model.eval()


def parts(tokenizer: Any, study: FixedMasks, adapted: MaskedLM, tuned: MaskedLM) -> dict[str, float]:
    test, size = choose_fixed_masks(tokenizer, TEST, seed=0, **HOW), len(tokenizer)
    candidates = {"base": adapted, "adapted": adapted, "tuned": tuned}
    for name in ("adapted", "tuned"):
        candidates[f"{name}_refitted"] = refit_head(candidates[name], study, base_vocabulary_size=size)
    answers = {
        name: {"toy": masked_nats(model, test, base_vocabulary_size=size, tokens_per_batch=512)}
        for name, model in candidates.items()
    }
    found = drift.scored(answers, draws=100, seed=0)["toy"]
    return {part: found[part]["value"] for part in drift.PARTS}


def test_permuted_head_rows_come_out_as_interface_only(tokenizer: Any, study: FixedMasks, learned: MaskedLM) -> None:
    permuted = copy.deepcopy(learned)
    dense = permuted.cls.predictions.transform.dense
    order = torch.randperm(32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        dense.weight.copy_(dense.weight[order])
        dense.bias.copy_(dense.bias[order])
    found = parts(tokenizer, study, learned, permuted)
    assert found["tuning"] > 1.0
    assert found["interface"] > 0.9 * found["tuning"]
    assert abs(found["real"]) < 0.1 * found["tuning"]


def test_an_encoder_that_forgot_comes_out_as_real(tokenizer: Any, study: FixedMasks, learned: MaskedLM) -> None:
    forgetful = copy.deepcopy(learned)
    with torch.no_grad():  # attention that looks at nothing: every hidden piece gets much the same state
        for layer in forgetful.bert.encoder.layer:
            layer.attention.self.value.weight.zero_()
    found = parts(tokenizer, study, learned, forgetful)
    assert found["tuning"] > 1.0
    assert found["real"] > 0.5 * found["tuning"]


def test_refitting_leaves_the_encoder_and_the_given_model_alone(
    tokenizer: Any, study: FixedMasks, learned: MaskedLM
) -> None:
    before = {name: weight.clone() for name, weight in learned.state_dict().items()}
    refitted, again = (refit_head(learned, study, base_vocabulary_size=len(tokenizer)) for _ in range(2))
    for name, weight in refitted.state_dict().items():
        assert torch.equal(learned.state_dict()[name], before[name]), name
        assert torch.equal(weight, again.state_dict()[name]), name
        if name.startswith("bert."):
            assert torch.equal(weight, before[name]), name


@pytest.mark.parametrize(("held_out", "rates"), [(0.0, 1), (10.0, 2)])
def test_the_high_rate_is_for_heads_that_get_better_to_the_end(
    held_out: float, rates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[float] = []
    steps = head_refit._steps
    monkeypatch.setattr(head_refit, "_steps", lambda *given: tried.append(given[3]) or steps(*given))
    wanted = torch.tensor([10.0, held_out])
    train, dev = torch.tensor([0]), torch.tensor([1])
    (best,) = head_refit._best([torch.zeros(1)], lambda now, at: ((now[0] - wanted[at]) ** 2).mean(), train, dev, 0)
    assert tried == list(head_refit.LEARNING_RATES[:rates])
    assert (best > 0) == (held_out > 0)


def test_a_head_that_cannot_be_bettered_stays(tokenizer: Any, learned: MaskedLM) -> None:
    """Four documents: none is held out to tell a better head by, so the head stays as it is."""
    few = study_text(tokenizer, TEST[:4], tokens=100, seed=0, **HOW)
    refitted = refit_head(learned, few, base_vocabulary_size=len(tokenizer))
    for name, weight in refitted.state_dict().items():
        assert torch.equal(weight, learned.state_dict()[name]), name


def test_study_text_ends_at_its_budget_and_hides_other_pieces_each_time(tokenizer: Any) -> None:
    short = study_text(tokenizer, TEST[:1], tokens=10_000, seed=0, **HOW)
    assert len(short.windows) == 4  # at most four passes
    assert len({window.masked for window in short.windows}) > 1
    long = study_text(tokenizer, DOCUMENTS, tokens=200, seed=0, **HOW)
    sizes = [len(window.input_ids) for window in long.windows]
    assert sum(sizes[:-1]) < 200 <= sum(sizes)
    assert study_text(tokenizer, [], tokens=200, seed=0, **HOW).windows == ()
