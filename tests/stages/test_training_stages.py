"""source, tokenizer, pretrain and finetune on toys: what they write, what they refuse, and that they repeat."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from transformers import BertForSequenceClassification, BertModel, pipeline

from pipeline.common.errors import InputError
from pipeline.common.files import read_jsonl, sha256
from pipeline.corpora import prepared
from pipeline.corpora.stored_rows import Rows, columns_of
from pipeline.learning import features, loop, options, tuning
from pipeline.models import attachments, loading, sources
from pipeline.models.reader import Reader
from stages import finetune, prepare, pretrain, source, tokenizer
from tests.toy_texts import in_folds, with_target, write_prepared
from tests.toy_training import Crash

pytestmark = pytest.mark.long
QUICK: dict[str, Any] = {"tokens_per_batch": 256, "compute": {"precision": "fp32"}}
PRETRAIN = pretrain.Settings(
    include_reviews=False, num_train_epochs=2, learning_rate=1e-3, evaluations=2, dev_windows=8, **QUICK
)
FINETUNE = finetune.Settings(
    freezing={"layers": 1},
    learning_rate=3e-3,
    head_learning_rate=3e-3,
    num_train_epochs=24,
    regularisation={"dropout": 0.0},
    patience=None,
    batch_size=8,
    **QUICK,
)
SHORT = FINETUNE.model_copy(update={"num_train_epochs": 2, "augmentation": options.Augmentation(emoji_share=0.5)})


def digests(folder: Path) -> dict[str, bytes]:
    """Every file's bytes but the checkpoints', which the store drops."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and "checkpoints" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def losses(made: dict[str, bytes]) -> list[float]:
    """Of training, an evaluation each."""
    return [json.loads(line)["train_loss"] for line in made["history.jsonl"].splitlines()]


