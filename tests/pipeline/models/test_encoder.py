"""The layers as this project computes them, against transformers' own."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor
from transformers import BertModel
from transformers.models.bert.modeling_bert import BertSelfAttention

from pipeline.models import encoder
from pipeline.models.encoder import Dropout, Places, use_dropout
from tests.toys import toy_config

PADDED = (torch.arange(9) < torch.tensor([[9], [4], [6], [9]])).long()
IDS = torch.randint(5, 100, (4, 9), generator=torch.Generator().manual_seed(0)) * PADDED
READ = torch.zeros(4, 9, dtype=torch.bool).index_put(
    (torch.tensor([0, 0, 0, 1, 3]), torch.tensor([1, 5, 8, 2, 0])), torch.tensor(True)
)
ALONE = torch.zeros(4, 9, dtype=torch.bool).index_put(
    (torch.tensor([0, 1, 3]), torch.tensor([0, 2, 0])), torch.tensor(True)
)


@pytest.fixture
def bert() -> BertModel:
    torch.manual_seed(0)
    return BertModel(toy_config(100, num_hidden_layers=3, initializer_range=0.2)).eval()


def gradients(bert: BertModel, states: Tensor) -> list[Tensor | None]:
    """Of a number that every state counts in."""
    weights = list(bert.parameters())
    return list(
        torch.autograd.grad((states * torch.linspace(1, 2, states.shape[-1])).sum(), weights, allow_unused=True)
    )


def test_places() -> None:
    places = Places.where(READ)
    assert (places.rows.tolist(), places.columns.tolist()) == ([0, 0, 0, 1, 3], [1, 5, 8, 2, 0])
    assert (places.slots.tolist(), places.most) == ([0, 1, 2, 0, 0], 3)
    vectors = torch.arange(1.0, 11.0).view(5, 2)
    lined_up = places.lined_up(vectors, 4)
    assert lined_up[..., 0].tolist() == [[1, 3, 5], [7, 0, 0], [0, 0, 0], [9, 0, 0]]
    assert torch.equal(places.off_line(lined_up), vectors)
    both, came_to = Places.joined(Places.first(4, READ.device), places)
    assert (both.rows.tolist(), both.slots.tolist()) == ([0, 0, 0, 0, 1, 1, 2, 3, 3], [0, 1, 2, 3, 0, 1, 0, 0, 1])
    assert (both.columns.tolist(), both.most) == ([0, 1, 5, 8, 0, 2, 0, 0, 0], 4)
    assert [part.tolist() for part in came_to] == [[0, 4, 6, 7], [1, 2, 3, 5, 8]]
    assert Places.where(torch.zeros(2, 3, dtype=torch.bool)).lined_up(vectors[:0], 2).shape == (2, 1, 2)


@pytest.mark.parametrize("mask", [PADDED, None])
@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("read", [READ, ALONE])
def test_states_and_gradients_are_those_of_the_full_layers(
    bert: BertModel, monkeypatch: pytest.MonkeyPatch, mask: Tensor | None, plain: bool, read: Tensor
) -> None:
    if plain:
        monkeypatch.setattr(
            encoder,
            "scaled_dot_product_attention",
            lambda *heads, attn_mask, **_: encoder._plainly(bert.encoder.layer[0].attention.self, *heads, attn_mask),
        )
    full = bert(IDS, attention_mask=mask).last_hidden_state[read]
    ours = encoder.last_states(bert, bert.embeddings(IDS), mask, Places.where(read))
    torch.testing.assert_close(ours, full, atol=1e-5, rtol=0)
    for mine, other in zip(gradients(bert, ours), gradients(bert, full), strict=True):
        assert (mine is None) == (other is None)
        if mine is not None and other is not None:
            torch.testing.assert_close(mine, other, atol=1e-4, rtol=0)
    below = bert(IDS, attention_mask=mask, output_hidden_states=True).hidden_states[2]
    through = encoder.states_after(bert, bert.embeddings(IDS), mask, 2)[-1]
    real = PADDED.bool() if mask is not None else torch.ones(4, 9, dtype=torch.bool)
    torch.testing.assert_close(through[real], below[real], atol=1e-5, rtol=0)


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("drops", [0.0, 0.4])
def test_one_glance_a_text_sees_what_keys_and_values_would_show(bert: BertModel, bf16: bool, drops: float) -> None:
    inner, states = bert.encoder.layer[2].attention.self.train(), torch.randn(4, 9, bert.config.hidden_size)
    inner.dropout = Dropout(drops)  # weights that do not sum to 1: a value's bias must count as often as they do
    torch.nn.init.normal_(inner.value.bias)
    query, mask = torch.randn(4, 1, bert.config.hidden_size), encoder._mask(PADDED)
    found = []
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        torch.manual_seed(1)
        found.append(encoder._glance(inner, query, states, mask))
        torch.manual_seed(1)
        found.append(encoder._plainly(inner, *_by_head(inner, query, states), mask).transpose(1, 2).flatten(2))
    torch.testing.assert_close(*found, atol=5e-2 if bf16 else 1e-5, rtol=0, check_dtype=False)


def _by_head(inner: BertSelfAttention, query: Tensor, states: Tensor) -> list[Tensor]:
    size = (4, -1, inner.num_attention_heads, inner.attention_head_size)
    return [part.view(size).transpose(1, 2) for part in (query, inner.key(states), inner.value(states))]


def test_which_attention(bert: BertModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain where torch's fused one is slow: in training with dropout, and in bfloat16, of short texts."""
    used = []
    plainly, fused = encoder._plainly, encoder.scaled_dot_product_attention
    monkeypatch.setattr(encoder, "_plainly", lambda *given: (used.append("plain"), plainly(*given))[1])
    monkeypatch.setattr(
        encoder, "scaled_dot_product_attention", lambda *given, **how: (used.append("fused"), fused(*given, **how))[1]
    )
    long = torch.ones(1, encoder.SHORT + 1, dtype=torch.int64)
    bert.embeddings.position_ids = torch.zeros(1, long.shape[1], dtype=torch.int64)
    bert.embeddings.token_type_ids = torch.zeros_like(bert.embeddings.position_ids)
    for (ids, short), drops, bf16 in product(((IDS, True), (long, False)), (0.0, 0.1), (False, True)):
        for module in bert.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = drops
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            encoder.states_after(bert.train(), bert.embeddings(ids), None, 1)
            expected = "plain" if short and (drops or bf16) else "fused"
            assert used.pop() == expected
            with torch.no_grad():
                encoder.states_after(bert.eval(), bert.embeddings(ids), None, 1)
            assert used.pop() == "fused"


