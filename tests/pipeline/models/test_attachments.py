"""What is put on a base: it gives the model that was trained, tied and plain; what does not fit is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import BertModel

from pipeline.common.errors import InputError
from pipeline.learning import head_restoration
from pipeline.models import attachments, loading
from pipeline.models.masked_lm import MaskedLM

IDS = torch.arange(5, 35).reshape(2, 15)
ENCODER = ("query", "value", "intermediate.dense")


def wrap(base: Path, targets: Sequence[str] = ENCODER, **more: Any) -> Any:
    """The model of a folder under a LoRA, head, pooler and adapter at random values that float16 holds exactly."""
    torch.manual_seed(1)
    wrapped = get_peft_model(loading.load_masked_lm(base), LoraConfig(r=4, target_modules=list(targets), **more)).eval()
    with torch.no_grad():
        for name, weight in wrapped.named_parameters():
            if "lora_" in name or ".cls." in name or ".pooler." in name:
                weight.copy_(torch.randn_like(weight).mul(0.1).half())
    return wrapped


@pytest.fixture(scope="module")
def base(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy as an encoder is published: without an MLM head."""
    folder = tmp_path_factory.mktemp("base") / "model"
    loading.load_tokenizer(toy_model).save_pretrained(folder)
    BertModel.from_pretrained(toy_model).save_pretrained(folder)
    return folder


@pytest.fixture
def parts(base: Path, tmp_path: Path) -> Path:
    attachments.detach(wrap(base), tmp_path / "parts")
    return tmp_path / "parts"


@torch.no_grad()
def test_what_was_detached_and_is_attached_predicts_the_same(base: Path, tmp_path: Path) -> None:
    trained = wrap(base)
    attachments.detach(trained, tmp_path)
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {"mlm_head.safetensors", "adapter/adapter_config.json", "adapter/adapter_model.safetensors"}
    assert {weight.dtype for path in tmp_path.rglob("*.safetensors") for weight in load_file(path).values()} == {
        torch.float16
    }
    bare = loading.load_masked_lm(base)
    assert head_restoration.missing_parts(bare) == ["mlm_head"]
    before = bare(input_ids=IDS).logits
    model = attachments.attach(bare, tmp_path)
    torch.testing.assert_close(model(input_ids=IDS).logits, trained(input_ids=IDS).logits, rtol=0, atol=1e-5)
    assert (model(input_ids=IDS).logits - before).abs().max() > 0.1
    pooled = trained.get_base_model().bert(IDS).pooler_output
    torch.testing.assert_close(model.bert(IDS).pooler_output, pooled, rtol=0, atol=1e-5)


def test_the_model_is_plain_tied_and_ready_to_be_trained(base: Path, parts: Path, tmp_path: Path) -> None:
    model = attachments.attach(loading.load_masked_lm(base), parts)
    assert type(model) is MaskedLM
    shapes = {name: weight.shape for name, weight in loading.load_masked_lm(base).named_parameters()}
    assert {name: weight.shape for name, weight in model.named_parameters()} == shapes
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert [name for name in shapes if not model.get_parameter(name).requires_grad] == [
        "bert.pooler.dense.weight",
        "bert.pooler.dense.bias",
    ]
    assert model.cls.predictions.decoder.weight is model.get_input_embeddings().weight
    assert model.config.tie_word_embeddings
    assert not model.training
    assert head_restoration.missing_parts(model) == []
    loading.save(model, loading.load_tokenizer(base), tmp_path / "saved", emoji="none")
    again = loading.load_masked_lm(tmp_path / "saved")
    assert again.missing == []
    assert torch.equal(again(input_ids=IDS).logits, model(input_ids=IDS).logits)


def test_a_head_alone(base: Path, parts: Path) -> None:
    (parts / "adapter" / "adapter_config.json").unlink()
    (parts / "adapter" / "adapter_model.safetensors").unlink()
    (parts / "adapter").rmdir()
    model = attachments.attach(loading.load_masked_lm(base), parts)
    head = load_file(parts / "mlm_head.safetensors")
    assert torch.equal(model.cls.predictions.bias, head["cls.predictions.bias"].float())
    encoder = loading.load_masked_lm(base).bert.encoder.state_dict()
    assert all(torch.equal(weight, encoder[name]) for name, weight in model.bert.encoder.state_dict().items())


