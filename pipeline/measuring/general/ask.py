"""The exam in general English that base, adapted and tuned are asked: hidden pieces and minimal pairs, always the same.

The base's tokenizer reads the texts for all of them: grown models keep its ids and append theirs, and every softmax
runs over the base's vocabulary, so that new rows alone cost nobody a point. Adapted and tuned are asked once more
with their heads refitted on a little general text (see ``head_refit``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor
from transformers import BertTokenizerFast

from pipeline.common.cache import Remember
from pipeline.common.errors import InputError
from pipeline.common.files import digest, write_jsonl
from pipeline.measuring.general import head_refit
from pipeline.measuring.masks import FixedMasks, choose_fixed_masks
from pipeline.measuring.scoring import masked_nats, masked_states, pseudo_log_likelihoods
from pipeline.models import loading, sources
from pipeline.models.masked_lm import MaskedLM

VERSION = 2
"""Raise it when the same questions to the same weights get other answers."""
DIGITS = 4
"""Decimals kept of nats: what lies below differs between machines."""

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Exam:
    """The questions, by corpus."""

    tokenizer: BertTokenizerFast
    masked: Mapping[str, FixedMasks]
    """General text, and the good sentences of the minimal pairs: what is to be kept."""
    shift: Mapping[str, FixedMasks]
    """Informal text and reviews: what is to be won. Not asked of the tuned model."""
    pairs: Mapping[str, Sequence[Mapping[str, Any]]]
    """Minimal pairs: ``id``, ``good``, ``bad``, ``phenomenon``."""
    study: FixedMasks | None = None
    """General training text that heads are refitted on; None: none are."""


Answers = dict[str, dict[str, dict[str, Rows]]]
"""model (base, adapted, tuned, adapted_refitted, tuned_refitted) -> kind of question (masked, shift, pairs) -> corpus
-> rows; the tuned model is not asked about shift, refitted ones about hidden pieces of general text alone."""
Texts = Mapping[str, Sequence[tuple[str, str]]]
"""corpus -> (id, text)."""


def sentences_of(corpus: str) -> str:
    """The name of the slice of general text that the good sentences of a corpus of pairs make up."""
    return f"{corpus}-sentences"


def exam_of(
    tokenizer: BertTokenizerFast,
    *,
    general: Texts,
    shift: Texts,
    pairs: Mapping[str, Sequence[Mapping[str, Any]]],
    training: Sequence[tuple[str, str]],
    refit_tokens: int,
    seed: int,
    **how: Any,
) -> Exam:
    """Choose what is hidden in which texts, once for all models; corpora in which nothing can be hidden drop out.

    Args:
        training: (id, text) of general training text; ``refit_tokens`` of it are read to refit heads.
        how: ``mlm_probability``, ``max_length``, ``windows_per_document`` as ``choose_fixed_masks`` takes them.
    """
    sentences = {
        sentences_of(corpus): list({pair["good"]: (pair["id"], pair["good"]) for pair in asked}.values())
        for corpus, asked in pairs.items()
    }

    def masks(texts: Texts) -> dict[str, FixedMasks]:
        chosen = {c: choose_fixed_masks(tokenizer, rows, seed=seed, **how) for c, rows in texts.items() if rows}
        return {corpus: found for corpus, found in chosen.items() if found.windows}

    study = head_refit.study_text(tokenizer, training, tokens=refit_tokens, seed=seed, **how)
    return Exam(
        tokenizer,
        masked={**masks(general), **masks(sentences)},
        shift=masks(shift),
        pairs={corpus: asked for corpus, asked in pairs.items() if asked},
        study=study if study.windows else None,
    )


class Candidate(NamedTuple):
    """A model to ask: what tells its weights from others', how it is loaded, and what it is asked."""

    identity: list[Any]
    load: Callable[[], MaskedLM]
    states: Callable[[FixedMasks], Tensor]
    """What its encoder makes of hidden pieces, worked out once for all of its heads."""
    kinds: tuple[str, ...]


def ask_models(
    exam: Exam, folders: Mapping[str, Path], *, tokens_per_batch: int | None = None, remember: Remember
) -> Answers:
    """Ask the exam of the models in ``folders`` (base, adapted, tuned); the tuned encoder wears the adapted MLM head.

    Answers are remembered by weights and questions, so arms that share a model share its answers, and a model that
    has answered everything before is not even loaded.

    Raises:
        InputError: the adapted model does not keep the base's ids.
    """
    _check_ids(exam.tokenizer, folders["adapted"])
    questions = _questions(exam, tokens_per_batch)

    def answer(who: Candidate, kind: str) -> dict[str, Rows]:
        return {corpus: ask(who) for corpus, (_, ask) in questions[kind].items()}

    asked = {kind: {corpus: digest for corpus, (digest, _) in found.items()} for kind, found in questions.items()}
    candidates = _candidates(exam, folders, tokens_per_batch)
    wanted = [(name, kind, who) for name, who in candidates.items() for kind in who.kinds]
    found = remember(
        [([VERSION, kind, who.identity, asked[kind]], partial(answer, who, kind)) for _, kind, who in wanted]
    )
    answers: Answers = {name: {} for name, _, _ in wanted}
    for (name, kind, _), table in zip(wanted, found, strict=True):
        answers[name][kind] = {corpus: table[corpus] for corpus in questions[kind]}
    return answers