def told(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(loading.load_masked_lm(folder / "model").state_dict())


@pytest.fixture(scope="module")
def story(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The artifacts of one run from a base folder to a classifier."""
    root = tmp_path_factory.mktemp("story")
    at = {name: root / name for name in ("prepare", "source", "tokenizer", "pretrain", "finetune")}
    for folder in at.values():
        folder.mkdir()
    write_prepared(at["prepare"])
    source.source(source.Settings(model=str(toy_model)), prepare=at["prepare"], out=at["source"])
    tokenizer.tokenizer(tokenizer.Settings(), prepare=at["prepare"], source=at["source"], out=at["tokenizer"])
    pretrain.pretrain(PRETRAIN, prepare=at["prepare"], tokenizer=at["tokenizer"], out=at["pretrain"])
    finetune.finetune(
        FINETUNE,
        seed=0,
        prepare=at["prepare"],
        tokenizer=at["tokenizer"],
        pretrain=at["pretrain"],
        cache=root / "cache",
        out=at["finetune"],
    )
    return at


def test_source_keeps_the_weights_and_says_what_was_missing(story: dict[str, Path], toy_model: Path) -> None:
    kept, base = weights(story["source"]), dict(loading.load_masked_lm(toy_model).state_dict())
    assert all(torch.equal(kept[name], base[name]) for name in base if "pooler" not in name)
    assert told(story["source"], "source")["started_random"] == ["pooler"]
    assert told(story["source"], "source")["restored"] is None


def test_tokenizer_covers_emoji(story: dict[str, Path]) -> None:
    seen = told(story["tokenizer"], "coverage")
    reviews = seen["corpora"]["toy-reviews"]
    assert seen["rows_added"] == len(told(story["tokenizer"], "emoji_rows")) > 1400
    assert reviews["before"]["unk_rate_emoji_texts"] == 1.0
    assert reviews["before"]["words_lost_rate"] == 1.0  # the emoji touch a word
    assert (reviews["after"]["unk_rate_emoji_texts"], reviews["after"]["words_lost_rate"]) == (0.0, 0.0)
    assert reviews["texts"] == 150
    assert "toy-pairs" not in seen["corpora"]


def test_pretrain_learns_and_counts(story: dict[str, Path]) -> None:
    facts = told(story["pretrain"], "pretrain")
    history = [json.loads(line) for line in (story["pretrain"] / "history.jsonl").read_text().splitlines()]
    losses = [row["informal_dev_loss"] for row in history if "informal_dev_loss" in row]
    assert losses[-1] < losses[0]
    assert all("general_dev_loss" in row for row in history if "informal_dev_loss" in row)
    assert facts["method"] == "dapt"
    assert facts["best_informal_dev_loss"] == min(losses)
    assert 0 < facts["emoji_rows_never_seen"] < facts["emoji_rows"]
    assert facts["padding_share"] < 0.15


@pytest.mark.parametrize(("asked", "short"), [(0.5, False), (0.9, True)])
def test_the_share_of_general_text_that_was_reached_is_told(
    story: dict[str, Path], tmp_path: Path, asked: float, short: bool
) -> None:
    settings = PRETRAIN.model_copy(update={"replay_share": asked, "num_train_epochs": 1.0, "evaluations": 1})
    reader, rows = Reader.of(story["tokenizer"] / "model"), functools.partial(prepared.rows, story["prepare"])
    informal, general = (
        sum(len(reader.tokenizer(reader.text(row["text"]))["input_ids"]) for row in rows(role=role, split="train"))
        for role in ("informal", "general")
    )
    pretrain.pretrain(settings, prepare=story["prepare"], tokenizer=story["tokenizer"], out=tmp_path)
    reached = told(tmp_path, "pretrain")["replay_share"]
    assert reached == pytest.approx(general / (general + informal) if short else asked, abs=0.01 if short else 0.1)


def test_dev_loss_is_measured_no_more_often_than_asked(story: dict[str, Path], tmp_path: Path) -> None:
    steps = told(story["pretrain"], "pretrain")["steps"]
    settings = PRETRAIN.model_copy(update={"evaluations": steps // 2 + 1, "patience": None})
    pretrain.pretrain(settings, prepare=story["prepare"], tokenizer=story["tokenizer"], out=tmp_path)
    measured = [row["step"] for row in read_jsonl(tmp_path / "history.jsonl") if "informal_dev_loss" in row]
    assert measured == sorted({*range(2, steps, 2), steps})


def test_the_classifier_learns_and_loads_in_plain_transformers(story: dict[str, Path]) -> None:
    facts = told(story["finetune"], "finetune")
    assert facts["dev_macro_recall"] > 0.8
    assert facts["pooler"] == "carried"
    plain = pipeline("text-classification", model=str(story["finetune"] / "model"), truncation=True)
    assert [answer["label"] for answer in plain(["bad food and terrible staff", "great food and best place"])] == [
        "negative",
        "positive",
    ]


def test_the_frozen_prefix_and_only_it_is_bit_identical(story: dict[str, Path]) -> None:
    before = BertModel.from_pretrained(story["pretrain"] / "model").state_dict()
    after = BertForSequenceClassification.from_pretrained(story["finetune"] / "model").bert.state_dict()
    for name, weight in before.items():
        assert torch.equal(weight, after[name]) == name.startswith(("embeddings", "encoder.layer.0")), name
    assert told(story["finetune"], "finetune")["frozen_parameters"] == sum(
        weight.numel() for name, weight in before.items() if name.startswith(("embeddings", "encoder.layer.0"))
    )


@pytest.mark.parametrize("stage", ["tokenizer", "pretrain"])
def test_a_second_time_gives_the_same_bytes(story: dict[str, Path], tmp_path: Path, stage: str) -> None:
    if stage == "tokenizer":
        tokenizer.tokenizer(tokenizer.Settings(), prepare=story["prepare"], source=story["source"], out=tmp_path)
    else:
        pretrain.pretrain(PRETRAIN, prepare=story["prepare"], tokenizer=story["tokenizer"], out=tmp_path)
    assert digests(tmp_path) == digests(story[stage])


def test_adaptation_by_adapters_with_a_teacher_leaves_the_frozen_as_it_was_and_repeats(
    story: dict[str, Path], tmp_path: Path
) -> None:
    more = {"method": "lora", "lora": {"rank": 4}, "freezing": {"layers": 1}}
    more |= {"distillation": {"cls": 1.0, "mean": 1.0, "states": 1.0}, "emoji_prediction": {"weight": 0.5}}
    made = []
    for place in range(2):
        made.append(tmp_path / str(place))
        made[-1].mkdir()
        settings = pretrain.Settings(**PRETRAIN.model_dump(exclude_unset=True) | more)
        pretrain.pretrain(settings, prepare=story["prepare"], tokenizer=story["tokenizer"], out=made[-1])
    assert digests(made[0]) == digests(made[1])
    assert sorted(path.name for path in (made[0] / "parts").iterdir()) == ["adapter", "mlm_head.safetensors"]
    before, after = weights(story["tokenizer"]), weights(made[0])
    first = told(story["tokenizer"], "coverage")["first_row"]
    rows = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(before[rows][:first], after[rows][:first])
    assert not torch.equal(before[rows][first:], after[rows][first:])
    for name, weight in before.items():
        if name.startswith("bert.encoder") and name.endswith("weight") and "LayerNorm" not in name:
            assert torch.equal(weight, after[name]) == (".layer.0." in name), name
    assert not torch.equal(before["bert.pooler.dense.weight"], after["bert.pooler.dense.weight"])


def test_emoji_prediction_teaches_the_pooler(story: dict[str, Path], tmp_path: Path) -> None:
    for name, weight in (("with", 0.5), ("without", 0.0)):
        (tmp_path / name).mkdir()
        settings = PRETRAIN.model_copy(update={"emoji_prediction": options.EmojiPrediction(weight=weight)})
        pretrain.pretrain(settings, prepare=story["prepare"], tokenizer=story["tokenizer"], out=tmp_path / name)
    pooler = "bert.pooler.dense.weight"
    before = weights(story["tokenizer"])[pooler]
    assert torch.equal(weights(tmp_path / "without")[pooler], before)
    assert not torch.equal(weights(tmp_path / "with")[pooler], before)


def test_the_same_seed_gives_the_same_classifier_and_another_another(story: dict[str, Path], tmp_path: Path) -> None:
    made = []
    for place, seed in enumerate((0, 0, 1)):
        out = tmp_path / str(place)
        out.mkdir()
        finetune.finetune(
            SHORT,
            seed=seed,
            prepare=story["prepare"],
            tokenizer=story["tokenizer"],
            pretrain=story["pretrain"],
            cache=tmp_path / "cache",
            out=out,
        )
        made.append(digests(out))
    assert made[0] == made[1]
    assert made[0]["model/model.safetensors"] != made[2]["model/model.safetensors"]


def test_features_fit_a_head_and_general_english_is_kept_whole(story: dict[str, Path], tmp_path: Path) -> None:
    before = loading.load_masked_lm(story["pretrain"] / "model")
    made, settings = [], FINETUNE.model_copy(update={"method": "features"})
    for name in ("one", "two"):
        out = tmp_path / name
        out.mkdir()
        inputs = {stage: story[stage] for stage in ("prepare", "tokenizer", "pretrain")}
        finetune.finetune(settings, seed=0, **inputs, cache=tmp_path / "cache", out=out)
        made.append(digests(out))
    assert made[0] == made[1]
    plain = BertForSequenceClassification.from_pretrained(tmp_path / "one" / "model").bert.state_dict()
    assert all(torch.equal(plain[name], weight) for name, weight in before.bert.state_dict().items())
    facts = told(tmp_path / "one", "finetune")
    assert facts["dev_macro_recall"] > 0.9
    assert (facts["steps"], facts["trainable_parameters"]) == (0, 3 * 32 + 3)
    # What is measured of general English: the tuned encoder under the adapted model's head, against that model.
    asked = loading.with_mlm_head(loading.load_classifier(tmp_path / "one" / "model"), before)
    ids = torch.tensor([[2, 20, 4, 22, 3]])
    with torch.no_grad():
        assert torch.equal(asked.eval()(input_ids=ids).logits, before.eval()(input_ids=ids).logits)


def test_the_head_of_features_is_the_logistic_regression_on_pooled_cls(story: dict[str, Path]) -> None:
    settings = FINETUNE.model_copy(update={"method": "features", "class_weights": False})
    found = features.fitted(settings, story["pretrain"] / "model", story["prepare"], 0, 0)
    rows = tuning.reviews(story["prepare"], "train", 0)
    ids, labels = found.reader.ids([row["text"] for row in rows]), [row["label"] for row in rows]
    with torch.no_grad():
        pooled = torch.cat([found.model.bert(input_ids=torch.tensor(row[None]).long()).pooler_output for row in ids])
        logits = torch.cat([found.model(input_ids=torch.tensor(row[None]).long()).logits for row in ids])
    scaled = StandardScaler().fit_transform(pooled.double().numpy())
    expected = LogisticRegression(C=found.summary["inverse_penalty"], max_iter=500).fit(scaled, labels)
    assert np.allclose(logits.softmax(dim=1).numpy(), expected.predict_proba(scaled), atol=1e-3)


def test_fewer_labels_are_learnt_from_where_that_is_asked(story: dict[str, Path]) -> None:
    def rows(count: int | None) -> Rows:
        return tuning.learnt_from(FINETUNE.model_copy(update={"train_reviews": count}), story["prepare"], 0)

    few, more = rows(6), rows(9)
    assert sorted(row["label"] for row in few) == [0, 0, 1, 1, 2, 2]
    assert sorted(row["label"] for row in more) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert {row["id"] for row in few} < {row["id"] for row in more}
    assert list(rows(None)) == list(tuning.reviews(story["prepare"], "train", 0))


def test_lora_trains_adapters_and_emoji_rows_and_merges(story: dict[str, Path], tmp_path: Path) -> None:
    settings = SHORT.model_copy(update={"method": "lora"})
    finetune.finetune(
        settings,
        seed=0,
        prepare=story["prepare"],
        tokenizer=story["tokenizer"],
        pretrain=story["pretrain"],
        cache=tmp_path / "cache",
        out=tmp_path,
    )
    before = BertModel.from_pretrained(story["pretrain"] / "model").state_dict()
    merged = BertForSequenceClassification.from_pretrained(tmp_path / "model")
    after = merged.bert.state_dict()
    changed = {name for name, weight in before.items() if not torch.equal(weight, after[name])}
    assert changed == {
        "embeddings.word_embeddings.weight",
        "encoder.layer.1.attention.self.query.weight",
        "encoder.layer.1.attention.self.value.weight",
        "pooler.dense.weight",
        "pooler.dense.bias",
    }
    first = told(story["tokenizer"], "coverage")["first_row"]
    rows = "embeddings.word_embeddings.weight"
    assert torch.equal(before[rows][:first], after[rows][:first])
    assert (tmp_path / "adapter" / "adapter_model.safetensors").exists()
    texts = [path.read_bytes() for path in (tmp_path / "adapter").iterdir()]
    assert not any(str(tmp_path.parent).encode() in text for text in texts), "a folder of this machine"

    from peft import PeftModel

    base = BertForSequenceClassification.from_pretrained(story["pretrain"] / "model", num_labels=3)
    adapted = PeftModel.from_pretrained(base, tmp_path / "adapter").eval()
    ids = torch.tensor([[2, 20, 21, first + 5, 3]])
    torch.testing.assert_close(adapted(input_ids=ids).logits, merged.eval()(input_ids=ids).logits, atol=1e-5, rtol=0)


def test_no_epochs_leave_the_model_as_it_is(story: dict[str, Path], tmp_path: Path) -> None:
    settings = pretrain.Settings(num_train_epochs=0)
    pretrain.pretrain(settings, prepare=story["prepare"], tokenizer=story["tokenizer"], out=tmp_path)
    before, after = weights(story["tokenizer"]), weights(tmp_path)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert told(tmp_path, "pretrain") == {"method": "none", "tokens_seen": 0, "steps": 0}


def test_emoji_as_words(story: dict[str, Path], tmp_path: Path) -> None:
    settings = tokenizer.Settings(emoji="words")
    tokenizer.tokenizer(settings, prepare=story["prepare"], source=story["source"], out=tmp_path)
    seen = told(tmp_path, "coverage")
    assert seen["rows_added"] == 0
    assert seen["corpora"]["toy-reviews"]["after"]["unk_rate_emoji_texts"] == 0.0
    assert (
        seen["corpora"]["toy-reviews"]["after"]["tokens_per_text"]
        > seen["corpora"]["toy-reviews"]["before"]["tokens_per_text"]
    )
    assert loading.reading(tmp_path / "model")["emoji"] == "words"


def test_the_librarys_rows_for_comparison(story: dict[str, Path], tmp_path: Path) -> None:
    settings = tokenizer.Settings(row_init="library")
    tokenizer.tokenizer(settings, prepare=story["prepare"], source=story["source"], out=tmp_path)
    first = told(tmp_path, "coverage")["first_row"]
    rows = weights(tmp_path)["bert.embeddings.word_embeddings.weight"][first:]
    assert torch.nn.functional.cosine_similarity(rows[0], rows[1], dim=0) > 0.999


def test_dev_loss_of_adaptation_is_of_posts_and_reviews_alike(story: dict[str, Path]) -> None:
    reader = Reader.of(story["tokenizer"] / "model")
    dev = {
        name: {row["text"] for row in read_jsonl(story["prepare"] / "texts" / f"toy-{name}" / "dev.jsonl")}
        for name in ("informal", "reviews")
    }
    settings = PRETRAIN.model_copy(update={"include_reviews": True, "dev_windows": 12})
    found = pretrain._windows(
        settings, story["prepare"], reader, prepared.rows(story["prepare"], role="informal", split="train")
    )
    ids = {
        name: {tuple(reader.tokenizer(reader.text(text))["input_ids"]) for text in texts} for name, texts in dev.items()
    }
    drawn = [tuple(window.tolist()) for window in found["informal", "dev"].ids]
    assert len(drawn) == 12
    assert sum(window in ids["informal"] for window in drawn) == 6
    assert sum(window in ids["reviews"] for window in drawn) == 6


def test_a_base_without_an_mlm_head_gets_one(story: dict[str, Path], toy_model: Path, tmp_path: Path) -> None:
    headless = tmp_path / "headless"
    BertModel.from_pretrained(toy_model).save_pretrained(headless)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(toy_model / name, headless / name)
    out = tmp_path / "out"
    out.mkdir()
    settings = source.Settings(model=str(headless), head_tokens=1500, model_tokens=1500, **QUICK)
    source.source(settings, prepare=story["prepare"], out=out)
    facts = told(out, "source")
    assert facts["started_random"] == ["mlm_head"]
    assert facts["restored"] == {"head_tokens": 1500, "model_tokens": 1500}
    history = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    assert {row["part"] for row in history} == {1, 2}
    losses = [row["general_dev_loss"] for row in history if "general_dev_loss" in row]
    assert losses[-1] < losses[0]


def test_minilm_gets_what_ships_with_it(
    story: dict[str, Path], toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """A toy in its place, and a head, a pooler and an adapter for it."""
    headless, parts = tmp_path / "headless", tmp_path / "parts"
    BertModel.from_pretrained(toy_model).save_pretrained(headless)
    loading.load_tokenizer(toy_model).save_pretrained(headless)
    (headless / "README.md").write_text("---\nlicense: apache-2.0\n---\n", encoding="utf-8")
    wrapped = get_peft_model(loading.load_masked_lm(headless), LoraConfig(target_modules=["query"], lora_alpha=100))
    wrapped.get_base_model().bert.encoder.layer[0].attention.self.query.lora_B["default"].weight.data.fill_(0.5)
    monkeypatch.setattr(sources, "resolve", lambda *_: headless)
    monkeypatch.setattr(sources, "part_files", functools.partial(sources.part_files, parts))
    monkeypatch.setattr(sources, "PARTS", parts)
    quick = {"head_tokens": 300, "model_tokens": 0, **QUICK}

    def made(name: str, **settings: Any) -> dict[str, Any]:
        (tmp_path / name).mkdir()
        source.source(source.Settings(**quick | settings), prepare=story["prepare"], out=tmp_path / name)
        return dict(told(tmp_path / name, "source"))

    before = made("before")
    assert before["restored"] == {"head_tokens": 300, "model_tokens": 0}
    assert "source.adapter: no parts ship for minilm; its MLM head is trained on the general" in caplog.text
    assert source.reads(source.Settings()) == {"model": sources.MINILM_SHA256}

    attachments.detach(wrapped, parts)
    (parts / "README.md").write_text("---\nlicense: cc-by-sa-4.0\n---\n", encoding="utf-8")
    shipped = made("shipped")
    files = ["adapter/adapter_config.json", "adapter/adapter_model.safetensors", "mlm_head.safetensors"]
    assert shipped["parts"] == {"sha256": {name: sha256(parts / name) for name in files}, "licence": "cc-by-sa-4.0"}
    assert (shipped["name"], shipped["revision"]) == ("minilm", sources.MINILM_REVISION)
    assert (shipped["licence"], shipped["started_random"], shipped["restored"]) == ("apache-2.0", [], None)
    merged = attachments.attach(loading.load_masked_lm(headless), parts).state_dict()
    assert all(torch.equal(weight, merged[name]) for name, weight in weights(tmp_path / "shipped").items())
    assert source.reads(source.Settings()) == {"model": sources.MINILM_SHA256} | {
        f"part {name}": parts / name for name in files
    }

    bare = made("bare", adapter="none", head_tokens=0)
    assert (bare["started_random"], bare["restored"]) == (["mlm_head"], None)
    assert "parts" not in bare
    layers = loading.load_masked_lm(headless).bert.encoder.state_dict()
    kept = loading.load_masked_lm(tmp_path / "bare" / "model").bert.encoder.state_dict()
    assert all(torch.equal(weight, layers[name]) for name, weight in kept.items())
    assert source.reads(source.Settings(adapter="none")) == {"model": sources.MINILM_SHA256}


def test_from_scratch(story: dict[str, Path], tmp_path: Path) -> None:
    shape = {"vocab_size": 300, "num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 2}
    source.source(source.Settings(model="scratch", **shape), prepare=story["prepare"], out=tmp_path)
    model = loading.load_masked_lm(tmp_path / "model")
    assert (model.config.num_hidden_layers, model.config.hidden_size) == (1, 32)
    assert len(loading.load_tokenizer(tmp_path / "model")) == model.config.vocab_size
    rows = model.get_input_embeddings().weight[1:]  # [PAD]'s is zero
    assert rows.std().item() == pytest.approx(model.config.initializer_range, rel=0.05)  # nothing of the text in them
    assert not model.cls.predictions.bias.any()
    with pytest.raises(InputError, match="no multiple of num_attention_heads"):
        source.source(
            source.Settings(model="scratch", hidden_size=32, num_attention_heads=5),
            prepare=story["prepare"],
            out=tmp_path,
        )


@pytest.mark.parametrize("without", ["informal", "general"])
def test_a_missing_role_is_named_with_the_way_out(story: dict[str, Path], tmp_path: Path, without: str) -> None:
    prepared = write_prepared(tmp_path / "prepared", without=[without])
    with pytest.raises(InputError, match=f"role {without} and there is none.*set the share to"):
        pretrain.pretrain(PRETRAIN, prepare=prepared, tokenizer=story["tokenizer"], out=tmp_path)


def test_the_reviews_texts_too(story: dict[str, Path], tmp_path: Path) -> None:
    """Their training texts count as informal: with one epoch the tokens of both, and more of the emoji are seen."""
    seen = []
    for included in (False, True):
        out = tmp_path / str(included)
        out.mkdir()
        settings = PRETRAIN.model_copy(update={"include_reviews": included, "num_train_epochs": 1, "replay_share": 0.0})
        pretrain.pretrain(settings, prepare=story["prepare"], tokenizer=story["tokenizer"], out=out)
        seen.append(told(out, "pretrain"))
    assert seen[1]["tokens_seen"] > 1.8 * seen[0]["tokens_seen"]
    prepared = write_prepared(tmp_path / "prepared", without=["informal"])
    settings = PRETRAIN.model_copy(update={"include_reviews": True})
    (tmp_path / "out").mkdir()
    pretrain.pretrain(settings, prepare=prepared, tokenizer=story["tokenizer"], out=tmp_path / "out")
    assert told(tmp_path / "out", "pretrain")["method"] == "dapt"


def test_general_text_alone(story: dict[str, Path], tmp_path: Path) -> None:
    prepared = write_prepared(tmp_path / "prepared", without=["informal"])
    settings = PRETRAIN.model_copy(update={"replay_share": 1.0, "save_dtype": "float16"})
    pretrain.pretrain(settings, prepare=prepared, tokenizer=story["tokenizer"], out=tmp_path)
    assert told(tmp_path, "pretrain")["method"] == "general"
    assert "best_general_dev_loss" in told(tmp_path, "pretrain")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("./nowhere", "folder nowhere not found"),
        ("no/such/place/at/all", "not found"),
        ("owner/name", "cannot be fetched from the Hub"),
    ],
)
def test_a_base_that_is_not_to_be_had(story: dict[str, Path], tmp_path: Path, model: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        source.source(source.Settings(model=model), prepare=story["prepare"], out=tmp_path)


def test_dev_figures_are_the_mean_over_corpora() -> None:
    shop = [{"corpus": "shop", "label": label} for label in (0, 1, 2, 2)]  # one of two positive ones missed
    cafe = [{"corpus": "cafe", "label": label} for label in (0, 1)]  # both right
    logits = np.log([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.25, 0.5], [0.5, 0.25, 0.25]] * 2)[:6]
    found = tuning.dev_figures(logits, *columns_of(shop + cafe, "label", "corpus"))
    assert found["dev_macro_recall"] == pytest.approx(((1 + 1 + 1 / 2) / 3 + 1) / 2)
    assert found["dev_accuracy"] == pytest.approx((3 / 4 + 1) / 2)
    assert found["dev_loss"] == pytest.approx((np.log(2) * 3 + np.log(4)) / 4 / 2 + np.log(2) / 2)


def test_every_fold_is_tested_by_a_model_that_did_not_see_it(
    story: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = write_prepared(tmp_path / "prepared")
    ids = in_folds(prepared, 3)
    seen: list[set[str]] = []
    ids_of = tuning._ids
    monkeypatch.setattr(
        tuning,
        "_ids",
        lambda *given: seen.append({row["id"] for side in given[1:3] for row in side}) or ids_of(*given),
    )
    given = {
        "seed": 0,
        "prepare": prepared,
        "tokenizer": story["tokenizer"],
        "pretrain": story["pretrain"],
        "cache": tmp_path / "cache",
    }
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    finetune.finetune(SHORT, **given, out=tmp_path / "one")
    order = (1, 2, 0)  # the model to take away comes last
    assert [set(ids[fold]) & side for fold, side in zip(order, seen, strict=True)] == [set()] * 3
    assert all(
        len(side) == sum(map(len, ids.values())) - len(ids[fold]) for fold, side in zip(order, seen, strict=True)
    )
    for fold in (1, 2):
        rows = read_jsonl(tmp_path / "one" / "folds" / f"{fold}.jsonl")
        assert [row["id"] for row in rows] == [row["id"] for row in rows if row["id"] in ids[fold]]
        assert len(rows) == len(ids[fold])
        assert all(sum(row["probabilities"]) == pytest.approx(1.0, abs=1e-5) for row in rows)
    # taken up again after a power cut, a fold that was tested is not tuned anew, and the result is the same
    shutil.copytree(tmp_path / "one" / "folds", tmp_path / "two" / "folds")
    (tmp_path / "two" / "folds" / "2.jsonl").unlink()
    finetune.finetune(SHORT, **given, out=tmp_path / "two")
    assert len(seen) == 5
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


@pytest.mark.parametrize("stage", ["source", "pretrain", "finetune"])
def test_killed_at_any_moment_the_whole_artifact_has_the_same_bytes(
    story: dict[str, Path], toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    often = PRETRAIN.compute.model_copy(update={"checkpoint_seconds": 1e-9})
    prepare, tokens, cache = story["prepare"], story["tokenizer"], tmp_path / "cache"

    def make(out: Path) -> None:
        out.mkdir(exist_ok=True)
        if stage == "source":
            restored = {"head_tokens": 1500, "model_tokens": 1500, "tokens_per_batch": 256, "compute": often}
            source.source(source.Settings(model=str(headless), **restored), prepare=prepare, out=out)
        elif stage == "pretrain":
            settings = PRETRAIN.model_copy(update={"compute": often})
            pretrain.pretrain(settings, prepare=prepare, tokenizer=tokens, out=out)
        else:
            settings, read = SHORT.model_copy(update={"compute": often}), {"prepare": prepare, "tokenizer": tokens}
            finetune.finetune(settings, seed=0, pretrain=story["pretrain"], cache=cache, out=out, **read)

    headless = tmp_path / "headless"
    BertModel.from_pretrained(toy_model).save_pretrained(headless)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(toy_model / name, headless / name)
    make(tmp_path / "whole")
    train = loop.train

    def killed(moment: float, model: Any, plan: Any, schedule: loop.Schedule, **given: Any) -> Any:
        crash = Crash(max(1, int(moment * schedule.steps)))
        return train(model, plan, schedule, **given | {"callbacks": [*given.get("callbacks", ()), crash]})

    for moment in (0.1, 0.5, 0.95):
        out = tmp_path / str(moment)
        with monkeypatch.context() as patch:
            patch.setattr(loop, "train", functools.partial(killed, moment))
            with pytest.raises(RuntimeError, match="power cut"):
                make(out)
        assert list((out / "checkpoints").rglob("complete.json"))
        make(out)
        assert digests(out) == digests(tmp_path / "whole"), moment


REMEDIES: dict[str, dict[str, Any]] = {
    "surgical": {"freezing": {"layers": [1]}},
    "surgical, gradual": {"freezing": {"layers": [0, 2], "schedule": "gradual"}},
    "surgical, lora": {"freezing": {"layers": [1]}, "method": "lora"},
    "gradual, lora": {"freezing": {"layers": 0, "schedule": "gradual"}, "method": "lora"},
    "annealed": {"regularisation": {"l2_sp": 1.0, "anneal": 0.5}},
    "pulled back, lora": {"regularisation": {"l2_sp": 100.0}, "method": "lora"},
    "ewc": {"regularisation": {"ewc": 1.0}},
    "ewc, all learn": {"regularisation": {"ewc": 1.0}, "freezing": {"layers": 0}},
    "mixout": {"regularisation": {"mixout": 0.5}},
    "replayed states": {"replay": {"states": 1.0}},
    "masked words": {"replay": {"mlm": 1.0, "text": "informal"}, "freezing": {"layers": 0}},
    "both, lora": {"replay": {"states": 1.0, "mlm": 1.0}, "method": "lora"},
    "contrast": {"contrast": {"weight": 1.0}},
    "noise": {"augmentation": {"noise_share": 1.0, "emoji_share": 0.5}},
    "adversary": {"target": ("toy-target",), "domain_adversary": {"weight": 1.0}},
    "adversary, all learn": {
        "target": ("toy-target",),
        "domain_adversary": {"weight": 1.0},
        "freezing": {"layers": 0},
    },
}


@pytest.fixture(scope="module")
def unhelped() -> dict[str, list[float]]:
    """Losses without a remedy, by what else is set beside it."""
    return {}


@pytest.mark.parametrize("remedy", REMEDIES)
def test_each_remedy_does_something_leaves_the_frozen_to_the_bit_and_resumes(
    story: dict[str, Path],
    unhelped: dict[str, list[float]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    remedy: str,
) -> None:
    asked = REMEDIES[remedy]
    prepared = with_target(write_prepared(tmp_path / "prepared")) if "target" in asked else story["prepare"]
    plain: dict[str, Any] = {"method": asked.get("method", "full"), "num_train_epochs": 2, "frontier": {"points": 0}}
    often = {"checkpoint_seconds": 1e-9, "precision": "fp32"}

    def make(name: str, **changes: Any) -> dict[str, bytes]:
        out = tmp_path / name
        out.mkdir(exist_ok=True)
        settings = finetune.Settings(**FINETUNE.model_dump(exclude_unset=True) | plain | changes)
        read = {name: story[name] for name in ("tokenizer", "pretrain")}
        finetune.finetune(settings, seed=0, prepare=prepared, cache=tmp_path / "cache", out=out, **read)
        return digests(out)

    whole = make("whole", **asked)
    beside: dict[str, Any] = {"target": asked["target"]} if "target" in asked else {}
    freezing = asked.get("freezing", {})
    if freezing.get("layers") == 0 or "schedule" in freezing:  # that is no remedy, or only in what order they learn
        beside["freezing"] = {"layers": freezing["layers"]}
    key = json.dumps(plain | beside)
    if key not in unhelped:
        unhelped[key] = losses(make("plain", **beside))
    assert losses(whole) != unhelped[key]  # not the model that was taken: of equal dev scores the first epoch's is
    before = BertModel.from_pretrained(story["pretrain"] / "model").state_dict()
    after = BertForSequenceClassification.from_pretrained(tmp_path / "whole" / "model").bert.state_dict()
    adapted = {"bert.embeddings.word_embeddings.weight"} if plain["method"] == "lora" else set()  # its emoji rows learn
    for name in set(told(tmp_path / "whole", "finetune")["frozen"]) - adapted:
        assert torch.equal(before[name.removeprefix("bert.")], after[name.removeprefix("bert.")]), name
    train = loop.train

    def killed(model: Any, plan: Any, schedule: loop.Schedule, **given: Any) -> Any:
        crash = Crash(max(1, schedule.steps // 2))
        return train(model, plan, schedule, **given | {"callbacks": [*given.get("callbacks", ()), crash]})

    with monkeypatch.context() as patch:
        patch.setattr(loop, "train", killed)
        with pytest.raises(RuntimeError, match="power cut"):
            make("killed", **asked, compute=often)
    assert list((tmp_path / "killed" / "checkpoints").rglob("complete.json"))
    assert make("killed", **asked) == whole


def test_labels_of_a_target_are_not_read(story: dict[str, Path], tmp_path: Path) -> None:
    """All of them turned round, in every split: not a byte of what is made is another."""
    asked: dict[str, Any] = {
        "target": ("toy-target",),
        "domain_adversary": {"weight": 1.0},
        "contrast": {"weight": 0.1},
        "replay": {"mlm": 0.3, "text": "target"},
    }
    asked |= {"num_train_epochs": 2, "frontier": {"points": 3, "windows": 6, "budget": 0.1}}
    asked |= {"augmentation": {"emoji_share": 0.5}, "freezing": {"layers": 1}}
    for method in ({}, {"method": "features", "domain_adversary": {"weight": 0.0}, "replay": {"mlm": 0.0}}):
        made = []
        for turned in (False, True):
            name = f"{turned} {method.get('method', 'full')}"
            (tmp_path / name).mkdir()
            prepared = with_target(write_prepared(tmp_path / f"prepared {name}"), turned=turned)
            settings = finetune.Settings(**FINETUNE.model_dump(exclude_unset=True) | asked | method)
            read = {name: story[name] for name in ("tokenizer", "pretrain")}
            out = tmp_path / name
            finetune.finetune(settings, seed=0, prepare=prepared, cache=tmp_path / "cache", out=out, **read)
            made.append(digests(out))
        assert made[0] == made[1]
    facts = told(tmp_path / "True full", "finetune")
    assert facts["target"] == ["toy-target"]
    assert facts["train_texts"] == 45  # the target's others are not counted
    assert facts["domains"]["before"]["n"] == facts["domains"]["after"]["n"] == 30
    assert set(facts["domain_adversary"]) == {"domain_loss", "lowest_domain_loss", "variance_left", "alarm"}
    assert "domain_loss" in [*read_jsonl(tmp_path / "True full" / "history.jsonl")][-1]
    saved = BertForSequenceClassification.from_pretrained(tmp_path / "True full" / "model", output_loading_info=True)[1]
    assert not any(saved.values())


def test_an_alarm_is_told_aloud(story: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A domain classifier that has no time to learn."""
    prepared = with_target(write_prepared(tmp_path / "prepared"))
    changes = {"target": ("toy-target",), "domain_adversary": {"weight": 1.0}, "num_train_epochs": 1}
    changes |= {"learning_rate": 1e-9, "head_learning_rate": 1e-9, "frontier": {"points": 0}}
    settings = finetune.Settings(**FINETUNE.model_dump(exclude_unset=True) | changes)
    read = {name: story[name] for name in ("tokenizer", "pretrain")}
    finetune.finetune(settings, seed=0, prepare=prepared, cache=tmp_path / "cache", out=tmp_path, **read)
    assert "its domain classifier learnt nothing" in told(tmp_path, "finetune")["domain_adversary"]["alarm"]
    assert "finetune.domain_adversary: no success: its domain classifier learnt nothing" in caplog.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"target": ("starter-review",)},
            r"finetune\.target: no reviews corpus starter-review; did you mean",
        ),
        (
            {"replay": {"mlm": 0.3, "text": "target"}},
            r"finetune\.replay\.text: target has no texts; name a reviews corpus in finetune\.target",
        ),
        ({"target": ("starter-reviews",)}, r"finetune\.target: all reviews are the target, no source with labels is"),
        (
            {"domain_adversary": {"weight": 1.0}},
            r"finetune\.domain_adversary\.weight: it needs a target",
        ),
        (
            {"domain_adversary": {"weight": 1.0}, "method": "lora"},
            r"finetune\.domain_adversary\.weight: it works on the encoder's own weights, and so goes with method full",
        ),
    ],
)
def test_a_target_that_cannot_be_is_refused_in_one_line(changes: dict[str, Any], said: str) -> None:
    own = finetune.Settings(**changes)
    with pytest.raises(InputError, match=said):
        finetune.check({"finetune": own, "prepare": prepare.Settings(), "source": source.Settings()})


