"""The exam in general English that base, adapted and tuned all sit: hidden pieces and minimal pairs, always the same.

The base's tokenizer reads the texts for all of them: grown models keep its ids and append theirs, and every softmax
runs over the base's vocabulary, so that new rows alone cost nobody a point.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from transformers import BertTokenizerFast

from pipeline.errors import InputError
from pipeline.modeling import models
from pipeline.modeling.fixed_masks import FixedMasks
from pipeline.modeling.mlm import MaskedLM
from pipeline.modeling.scoring import masked_nats, pseudo_log_likelihoods

VERSION = 1
"""Raise it when the same questions to the same weights get other answers."""
DIGITS = 4
"""Decimals kept of nats: what lies below differs between machines."""

Rows = list[dict[str, Any]]
Remember = Callable[[Any, Callable[[], Any]], Any]
"""(key, compute) -> the value of compute(), perhaps from an earlier run."""


@dataclass(frozen=True)
class Exam:
    """The questions, by corpus."""

    tokenizer: BertTokenizerFast
    masked: Mapping[str, FixedMasks]
    """General text: what is to be kept."""
    shift: Mapping[str, FixedMasks]
    """Informal text and reviews: what is to be won. Not asked of the tuned model."""
    pairs: Mapping[str, Sequence[Mapping[str, Any]]]
    """Minimal pairs: ``id``, ``good``, ``bad``, ``phenomenon``."""


Answers = dict[str, dict[str, dict[str, Rows]]]
"""model (base, adapted, tuned) -> kind of question (masked, shift, pairs) -> corpus -> rows."""


def sit(exam: Exam, folders: Mapping[str, Path], *, tokens_per_batch: int, remember: Remember) -> Answers:
    """Put the exam to the models in ``folders`` (base, adapted, tuned); the tuned encoder wears the adapted MLM head.

    Answers are remembered by weights and questions, so arms that share a model share its answers, and a model that
    has answered everything before is not even loaded.

    Raises:
        InputError: the adapted model does not keep the base's ids.
    """
    _check_ids(exam.tokenizer, folders["adapted"])
    adapted = cache(lambda: models.load_masked_lm(folders["adapted"]))
    load: dict[str, Callable[[], MaskedLM]] = {
        "base": cache(lambda: models.load_masked_lm(folders["base"])),
        "adapted": adapted,
        "tuned": cache(lambda: models.with_mlm_head(models.load_classifier(folders["tuned"]), adapted())),
    }
    weights = {name: _weights(folder) for name, folder in folders.items()}
    weights["tuned"] += weights["adapted"]
    questions = _questions(exam, tokens_per_batch)

    def answer(name: str, kind: str, corpus: str) -> Rows:
        digest, ask = questions[kind][corpus]
        found: Rows = remember([VERSION, kind, weights[name], digest], lambda: ask(load[name]()))
        return found

    return {
        name: {
            kind: {corpus: answer(name, kind, corpus) for corpus in asked}
            for kind, asked in questions.items()
            if (name, kind) != ("tuned", "shift")
        }
        for name in load
    }


Question = tuple[str, Callable[[MaskedLM], Rows]]
"""Digest of all that is asked, and how a model is asked it."""


def _questions(exam: Exam, tokens_per_batch: int) -> dict[str, dict[str, Question]]:
    size = len(exam.tokenizer)

    def cloze(masks: FixedMasks) -> Question:
        return f"{masks.digest} {size}", lambda model: [
            row | {"nats": round(row["nats"], DIGITS), "nats_full": round(row["nats_full"], DIGITS)}
            for row in masked_nats(model, masks, base_vocabulary_size=size, tokens_per_batch=tokens_per_batch)
        ]

    def grammar(pairs: Sequence[Mapping[str, Any]]) -> Question:
        asked = json.dumps([[pair["id"], pair["good"], pair["bad"], pair["phenomenon"]] for pair in pairs])
        vocabulary = exam.tokenizer.backend_tokenizer.to_str()
        digest = hashlib.sha256(f"{asked}\n{vocabulary}".encode()).hexdigest()
        return digest, lambda model: _judge_pairs(model, exam.tokenizer, pairs, tokens_per_batch)

    return {
        "masked": {corpus: cloze(masks) for corpus, masks in exam.masked.items()},
        "shift": {corpus: cloze(masks) for corpus, masks in exam.shift.items()},
        "pairs": {corpus: grammar(pairs) for corpus, pairs in exam.pairs.items()},
    }


def _judge_pairs(
    model: MaskedLM, tokenizer: BertTokenizerFast, pairs: Sequence[Mapping[str, Any]], tokens_per_batch: int
) -> Rows:
    sentences = [pair[side] for pair in pairs for side in ("good", "bad")]
    scores = pseudo_log_likelihoods(
        model, tokenizer, sentences, vocabulary_size=len(tokenizer), tokens_per_batch=tokens_per_batch
    )
    found = scores.round(DIGITS).reshape(-1, 2).tolist()
    return [
        {"id": pair["id"], "phenomenon": pair["phenomenon"], "good": good, "bad": bad}
        for pair, (good, bad) in zip(pairs, found, strict=True)
    ]


def _check_ids(base: BertTokenizerFast, adapted: Path) -> None:
    if not base.get_vocab().items() <= models.load_tokenizer(adapted).get_vocab().items():
        raise InputError(
            f"model {adapted}: it numbers tokens otherwise than the base, so what it kept of the base cannot be "
            "measured; build it from the base's own tokenizer"
        )


def _weights(folder: Path) -> list[str]:
    digests = []
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            digests.append(hashlib.file_digest(stream, "sha256").hexdigest())
    return digests