def _candidates(exam: Exam, folders: Mapping[str, Path], tokens_per_batch: int | None) -> dict[str, Candidate]:
    """The three models, and the two with refitted heads where there is text to refit them on; each loads once."""
    weights = {name: sources.weight_digests(folder) for name, folder in folders.items()}
    everything = ("masked", "shift", "pairs")

    def candidate(identity: list[Any], load: Callable[[], MaskedLM], kinds: tuple[str, ...]) -> Candidate:
        model = cache(load)
        states = cache(lambda masks: masked_states(model(), masks, tokens_per_batch=tokens_per_batch))
        return Candidate(identity, model, states, kinds)

    base, adapted = (
        candidate(weights[name], partial(loading.load_masked_lm, folders[name]), everything)
        for name in ("base", "adapted")
    )
    if weights["adapted"] == weights["base"]:
        adapted = base
    found = {
        "base": base,
        "adapted": adapted,
        "tuned": candidate(
            weights["tuned"] + weights["adapted"],
            lambda: loading.with_mlm_head(loading.load_classifier(folders["tuned"]), adapted.load()),
            ("masked", "pairs"),
        ),
    }
    for name in ("adapted", "tuned") if exam.study else ():
        found[f"{name}_refitted"] = _refitted(exam, found[name])
    return found


def _refitted(exam: Exam, who: Candidate) -> Candidate:
    assert exam.study is not None
    text, size = exam.study, len(exam.tokenizer)
    return who._replace(
        identity=[*who.identity, "refitted", head_refit.VERSION, text.digest],
        load=cache(lambda: head_refit.refit_head(who.load(), text, base_vocabulary_size=size)),
        kinds=("masked",),
    )


def store(exam: Exam, answers: Answers, folder: Path) -> None:
    """Write the masks, and every answer of every model: a file for each model and kind of question."""
    for corpus, masks in {**exam.masked, **exam.shift}.items():
        write_jsonl(folder / "masks" / f"{corpus}.jsonl", masks.rows())
    for model, kinds in answers.items():
        for kind, corpora in kinds.items():
            rows = [{"corpus": corpus, **row} for corpus, found in corpora.items() for row in found]
            write_jsonl(folder / f"{model if kind == 'masked' else f'{kind}_{model}'}.jsonl", rows)


Question = tuple[str, Callable[[Candidate], Rows]]
"""Digest of all that is asked, and how a model is asked it."""


def _questions(exam: Exam, tokens_per_batch: int | None) -> dict[str, dict[str, Question]]:
    size = len(exam.tokenizer)

    def cloze(masks: FixedMasks) -> Question:
        return f"{masks.digest} {size}", lambda who: [
            row | {"nats": round(row["nats"], DIGITS), "nats_full": round(row["nats_full"], DIGITS)}
            for row in masked_nats(who.load(), masks, base_vocabulary_size=size, states=who.states(masks))
        ]

    def grammar(pairs: Sequence[Mapping[str, Any]]) -> Question:
        asked = [[pair["id"], pair["good"], pair["bad"], pair["phenomenon"]] for pair in pairs]
        asked_how = digest([asked, loading.how_it_reads(exam.tokenizer)])
        return asked_how, lambda who: _judge_pairs(who.load(), exam.tokenizer, pairs, tokens_per_batch)

    return {
        "masked": {corpus: cloze(masks) for corpus, masks in exam.masked.items()},
        "shift": {corpus: cloze(masks) for corpus, masks in exam.shift.items()},
        "pairs": {corpus: grammar(pairs) for corpus, pairs in exam.pairs.items()},
    }


def _judge_pairs(
    model: MaskedLM, tokenizer: BertTokenizerFast, pairs: Sequence[Mapping[str, Any]], tokens_per_batch: int | None
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
    if not base.get_vocab().items() <= loading.load_tokenizer(adapted).get_vocab().items():
        raise InputError(
            f"model {adapted}: it numbers tokens otherwise than the base, so what it kept of the base cannot be "
            "measured; build it from the base's own tokenizer"
        )