def test_an_update_of_the_word_embeddings_is_one_of_the_output_rows(base: Path, tmp_path: Path) -> None:
    attachments.detach(wrap(base, ("query", "word_embeddings")), tmp_path)
    model = attachments.attach(loading.load_masked_lm(base), tmp_path)
    stored = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    down, up = (stored[f"base_model.model.bert.embeddings.word_embeddings.lora_embedding_{side}"] for side in "AB")
    rows = loading.load_masked_lm(base).get_input_embeddings().weight + 8 / 4 * (up.float() @ down.float()).T
    torch.testing.assert_close(model.get_input_embeddings().weight, rows, rtol=0, atol=1e-6)
    assert model.cls.predictions.decoder.weight is model.get_input_embeddings().weight


def test_an_update_of_the_output_rows_alone_is_refused(base: Path, tmp_path: Path) -> None:
    attachments.detach(wrap(base, ("query", "decoder")), tmp_path)
    with pytest.raises(InputError, match=r"changes base_model\.model\.cls\.predictions\.decoder.*are the word embedd"):
        attachments.attach(loading.load_masked_lm(base), tmp_path)


@pytest.mark.parametrize("file", ["mlm_head.safetensors", "adapter/adapter_model.safetensors"])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda tensors, first: tensors.pop(first), "it lacks {first}; fetch the one that belongs to this model"),
        (lambda tensors, first: tensors.update(odd=tensors[first].clone()), "it holds the unknown odd; fetch"),
        (
            lambda tensors, first: tensors.update({first: tensors[first][:3].clone()}),
            "it has another shape of {first};",
        ),
    ],
)
def test_other_weights_than_are_needed_are_refused(base: Path, parts: Path, file: str, change: Any, says: str) -> None:
    tensors = load_file(parts / file)
    first = min(tensors)
    change(tensors, first)
    save_file(tensors, parts / file)
    with pytest.raises(InputError) as refused:
        attachments.attach(loading.load_masked_lm(base), parts)
    assert str(refused.value).startswith(f"model parts {parts / file}: {says.format(first=first)}")


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("mlm_head.safetensors", b"no tensors", "cannot be read"),
        ("adapter/adapter_model.safetensors", b"no tensors", "cannot be read"),
        ("adapter/adapter_model.safetensors", None, "cannot be read"),  # and no pickle in its place is looked for
        ("adapter/adapter_config.json", b"{", "adapter_config.json cannot be read"),
        ("adapter/adapter_config.json", None, "adapter_config.json cannot be read"),
        ("adapter/adapter_config.json", b'{"peft_type": "IA3"}', "Retone merges LoRA alone"),
        ("adapter/adapter_config.json", b'{"peft_type": "LORA", "target_modules": ["elsewhere"]}', "does not fit"),
    ],
)
def test_what_cannot_be_read_is_one_line(base: Path, parts: Path, file: str, content: bytes | None, says: str) -> None:
    (parts / "adapter" / "adapter_model.bin").write_bytes(b"a pickle")
    if content is None:
        (parts / file).unlink()
    else:
        (parts / file).write_bytes(content)
    with pytest.raises(InputError, match=says):
        attachments.attach(loading.load_masked_lm(base), parts)


def test_the_same_model_gives_the_same_bytes_and_no_path(base: Path, parts: Path, tmp_path: Path) -> None:
    attachments.detach(wrap(base), tmp_path / "again")
    for path in (path for path in parts.rglob("*") if path.is_file()):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(parts)).read_bytes()
    config = json.loads((parts / "adapter" / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["target_modules"] == sorted(ENCODER)  # of a set of strings, in another order in each process
    assert (config["base_model_name_or_path"], config["auto_mapping"]) == (None, None)