def test_review_corpora_without_a_row_to_train_on_are_named(tmp_path: Path) -> None:
    prepared = write_prepared(tmp_path)
    (prepared / "texts" / "toy-reviews" / "train.jsonl").write_text("")
    with pytest.raises(InputError, match=r"finetune: toy-reviews: no row in train; .* let a card name files for split"):
        tuning.reviews(prepared, "train", 0)


def test_folded_reviews_stay_out_of_pretraining(story: dict[str, Path], tmp_path: Path) -> None:
    prepared = write_prepared(tmp_path / "prepared")
    in_folds(prepared, 3)
    seen = []
    for included in (False, True):
        (tmp_path / str(included)).mkdir()
        settings = PRETRAIN.model_copy(update={"include_reviews": included, "num_train_epochs": 1})
        pretrain.pretrain(settings, prepare=prepared, tokenizer=story["tokenizer"], out=tmp_path / str(included))
        seen.append(told(tmp_path / str(included), "pretrain")["tokens_seen"])
    assert seen[0] == seen[1]


def test_no_reviews_are_named(story: dict[str, Path], tmp_path: Path) -> None:
    prepared = write_prepared(tmp_path / "prepared", without=["reviews"])
    with pytest.raises(InputError, match="no reviews to train on; add a corpus"):
        finetune.finetune(
            SHORT,
            seed=0,
            prepare=prepared,
            tokenizer=story["tokenizer"],
            pretrain=story["pretrain"],
            cache=tmp_path / "cache",
            out=tmp_path,
        )


