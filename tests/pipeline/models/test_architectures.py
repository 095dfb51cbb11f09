"""Which encoders run: those that are BERTs under other names compute the same as one, all others are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    DistilBertConfig,
    DistilBertForMaskedLM,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaForSequenceClassification,
)

from pipeline.common.errors import InputError
from pipeline.models import architectures, loading, sources
from tests.toys import SENTENCES, toy_tokenizer


def _distilbert(tokens: int, **more: Any) -> Any:
    return DistilBertForMaskedLM(
        DistilBertConfig(
            vocab_size=tokens, dim=32, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=128, **more
        )
    )


def _roberta(tokens: int, **more: Any) -> Any:
    return RobertaForMaskedLM(
        RobertaConfig(
            vocab_size=tokens, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
            max_position_embeddings=130, pad_token_id=1, type_vocab_size=1, layer_norm_eps=1e-5,
            **more,
        )
    )  # fmt: skip


@pytest.mark.parametrize("make", [_distilbert, _roberta])
def test_one_that_computes_what_a_bert_computes_is_one(make: Any, tmp_path: Path) -> None:
    tokenizer = toy_tokenizer()
    torch.manual_seed(0)
    theirs = make(len(tokenizer)).eval()
    with torch.no_grad():
        for weight in theirs.parameters():
            weight.normal_(std=0.3)
    theirs.save_pretrained(tmp_path / "theirs")
    tokenizer.save_pretrained(tmp_path / "theirs")
    loading.check_folder(tmp_path / "theirs", alike=True)
    assert architectures.as_bert(tmp_path / "theirs", tmp_path / "ours") == tmp_path / "ours"
    ours = loading.load_masked_lm(tmp_path / "ours")
    assert ours.missing == ["bert.pooler.dense.bias", "bert.pooler.dense.weight"]
    read = tokenizer(SENTENCES, padding=True, return_tensors="pt", return_token_type_ids=False)
    there = read["attention_mask"].bool()
    if make is _roberta:  # which counts positions by what is no padding
        read["input_ids"][~there] = 1
    with torch.no_grad():
        torch.testing.assert_close(ours(**read).logits[there], theirs(**read).logits[there], rtol=1e-4, atol=1e-4)
    with pytest.raises(InputError, match=r"its model_type is '.*', which only a base \(source.model\) may be"):
        loading.load_classifier(tmp_path / "theirs")


@pytest.mark.parametrize("make", [_distilbert, _roberta])
def test_output_rows_of_their_own_are_not_dropped_in_silence(make: Any, tmp_path: Path) -> None:
    theirs = make(400, tie_word_embeddings=False).eval()
    theirs.save_pretrained(tmp_path / "theirs")
    with pytest.raises(InputError, match="output rows of its own"):
        loading.load_masked_lm(architectures.as_bert(tmp_path / "theirs", tmp_path / "ours"))
    theirs.get_output_embeddings().weight.data.copy_(theirs.get_input_embeddings().weight)
    theirs.save_pretrained(tmp_path / "theirs")
    ours = loading.load_masked_lm(architectures.as_bert(tmp_path / "theirs", tmp_path / "ours"))
    assert ours.missing == ["bert.pooler.dense.bias", "bert.pooler.dense.weight"]
    ids = torch.tensor([[5, 6, 7]])
    torch.testing.assert_close(ours(ids).logits, theirs(ids).logits, rtol=1e-4, atol=1e-4)


def test_robertas_classifier_is_a_berts_pooler_and_classifier(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = _roberta(400).config
    config.num_labels = 3
    theirs = RobertaForSequenceClassification(config).eval()
    with torch.no_grad():
        for weight in theirs.parameters():
            weight.normal_(std=0.3)
    theirs.save_pretrained(tmp_path / "theirs")
    model = loading.load_masked_lm(architectures.as_bert(tmp_path / "theirs", tmp_path / "ours", head=True))
    loading.keep_classifier(model, [2, 0, 1], "it")
    loading.save(model, toy_tokenizer(), tmp_path / "kept", emoji="none")
    ids = torch.randint(5, 400, (4, 12))
    with torch.no_grad():
        ours = loading.load_classifier(tmp_path / "kept")(ids).logits
        torch.testing.assert_close(ours, theirs(ids).logits[:, [2, 0, 1]], rtol=1e-4, atol=1e-4)
    anew = loading.load_masked_lm(architectures.as_bert(tmp_path / "theirs", tmp_path / "anew"))
    assert not anew.carried
    assert "bert.pooler.dense.weight" in anew.missing


def test_weights_saved_without_a_head_are_found(tmp_path: Path) -> None:
    model = _roberta(400)
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    bare = {name.removeprefix("roberta."): weight for name, weight in weights.items() if "lm_head" not in name}
    save_file(bare, tmp_path / "model.safetensors")
    found = loading.load_masked_lm(architectures.as_bert(tmp_path, tmp_path / "ours"))
    assert not [name for name in found.missing if not name.startswith(("cls.", "bert.pooler."))]
    assert torch.equal(
        found.bert.encoder.layer[1].output.dense.weight, model.roberta.encoder.layer[1].output.dense.weight
    )


@pytest.mark.parametrize("make", [_distilbert, _roberta])
def test_its_numbers_are_known_before_it_is_loaded(make: Any, tmp_path: Path) -> None:
    """RoBERTa's matrix has two positions more than a text can have, DistilBERT's layers have a name of their own."""
    make(400).save_pretrained(tmp_path)
    toy_tokenizer().save_pretrained(tmp_path)
    base = SimpleNamespace(model=str(tmp_path), num_hidden_layers=6)
    sources.check_numbers("finetune", base, max_length=128, frozen=2)
    with pytest.raises(InputError, match=r"finetune.max_length: 129 of a base with 128 positions; give 128 or less"):
        sources.check_numbers("finetune", base, max_length=129)
    with pytest.raises(InputError, match=r"finetune.freezing.layers: 3 of a base with 2 layers; give 0 to 2"):
        sources.check_numbers("finetune", base, max_length=128, frozen=3)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config | {"model_max_length": 10**30}))
    assert loading.load_tokenizer(tmp_path).model_max_length == 128


def _garbage(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\x08" + bytes(7) + b"garbage!")


def _without(part: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        save_file({name: own for name, own in weights.items() if part not in name}, folder / "model.safetensors")

    return change


def _padding(number: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"pad_token_id": number}))

    return change


@pytest.mark.parametrize(
    ("make", "damage", "line"),
    [
        *((make, _garbage, "its weights cannot be loaded (") for make in (_distilbert, _roberta)),
        *((make, _without("position_emb"), "its weights hold no rows of bert.emb") for make in (_distilbert, _roberta)),
        *((make, _without("layer.1."), "config.json asks for 16 weights that") for make in (_distilbert, _roberta)),
        *(
            (_roberta, _padding(number), f"config.json says pad_token_id {number!r}, ")
            for number in (None, "1", -1, 129)
        ),
    ],
)
def test_damage_is_one_line_that_names_the_folder(
    make: Any, damage: Callable[[Path], None], line: str, tmp_path: Path
) -> None:
    folder, beside = tmp_path / "theirs", tmp_path / "beside"
    make(400).save_pretrained(folder)
    damage(folder)
    with pytest.raises(InputError) as refused:
        loading.load_base(folder, beside)
    (told,) = str(refused.value).splitlines()
    assert told.startswith(f"model {folder}: {line}")
    assert str(beside) not in told


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("albert", "all its layers are one set of weights"),
        ("deberta-v2", "its attention reads distances"),
        ("modernbert", "its layers turn positions"),
        ("electra", "it was trained to spot replaced words, and has no head that guesses hidden ones"),
        ("t5", "Retone freezes, looks into and grows the layers of a BERT"),
    ],
)
def test_others_are_refused_with_why_and_what_to_take(kind: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    with pytest.raises(InputError) as refused:
        architectures.check_folder(tmp_path, "source.model: it")
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"source.model: it: its model_type is '{kind}'; {why}")
    assert line.endswith(f"take {architectures.INSTEAD}")


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
def test_a_bert_that_reads_distances_is_refused_too(kind: str) -> None:
    config = {"model_type": kind, "position_embedding_type": "relative_key"}
    with pytest.raises(
        InputError, match=r"^it: its position_embedding_type is 'relative_key'; its attention .*; take "
    ):
        architectures.check(config, "it")
    for usual in ("absolute", None):
        architectures.check(config | {"position_embedding_type": usual}, "it")


@pytest.mark.parametrize("content", ['{"model_type": "bert"}', '{"model_type": "xlm-roberta"}', "no JSON", None])
def test_what_may_run_or_cannot_be_read_passes_the_door(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    architectures.check_folder(tmp_path, "it")
