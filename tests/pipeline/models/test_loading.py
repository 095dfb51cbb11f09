import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import BertForMaskedLM, BertForSequenceClassification

from pipeline.common.errors import InputError
from pipeline.models import loading


def test_pooler_and_head_travel_together(toy_model: Path, tmp_path: Path) -> None:
    model = loading.load_masked_lm(toy_model)
    assert model.missing == ["bert.pooler.dense.bias", "bert.pooler.dense.weight"]
    loading.save(model, loading.load_tokenizer(toy_model), tmp_path, emoji="all")
    assert loading.load_masked_lm(tmp_path).missing == []
    assert loading.load_classifier(tmp_path).missing == ["classifier.bias", "classifier.weight"]
    classifier = BertForSequenceClassification.from_pretrained(tmp_path)
    torch.testing.assert_close(classifier.bert.pooler.dense.weight, model.bert.pooler.dense.weight)
    plain = BertForMaskedLM.from_pretrained(tmp_path)
    torch.testing.assert_close(plain.cls.predictions.bias, model.cls.predictions.bias)
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == ["BertForMaskedLM"]
    assert loading.emoji_mode(tmp_path) == "all"
    assert loading.emoji_mode(toy_model) == "none"


def test_tuned_encoder_under_the_adapted_head(toy_model: Path) -> None:
    adapted, classifier = loading.load_masked_lm(toy_model), loading.load_classifier(toy_model)
    with torch.no_grad():
        classifier.bert.embeddings.word_embeddings.weight.mul_(1.5)
    joined = loading.with_mlm_head(classifier, adapted)
    torch.testing.assert_close(
        joined.cls.predictions.transform.dense.weight, adapted.cls.predictions.transform.dense.weight
    )
    torch.testing.assert_close(joined.get_input_embeddings().weight, classifier.bert.embeddings.word_embeddings.weight)
    assert joined.cls.predictions.decoder.weight is joined.get_input_embeddings().weight


def _copy(toy_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(toy_model, tmp_path / "copy"))


def test_a_pickle_is_refused_and_never_opened(toy_model: Path, tmp_path: Path) -> None:
    folder = _copy(toy_model, tmp_path)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch " + bytes(tmp_path / "run") + b"'\ntR.")
    with pytest.raises(InputError, match=r"only pytorch_model\.bin, a pickle"):
        loading.load_masked_lm(folder)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"auto_map": {"AutoModel": "x.Y"}}, "auto_map"),
        ({"model_type": "gpt2"}, "'gpt2'"),
        ({"model_type": None}, "None"),
    ],
)
def test_what_is_no_plain_bert_is_refused(toy_model: Path, tmp_path: Path, change: dict, message: str) -> None:
    folder = _copy(toy_model, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(InputError, match=message):
        loading.load_classifier(folder)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["x.Y", "x.Y"]}}, r"tokenizer_config.json .*auto_map"),
        ("config.json", {"num_hidden_layers": 4}, r"config.json asks for 32 weights that are not there"),
        ("config.json", {"vocab_size": 77}, r"they do not fit config.json"),
        ("config.json", {"hidden_size": "big"}, r"Field 'hidden_size' expected int"),
        ("tokenizer.json", None, r"its tokenizer cannot be loaded"),
        ("tokenizer_config.json", None, r"tokenizer_config.json cannot be read"),
        ("config.json", None, r"config.json cannot be read"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(
    toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, change: dict | None, message: str
) -> None:
    def ask(_: object = None) -> str:
        raise AssertionError("a question where nobody may be there to answer")

    monkeypatch.setattr("builtins.input", ask)
    folder = _copy(toy_model, tmp_path)
    content = json.loads((folder / name).read_text()) | change if change else None
    (folder / name).write_text(json.dumps(content) if content else "{")
    with pytest.raises(InputError, match=message) as caught:
        loading.load_masked_lm(folder)
    assert "\n" not in str(caught.value)


def test_truncated_weights_and_missing_files(toy_model: Path, tmp_path: Path) -> None:
    folder = _copy(toy_model, tmp_path)
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be loaded"):
        loading.load_masked_lm(folder)
    with pytest.raises(InputError, match=r"no config\.json"):
        loading.load_masked_lm(tmp_path / "nothing")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"no tokenizer\.json"):
        loading.load_tokenizer(folder)


def test_a_tokenizer_larger_than_the_matrix_is_refused(toy_model: Path, tmp_path: Path) -> None:
    folder = _copy(toy_model, tmp_path)
    tokenizer = loading.load_tokenizer(folder)
    tokenizer.add_tokens(["newtoken", "another"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(InputError, match=r"tokenizer \d+ tokens > model \d+ rows"):
        loading.load_masked_lm(folder)


def test_stored_padding_and_cuts_are_undone(toy_model: Path, tmp_path: Path) -> None:
    """Sentence encoders come with a tokenizer.json that pads and cuts every text to 128 pieces."""
    folder = _copy(toy_model, tmp_path)
    tokenizer = loading.load_tokenizer(folder)
    tokenizer.backend_tokenizer.enable_padding(length=16)
    tokenizer.backend_tokenizer.enable_truncation(4)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    loaded = loading.load_tokenizer(folder)
    assert len(loaded.backend_tokenizer.encode("the cat sat on the mat", add_special_tokens=False).ids) == 6
    loaded.save_pretrained(tmp_path / "saved")
    stored = json.loads((tmp_path / "saved" / "tokenizer.json").read_text())
    assert stored["padding"] is None
    assert stored["truncation"] is None
