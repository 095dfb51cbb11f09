"""Each task as people write it with other libraries: plain Trainer with standard collators, minicons, Dataset.map.

Same model, texts, batch size, epochs, optimizer, rates and precision as ours; evaluated as often, the best state kept.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.benchmarks.spec import Spec, Told, Work


def _dataset(spec: Spec, role: str, split: str) -> Any:
    from datasets import Dataset

    from pipeline.common.files import read_jsonl

    rows = read_jsonl(spec.folder / "prepare" / "texts" / role / f"{split}.jsonl")
    columns = ("text", "label") if role == "reviews" else ("text",)
    return Dataset.from_dict({name: [row[name] for row in rows] for name in columns})


def _tokenised(spec: Spec, role: str, tokenizer: Any) -> tuple[Any, Any]:
    def encode(batch: Any) -> Any:
        return tokenizer(batch["text"], truncation=True, max_length=spec.max_length)

    train, dev = (
        _dataset(spec, role, split).map(encode, batched=True, remove_columns="text") for split in ("train", "dev")
    )
    return train, dev


def _arguments(spec: Spec, place: str, metric: str, warmup: float) -> Any:
    import torch
    from transformers import TrainingArguments

    from pipeline.learning.loop import use_bf16

    return TrainingArguments(
        output_dir=place,
        per_device_train_batch_size=spec.batch_size,
        per_device_eval_batch_size=spec.batch_size,
        num_train_epochs=spec.epochs,
        learning_rate=spec.learning_rate,
        weight_decay=0.01,
        warmup_steps=warmup,
        train_sampling_strategy="group_by_length" if spec.side == "b" else "random",
        eval_strategy="epoch",
        save_strategy="best",
        metric_for_best_model=metric,
        load_best_model_at_end=True,
        save_total_limit=2,
        bf16=use_bf16(spec.precision),
        use_cpu=not torch.cuda.is_available(),
        seed=spec.seed,
        disable_tqdm=True,
        log_level="error",
        report_to="none",
    )


def tune(spec: Spec) -> Work:
    """``BertForSequenceClassification`` with the first layers' gradients off."""
    import torch
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        set_seed,
    )

    from pipeline.measuring.statistics.classification import confusion, macro_recall

    def compute_metrics(found: Any) -> dict[str, float]:
        matrix = confusion(found.label_ids, found.predictions.argmax(axis=1))
        return {"macro_recall": float(macro_recall(matrix.astype(float)))}

    def work() -> Told:
        set_seed(spec.seed)
        tokenizer = AutoTokenizer.from_pretrained(spec.model)
        model = AutoModelForSequenceClassification.from_pretrained(spec.model, num_labels=3, dtype=torch.float32)
        if spec.frozen:
            model.bert.embeddings.requires_grad_(False)
            model.bert.encoder.layer[: spec.frozen].requires_grad_(False)
        train, dev = _tokenised(spec, "reviews", tokenizer)
        with TemporaryDirectory() as place:
            trainer = Trainer(
                model=model,
                args=_arguments(spec, place, "macro_recall", 0.1),
                train_dataset=train,
                eval_dataset=dev,
                data_collator=DataCollatorWithPadding(tokenizer),
                compute_metrics=compute_metrics,
            )
            trainer.train()
        return {"updates": trainer.state.global_step, "dev_macro_recall": trainer.state.best_metric}

    return work


def dapt(spec: Spec) -> Work:
    """``BertForMaskedLM`` with ``DataCollatorForLanguageModeling``, a post a row."""
    import torch
    from transformers import (
        AutoModelForMaskedLM,
        AutoTokenizer,
        DataCollatorForLanguageModeling,
        Trainer,
        set_seed,
    )

    def work() -> Told:
        set_seed(spec.seed)
        tokenizer = AutoTokenizer.from_pretrained(spec.model)
        model = AutoModelForMaskedLM.from_pretrained(spec.model, dtype=torch.float32)
        train, dev = _tokenised(spec, "informal", tokenizer)
        with TemporaryDirectory() as place:
            trainer = Trainer(
                model=model,
                args=_arguments(spec, place, "loss", 0.06),
                train_dataset=train,
                eval_dataset=dev,
                data_collator=DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15),
            )
            trainer.train()
            trainer.save_model(str(Path(place) / "model"))
        return {"updates": trainer.state.global_step}

    return work


def minicons_pairs(spec: Spec) -> Work:
    """Sentence by sentence, which is how minicons still works with today's transformers."""
    from minicons.scorer import MaskedLMScorer

    sentences = json.loads((spec.folder / "sentences.json").read_text(encoding="utf-8"))

    def work() -> Told:
        scorer = MaskedLMScorer(str(spec.model), "cpu")
        for sentence in sentences:
            encoded = scorer.tokenizer([sentence], return_tensors="pt")
            scorer.sequence_score(encoded, reduction=lambda scores: scores.sum(0).item(), PLL_metric="within_word_l2r")
        return {}

    return work


def plain_pairs(spec: Spec) -> Work:
    """Salazar et al. 2020 as it is written down: a copy of the sentence for each of its pieces, that piece hidden."""
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    sentences = json.loads((spec.folder / "sentences.json").read_text(encoding="utf-8"))

    @torch.inference_mode()
    def work() -> Told:
        tokenizer = AutoTokenizer.from_pretrained(spec.model)
        model = AutoModelForMaskedLM.from_pretrained(spec.model, dtype=torch.float32).eval()
        for sentence in sentences:
            ids = tokenizer(sentence, return_tensors="pt")["input_ids"]
            places = torch.arange(1, ids.shape[1] - 1)
            copies = ids.repeat(len(places), 1)
            copies[torch.arange(len(places)), places] = tokenizer.mask_token_id
            logits = model(input_ids=copies).logits.log_softmax(dim=-1)
            float(logits[torch.arange(len(places)), places, ids[0, places]].sum())
        return {}

    return work


def predict(spec: Spec) -> Work:
    """A pipeline over a list of texts, as it is documented; nothing is cleaned, read from a file or written."""
    from transformers import pipeline

    from pipeline.common.files import read_jsonl

    texts = [row["text"] for row in read_jsonl(spec.folder / "predict.jsonl")]

    def work() -> Told:
        classify = pipeline("text-classification", str(spec.folder / "classifier"), device=-1)
        list(classify(texts, batch_size=32, truncation=True, max_length=spec.max_length))
        return {}

    return work


def tokenise(spec: Spec) -> Work:
    """``Dataset.map``: text by text, or (b) in batches."""
    from datasets import Dataset
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(spec.model)
    lines = json.loads((spec.folder / "lines.json").read_text(encoding="utf-8"))

    def encode(part: Any) -> Any:
        return tokenizer(part["text"], truncation=True, max_length=spec.max_length)

    def work() -> Told:
        Dataset.from_dict({"text": lines}).map(encode, batched=spec.side == "b")["input_ids"]
        return {}

    return work
