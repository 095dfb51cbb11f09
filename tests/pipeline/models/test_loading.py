import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification

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
    assert loading.reading(tmp_path)["emoji"] == "all"
    assert loading.reading(toy_model)["emoji"] == "none"


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


def test_a_config_that_describes_more_than_the_files_hold_is_refused_before_anything_is_made(
    toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _copy(toy_model, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    monkeypatch.setattr(loading.MaskedLM, "from_pretrained", lambda *_, **__: pytest.fail("it was made"))
    for name, size in {"num_hidden_layers": 200_000, "vocab_size": 10**9, "hidden_size": 2**20}.items():
        (folder / "config.json").write_text(json.dumps(config | {name: size}))
        with pytest.raises(InputError, match=r"config.json describes [\d,]+, the files hold [\d,]+ bytes"):
            loading.load_masked_lm(folder)


@pytest.mark.parametrize("prefix", ["bert.", ""])
def test_weights_of_the_encoder_that_nothing_reads_are_refused(toy_model: Path, tmp_path: Path, prefix: str) -> None:
    """A BERT whose attention reads distances, too, loads without them and computes something else."""
    folder = _copy(toy_model, tmp_path)
    own = load_file(folder / "model.safetensors")
    encoder = {name.replace("bert.", prefix, 1): weight for name, weight in own.items() if name.startswith("bert.")}
    harmless = {f"{prefix}embeddings.position_ids": torch.arange(128)[None], "cls.seq_relationship.bias": torch.ones(2)}
    save_file(encoder | harmless, folder / "model.safetensors")
    assert not [name for name in loading.load_masked_lm(folder).missing if not name.startswith(("cls.", "bert.pooler"))]
    distances = {f"{prefix}encoder.layer.{at}.attention.self.distance_embedding.weight": torch.ones(3) for at in (0, 1)}
    save_file(encoder | distances, folder / "model.safetensors")
    for load in (loading.load_masked_lm, loading.load_classifier):
        with pytest.raises(
            InputError, match=r"no place for 2 of its weights, such as .*layer\.0.*distance.*; .* take "
        ):
            load(folder)


def test_output_rows_of_their_own_are_refused_and_the_same_ones_are_the_embeddings(
    toy_model: Path, tmp_path: Path
) -> None:
    folder = _copy(toy_model, tmp_path)
    untied = BertForMaskedLM(BertConfig.from_pretrained(toy_model, tie_word_embeddings=False)).eval()
    head, rows = untied.cls.predictions, untied.bert.embeddings.word_embeddings.weight
    with torch.no_grad():
        for weight in untied.parameters():
            weight.normal_(std=0.3)
        head.decoder.bias.copy_(head.bias)
    untied.save_pretrained(folder)
    with pytest.raises(
        InputError, match=r"output rows of its own \(tie_word_embeddings: false\), .*; take google-bert/"
    ):
        loading.load_masked_lm(folder)
    head.decoder.weight.data.copy_(rows)
    untied.save_pretrained(folder)
    model = loading.load_masked_lm(folder)
    assert model.cls.predictions.decoder.weight is model.get_input_embeddings().weight
    ids = torch.tensor([[5, 6, 7]])
    torch.testing.assert_close(model(ids).logits, untied(ids).logits)
    loading.save(model, loading.load_tokenizer(toy_model), tmp_path / "saved", emoji="none")
    assert json.loads((tmp_path / "saved" / "config.json").read_text())["tie_word_embeddings"] is True
    head.decoder.bias.data.add_(1)
    untied.save_pretrained(folder)
    with pytest.raises(InputError, match="output rows of its own"):
        loading.load_masked_lm(folder)


@pytest.mark.parametrize("name", ["plain.bin", "../other.safetensors", "/x/model.safetensors", 3, None])
def test_an_index_names_safetensors_beside_it_and_nothing_else(toy_model: Path, tmp_path: Path, name: object) -> None:
    folder = _copy(toy_model, tmp_path)
    index = {"metadata": {}, "weight_map": {"bert.embeddings.word_embeddings.weight": name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"index.json names .* for weights; only \*.safetensors beside it are loaded"):
        loading.load_masked_lm(folder)


def test_weights_that_are_not_finite_are_refused(toy_model: Path, tmp_path: Path) -> None:
    model = loading.load_masked_lm(toy_model)
    with torch.no_grad():
        model.bert.encoder.layer[0].output.dense.weight[0, 0] = float("inf")
    loading.save(model, loading.load_tokenizer(toy_model), tmp_path / "spoilt", emoji="none")
    with pytest.raises(InputError, match=r"weights in bert.encoder.layer.0.output.dense.weight are not finite"):
        loading.load_masked_lm(tmp_path / "spoilt")


def test_a_head_of_other_classes_is_refused(toy_model: Path, tmp_path: Path) -> None:
    loading.save(loading.load_classifier(toy_model), loading.load_tokenizer(toy_model), tmp_path / "it", emoji="none")
    assert loading.load_classifier(tmp_path / "it").missing == []
    config = json.loads((tmp_path / "it" / "config.json").read_text())
    for named in ({"0": "positive", "1": "negative", "2": "neutral"}, {"0": "a", "1": "b", "2": "c"}):
        (tmp_path / "it" / "config.json").write_text(json.dumps(config | {"id2label": named}))
        with pytest.raises(InputError, match=r"its classes are \w+, \w+, \w+; negative, neutral, positive needed"):
            loading.load_classifier(tmp_path / "it")


@pytest.mark.parametrize("told", ["[1]", "[" * 100_000, '{"emoji": ["all"]}', '{"emoji": "some"}'])
def test_a_foreign_retone_json_is_named(tmp_path: Path, told: str) -> None:
    (tmp_path / "retone.json").write_text(told)
    with pytest.raises(InputError, match=r"retone.json"):
        loading.reading(tmp_path)


def test_a_pipe_called_config_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(InputError, match=r"config.json cannot be read .*no regular file"):
        loading.check_folder(tmp_path)


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