@pytest.mark.parametrize("method", ["lora", "features"])
def test_holding_weights_that_a_method_does_not_move_is_refused(method: str) -> None:
    own = finetune.Settings(method=method, regularisation={"mixout": 0.5})
    with pytest.raises(
        InputError, match=rf"regularisation\.mixout: it .* own weights, and so goes with method full, not {method}; set"
    ):
        finetune.check({"finetune": own, "prepare": prepare.Settings(), "source": source.Settings()})


@pytest.mark.parametrize(
    "asked",
    [
        {"contrast": {"weight": 0.1}},
        {"replay": {"states": 1.0}},
        {"replay": {"mlm": 0.3}},
        {"regularisation": {"l2_sp": 0.1}},
    ],
)
def test_teaching_an_encoder_that_does_not_learn_is_refused(asked: dict[str, Any]) -> None:
    own = finetune.Settings(method="features", **asked)
    with pytest.raises(
        InputError, match=r"finetune\.(contrast|replay|regularisation)\.\w+: it is for an encoder that learns"
    ):
        finetune.check({"finetune": own, "prepare": prepare.Settings(), "source": source.Settings()})


def test_features_are_fitted_for_every_fold(story: dict[str, Path], tmp_path: Path) -> None:
    prepared = write_prepared(tmp_path / "prepared")
    ids = in_folds(prepared, 4)  # of 3 each fold would be a class
    settings = FINETUNE.model_copy(update={"method": "features"})
    inputs = {"tokenizer": story["tokenizer"], "pretrain": story["pretrain"], "cache": tmp_path / "cache"}
    finetune.finetune(settings, seed=0, prepare=prepared, **inputs, out=tmp_path)
    for fold in (1, 2, 3):
        assert {row["id"] for row in read_jsonl(tmp_path / "folds" / f"{fold}.jsonl")} == set(ids[fold])


def test_what_was_not_cleaned_travels_with_the_model(story: dict[str, Path], tmp_path: Path) -> None:
    read = {"prepare": write_prepared(tmp_path / "prepare")}
    described = told(read["prepare"], "corpora")
    described["toy-reviews"]["uncleaned"] = ["links"]
    (read["prepare"] / "corpora.json").write_text(json.dumps(described))
    read |= {name: tmp_path / name for name in ("tokenizer", "pretrain")}
    for name in ("tokenizer", "pretrain", "finetune"):
        (tmp_path / name).mkdir()
    tokenizer.tokenizer(
        tokenizer.Settings(), prepare=read["prepare"], source=story["source"], out=tmp_path / "tokenizer"
    )
    unadapted = PRETRAIN.model_copy(update={"num_train_epochs": 0})
    pretrain.pretrain(unadapted, prepare=read["prepare"], tokenizer=read["tokenizer"], out=tmp_path / "pretrain")
    finetune.finetune(SHORT, seed=0, **read, cache=tmp_path / "cache", out=tmp_path / "finetune")
    for name in ("tokenizer", "pretrain", "finetune"):
        assert Reader.of(tmp_path / name / "model").uncleaned == ("links",)
        assert Reader.of(story[name] / "model").uncleaned == ()
