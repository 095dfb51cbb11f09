"""The classifier that computes one row of its last layer, against the plain one that computes all."""

from __future__ import annotations

import pytest
import torch
from transformers import BertForSequenceClassification

from pipeline.learning import freezing, lora, tuning_steps
from pipeline.learning.options import Lora
from pipeline.models.classifier import Classifier
from pipeline.models.encoder import Places, packed_states
from tests.toys import toy_config, toy_tokenizer

PADDED = (torch.arange(12) < torch.tensor([[12], [7], [3], [12], [5]])).long()
IDS = torch.randint(5, 100, (5, 12), generator=torch.Generator().manual_seed(0)) * PADDED
LABELS = torch.tensor([0, 2, 1, 1, 0])


@pytest.fixture
def both() -> tuple[BertForSequenceClassification, Classifier]:
    """The plain model and ours with the same weights, in eval mode."""
    torch.manual_seed(0)
    plain = BertForSequenceClassification(
        toy_config(100, num_labels=3, num_hidden_layers=3, initializer_range=0.2)
    ).eval()
    ours = Classifier(plain.config).eval()
    ours.load_state_dict(plain.state_dict())
    return plain, ours


@pytest.mark.parametrize("mask", [PADDED, PADDED.bool(), None])
def test_logits_loss_and_gradients_of_the_plain_model(both, mask: torch.Tensor | None) -> None:
    plain, ours = both
    found = [model(IDS, attention_mask=mask, labels=LABELS) for model in both]
    torch.testing.assert_close(found[1].logits, found[0].logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(found[1].loss, found[0].loss, atol=1e-5, rtol=0)
    for outputs in found:
        outputs.loss.backward()
    for (name, weight), other in zip(plain.named_parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(other.grad, weight.grad, atol=1e-5, rtol=0, msg=name)
    assert float(plain.bert.encoder.layer[2].attention.self.query.weight.grad.abs().max()) > 1e-4


def test_the_last_layer_runs_on_one_token(both) -> None:
    seen = []
    both[1].bert.encoder.layer[2].intermediate.register_forward_hook(lambda _, given, __: seen.append(given[0].shape))
    both[1](IDS, attention_mask=PADDED)
    assert seen == [(5, 32)]


def test_token_types_and_positions_count(both) -> None:
    more = {"token_type_ids": (torch.arange(12) > 4).long().expand(5, -1), "position_ids": torch.arange(12)[None] + 3}
    plain, ours = (model(IDS, attention_mask=PADDED, **more).logits for model in both)
    torch.testing.assert_close(ours, plain, atol=1e-5, rtol=0)
    assert not torch.allclose(ours, both[1](IDS, attention_mask=PADDED).logits, atol=1e-3)


def test_asked_for_more_it_computes_the_whole_layer(both) -> None:
    for model in both:
        model.set_attn_implementation("eager")
    asked = {"output_attentions": True, "output_hidden_states": True}
    plain, ours = (model(IDS, attention_mask=PADDED, **asked) for model in both)
    assert ours.attentions[2].shape == (5, 2, 12, 12)
    assert ours.hidden_states[3].shape == (5, 12, 32)
    torch.testing.assert_close(ours.attentions[2], plain.attentions[2])
    torch.testing.assert_close(ours.hidden_states[3], plain.hidden_states[3])
    assert isinstance(both[1](IDS, attention_mask=PADDED, return_dict=False), tuple)
    both[1].config.output_hidden_states = True
    assert len(both[1](IDS).hidden_states) == 4


def test_a_mask_of_its_own_shape_and_given_embeddings(both) -> None:
    blocks = torch.eye(12).bool() | (torch.arange(12) == 0)
    embedded = both[0].bert.embeddings.word_embeddings(IDS)
    for given in (
        {"input_ids": IDS, "attention_mask": blocks.expand(5, 1, 12, 12)},
        {"inputs_embeds": embedded, "attention_mask": PADDED},
    ):
        plain, ours = (model(**given).logits for model in both)
        torch.testing.assert_close(ours, plain, atol=1e-6, rtol=0)


def test_under_bf16_autocast(both) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        plain, ours = (model(IDS, attention_mask=PADDED, labels=LABELS) for model in both)
        torch.testing.assert_close(ours.logits, plain.logits, atol=2e-2, rtol=0)
    ours.loss.backward()
    assert all(bool(torch.isfinite(weight.grad).all()) for weight in both[1].parameters())


def test_dropout_on_attention_and_output_is_drawn_in_training(both) -> None:
    ours = both[1].train()
    drawn = [ours(IDS, attention_mask=PADDED).logits for _ in range(2)]
    assert not torch.equal(*drawn)
    freezing.set_dropout(ours, 0.0)
    torch.testing.assert_close(ours(IDS, attention_mask=PADDED).logits, both[0](IDS, attention_mask=PADDED).logits)


@pytest.mark.parametrize("first", [1, 2, 3])
def test_from_the_states_after_the_first_layers(both, first: int) -> None:
    plain, ours = both
    packed = packed_states(ours.bert, ours.bert.embeddings(IDS[[0, 3]]).flatten(0, 1), [(2, 12)], first)
    states = packed.view(2, 12, 32)[:, : 1 if first == 3 else 12]
    found = ours(states=states, attention_mask=PADDED[[0, 3], : states.shape[1]], first_layer=first).logits
    torch.testing.assert_close(found, plain(IDS[[0, 3]]).logits, atol=1e-5, rtol=0)


def test_the_last_layer_is_read_where_it_is_asked_for(both) -> None:
    plain, ours = both
    tokens = Places.at(torch.tensor([0, 0, 3]), torch.tensor([1, 11, 2]))
    places, parts = Places.joined(Places.first(5, IDS.device), tokens)
    found = ours(IDS, attention_mask=PADDED, places=places, parts=parts)
    whole = plain(IDS, attention_mask=PADDED, output_hidden_states=True)
    torch.testing.assert_close(found.logits, whole.logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.last_states, tokens.of(whole.hidden_states[-1]), atol=1e-5, rtol=0)


def test_under_adapters(both) -> None:
    """Trained adapters (here: random ones) act in the one row as they do in the full layer."""
    wrapped = []
    for model in both:
        wrapped.append(lora.wrap(model, Lora(rank=4, alpha=8, dropout=0.0), 1, [90, 91]).eval())
        torch.manual_seed(1)
        for name, weight in wrapped[-1].named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(weight, std=0.3)
    plain, ours = (model(input_ids=IDS, attention_mask=PADDED, labels=LABELS) for model in wrapped)
    torch.testing.assert_close(ours.logits, plain.logits, atol=1e-5, rtol=0)
    plain.loss.backward()
    ours.loss.backward()
    for (name, weight), other in zip(wrapped[0].named_parameters(), wrapped[1].parameters(), strict=True):
        if weight.requires_grad:
            torch.testing.assert_close(other.grad, weight.grad, atol=1e-5, rtol=0, msg=name)


def test_it_waits_for_no_gpu(both) -> None:
    """A tensor on the meta device has no values: asking for one, which on a GPU means to wait, is an error there."""
    ours = both[1].train().to("meta")
    ids, mask, labels = (each.to("meta") for each in (IDS, PADDED, LABELS))
    loss = tuning_steps.weighted_loss(0.1)(
        ours(ids, mask), {"labels": labels, "extra": {"weights": torch.ones(5, device="meta")}}
    )
    loss.backward()
    assert loss.device == torch.device("meta")


def test_nothing_to_read_is_an_error(both) -> None:
    with pytest.raises(ValueError, match="input_ids or inputs_embeds"):
        both[1](attention_mask=PADDED)


def test_it_is_saved_as_the_plain_one(both, tmp_path) -> None:
    from pipeline.models import loading

    tokenizer = toy_tokenizer()
    loading.save(both[1], tokenizer, tmp_path / "ours", emoji="none")
    both[0].save_pretrained(tmp_path / "plain")
    names = {"config.json", "model.safetensors"}
    assert all((tmp_path / "ours" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes() for name in names)