def test_under_bf16_autocast_it_is_what_transformers_computes(bert: BertModel) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        ours = encoder.states_after(bert, bert.embeddings(IDS), PADDED, 2)[-1]
        theirs = bert(IDS, attention_mask=PADDED, output_hidden_states=True).hidden_states[2]
    torch.testing.assert_close(ours[PADDED.bool()], theirs[PADDED.bool()], atol=6e-2, rtol=0)


def test_dropout_drops_a_share_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    drop, ones = Dropout(0.3).train(), torch.ones(101, 1003, requires_grad=True)
    found = drop(ones)
    found.sum().backward()
    assert torch.equal(ones.grad, found.detach())  # the same are dropped on the way back
    found = found.detach()
    assert float((found == 0).float().mean()) == pytest.approx(0.3, abs=0.005)
    kept = found[found != 0]
    assert float(kept.min()) == float(kept.max()) == pytest.approx(1 / 0.7, abs=1e-4)
    rows = (found == 0).float()
    assert float((rows[:-1] * rows[1:]).mean()) == pytest.approx(0.09, abs=0.005)  # neighbours are independent
    assert float((rows[:, :-1] * rows[:, 1:]).mean()) == pytest.approx(0.09, abs=0.005)


def test_dropout_follows_the_seed_and_nothing_else() -> None:
    drop, ones = Dropout(0.5).train(), torch.ones(7, 5)
    torch.manual_seed(3)
    first = [drop(ones) for _ in range(2)]
    torch.manual_seed(3)
    assert torch.equal(drop(ones), first[0])
    assert not torch.equal(*first)
    assert torch.equal(drop.eval()(ones), ones)
    assert drop.train()(ones.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize(("share", "left"), [(0.0, 35), (1e-6, 35), (1.0, 0), (1 - 1e-6, 0)])
def test_dropout_of_nothing_and_of_all(share: float, left: int) -> None:
    assert int((Dropout(share).train()(torch.ones(7, 5)) != 0).sum()) == left


def test_every_dropout_of_a_model_is_replaced(bert: BertModel) -> None:
    use_dropout(bert)
    found = [module for module in bert.modules() if isinstance(module, torch.nn.Dropout)]
    assert len(found) == 1 + 3 * 3
    assert {(type(module), module.p) for module in found} == {(Dropout, 0.1)}
