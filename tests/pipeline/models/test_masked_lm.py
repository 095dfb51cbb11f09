from pathlib import Path

import pytest
import torch
from transformers import BertForMaskedLM

from pipeline.learning.freezing import set_dropout
from pipeline.models import loading, masked_lm
from pipeline.models.encoder import Places


def _inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 150, (4, 12), generator=generator)
    mask = torch.ones_like(ids)
    mask[2, 7:] = 0
    labels = torch.where(torch.rand(ids.shape, generator=generator) < 0.3, ids, torch.full_like(ids, masked_lm.IGNORED))
    return ids, mask, labels


def test_sparse_head_gives_the_full_heads_loss_and_gradients(toy_model: Path) -> None:
    ids, mask, labels = _inputs()
    sparse, full = loading.load_masked_lm(toy_model), BertForMaskedLM.from_pretrained(toy_model).eval()
    ours, theirs = (model(input_ids=ids, attention_mask=mask, labels=labels).loss for model in (sparse, full))
    assert float(ours) == pytest.approx(float(theirs), abs=1e-6)
    ours.backward()
    theirs.backward()
    for name, weight in full.named_parameters():
        other = dict(sparse.named_parameters())[name].grad
        torch.testing.assert_close(other, weight.grad, atol=1e-5, rtol=0)


def test_logits_are_computed_only_where_a_label_stands(toy_model: Path) -> None:
    ids, mask, labels = _inputs()
    out = loading.load_masked_lm(toy_model)(input_ids=ids, attention_mask=mask, labels=labels)
    assert out.logits.shape[0] == int((labels != masked_lm.IGNORED).sum())


def test_the_last_layer_computes_what_is_read(toy_model: Path) -> None:
    ids, mask, labels = _inputs()
    labels[:, 0] = masked_lm.IGNORED
    model = loading.load_masked_lm(toy_model)
    seen: list[int] = []
    model.bert.encoder.layer[-1].intermediate.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    masked = int((labels != masked_lm.IGNORED).sum())
    model(input_ids=ids, attention_mask=mask, labels=labels)
    places, (first, told) = Places.joined(Places.first(len(ids), ids.device), Places.where(labels != masked_lm.IGNORED))
    model(ids, mask, labels, places, (told, first))
    assert seen == [masked, masked + len(ids)]  # and [CLS], where it is asked for


def test_what_terms_read_is_what_the_full_encoder_gives(toy_model: Path) -> None:
    """States of all layers and pooled [CLS], and the same loss, whether or not [CLS] has a label too."""
    ids, mask, labels = _inputs()
    assert (labels[:, 0] != masked_lm.IGNORED).any()
    model = loading.load_masked_lm(toy_model)
    for chosen in (labels, torch.where(torch.arange(12) == 0, masked_lm.IGNORED, labels)):
        places, (first, told) = Places.joined(Places.first(4, ids.device), Places.where(chosen != masked_lm.IGNORED))
        out = model(ids, mask, chosen, places, (told, first))
        full = model.bert(ids, attention_mask=mask, output_hidden_states=True)
        assert out.loss.item() == pytest.approx(model(ids, mask, chosen).loss.item(), abs=1e-6)
        torch.testing.assert_close(out.pooled, full.pooler_output, atol=1e-5, rtol=0)
        torch.testing.assert_close(out.last_states, places.of(full.hidden_states[-1]), atol=1e-5, rtol=0)
        for ours, theirs in zip(out.hidden_states, full.hidden_states[:-1], strict=True):
            torch.testing.assert_close(ours[mask.bool()], theirs[mask.bool()], atol=1e-5, rtol=0)


@pytest.mark.parametrize("pooled", [False, True])
def test_told_where_labels_stand_it_does_the_same_and_waits_for_no_gpu(toy_model: Path, pooled: bool) -> None:
    """A tensor on the meta device has no values: asking for one, which on a GPU means to wait, is an error there."""
    ids, mask, labels = _inputs()
    model = loading.load_masked_lm(toy_model).train()
    set_dropout(model, 0.0)
    places, (first, told) = Places.joined(
        Places.first(4 * pooled, ids.device), Places.where(labels != masked_lm.IGNORED)
    )
    parts = (told, first)
    assert model(ids, mask, labels, places, parts).loss.item() == pytest.approx(model(ids, mask, labels).loss.item())
    device = torch.device("meta")
    on_meta = (part.to(device) for part in (ids, mask, labels, places))
    loss = model.to(device)(*on_meta, (told.to(device), first.to(device))).loss
    loss.backward()
    assert (loss.device, loss.shape) == (device, ())
    with pytest.raises(NotImplementedError, match="nonzero"):
        model(ids.to(device), mask.to(device), labels.to(device))


def test_asked_for_more_it_does_what_the_plain_one_does(toy_model: Path) -> None:
    ids, mask, labels = _inputs()
    model = loading.load_masked_lm(toy_model)
    out = model(input_ids=ids, attention_mask=mask, labels=labels, output_hidden_states=True)
    assert out.logits.shape[:2] == ids.shape
    assert len(out.hidden_states) == 3
    sparse = model(ids, mask, labels).loss.item()
    assert out.loss.item() == pytest.approx(sparse, abs=1e-6)
    everybody = mask[:, None, None].expand(-1, 1, 12, -1).bool()
    assert model(ids, everybody, labels).loss.item() == pytest.approx(sparse, abs=1e-6)


def test_masking_spares_specials_and_follows_80_10_10() -> None:
    generator = torch.Generator().manual_seed(0)
    ids = torch.full((200, 100), 7)
    maskable = torch.ones_like(ids, dtype=torch.bool)
    maskable[:, 0] = False
    chosen = masked_lm.choose_masked(maskable, 0.15, generator)
    assert not chosen[:, 0].any()
    assert chosen[:, 1:].float().mean() == pytest.approx(0.15, abs=0.01)
    hidden = masked_lm.hide(ids, chosen, mask_id=4, ordinary=torch.arange(5, 400), generator=generator)
    assert (hidden[~chosen] == 7).all()
    assert (hidden[chosen] == 4).float().mean() == pytest.approx(0.8, abs=0.03)
    assert ((hidden[chosen] != 4) & (hidden[chosen] != 7)).float().mean() == pytest.approx(0.1, abs=0.03)


def test_at_least_one_position_is_always_chosen() -> None:
    maskable = torch.tensor([[False, True, False]])
    chosen = masked_lm.choose_masked(maskable, 1e-9, torch.Generator().manual_seed(0))
    assert chosen.tolist() == [[False, True, False]]


def test_units_are_chosen_together() -> None:
    maskable = torch.ones((50, 6), dtype=torch.bool)
    units = torch.tensor([0, 1, 1, 1, 4, 5]).expand(50, 6)
    chosen = masked_lm.choose_masked(maskable, 0.5, torch.Generator().manual_seed(0), units)
    assert (chosen[:, 1] == chosen[:, 2]).all()
    assert (chosen[:, 2] == chosen[:, 3]).all()
    assert not (chosen[:, 4] == chosen[:, 5]).all()


def test_a_batch_with_nothing_to_predict_teaches_nothing(toy_model: Path) -> None:
    ids, mask, labels = _inputs()
    model = loading.load_masked_lm(toy_model).train()
    loss = model(input_ids=ids, attention_mask=mask, labels=torch.full_like(labels, masked_lm.IGNORED)).loss
    loss.backward()
    assert float(loss) == 0.0
    assert model.get_input_embeddings().weight.grad.layout == torch.strided  # which optimizers want
    assert all(not weight.grad.any() for weight in model.parameters() if weight.grad is not None)
