"""How much general English base, adapted and tuned know: hidden pieces, pairs, probes, layers, drift."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.common.cache import Remember
from pipeline.common.files import write_jsonl
from pipeline.common.languages import reads
from pipeline.corpora.prepared import corpora_of, corpus_rows, languages, rows
from pipeline.corpora.stored_rows import Rows
from pipeline.measuring.general import ask as general_ask
from pipeline.measuring.general import drift
from pipeline.measuring.general import score as general_score
from pipeline.measuring.layers import cka
from pipeline.measuring.layers import probes as layer_probes
from pipeline.measuring.layers.ask import observe
from pipeline.measuring.options import Options
from pipeline.measuring.statistics.bootstrap import FEWEST_ITEMS
from pipeline.measuring.statistics.sampling import fixed_sample
from pipeline.models import loading
from pipeline.text.sentences import with_twins

ASKED = {"general": "test", "informal": "dev", "reviews": "test"}
"""The split of each role's corpora that gets fixed masks."""


def general_english(
    settings: Options,
    prepare: Path,
    folders: dict[str, Path],
    remember: Remember,
    out: Path,
    spoken: Sequence[str] = (),
) -> dict[str, Any]:
    """Ask the models the exam and look at their layers; store the answers, return what retention.json says.

    Args:
        spoken: the base's languages: pairs in others are not asked. None: nobody says, and all are.
    """
    exam = _exam(settings, prepare, folders["base"], spoken)
    asking: dict[str, Any] = {"tokens_per_batch": settings.tokens_per_batch, "remember": remember}
    answers = general_ask.ask_models(exam, folders, **asking)
    general_ask.store(exam, answers, out)
    sentences = _sentences(settings, prepare)
    seen = observe(exam.tokenizer, sentences, folders, **asking) if sentences else {}
    probes = layer_probes.answers(seen, sentences, seed=settings.seed, remember=remember)
    write_jsonl(out / "sentences.jsonl", sentences)
    for model, found in probes.items():
        write_jsonl(out / f"probes_{model}.jsonl", found)
    if seen:
        np.save(out / "features_tuned.npy", seen["tuned"][:, 0])
    roles = {corpus: (role, split) for role, split in ASKED.items() for corpus in corpora_of(prepare, role)}
    roles |= {general_ask.sentences_of(corpus): ("pairs", "test") for corpus in exam.pairs}
    sure = {"draws": settings.draws, "seed": settings.seed}
    return {
        **general_score.scored(answers, roles, **sure),
        "probes": layer_probes.scored(probes, sentences, **sure),
        "cka": cka.against(seen),
        "drift": drift.scored({model: kinds["masked"] for model, kinds in answers.items()}, **sure),
        "masks": {corpus: masks.digest for corpus, masks in {**exam.masked, **exam.shift}.items()},
    }


def _exam(settings: Options, prepare: Path, base: Path, spoken: Sequence[str]) -> Any:
    """The exam of this recipe: masks chosen once with the base's tokenizer, pairs sampled evenly over phenomena."""

    def texts(role: str) -> dict[str, list[tuple[str, str]]]:
        every = {corpus: corpus_rows(prepare, corpus, ASKED[role]) for corpus in corpora_of(prepare, role)}
        return {corpus: _sample(settings, found) for corpus, found in every.items()}

    known = [corpus for corpus, codes in languages(prepare, "pairs").items() if reads(spoken, codes)]
    pairs = {corpus: corpus_rows(prepare, corpus, "test") for corpus in known}
    tokenizer = loading.load_tokenizer(base)
    return general_ask.exam_of(
        tokenizer,
        general=texts("general"),
        shift=texts("informal") | texts("reviews"),
        pairs={
            name: fixed_sample(found, settings.pairs, settings.seed, by="phenomenon") for name, found in pairs.items()
        },
        training=_sample(settings, rows(prepare, role="general", split="train")),
        max_length=min(settings.max_length, tokenizer.model_max_length),
        **settings.model_dump(include={"mlm_probability", "windows_per_document", "refit_tokens", "seed"}),
    )


def _sample(settings: Options, rows: Rows) -> list[tuple[str, str]]:
    return [(row["id"], row["text"]) for row in fixed_sample(rows, settings.general_documents, settings.seed)]


def _sentences(settings: Options, prepare: Path) -> Rows:
    """Sentences of general test texts with their shuffled twins; none if there are too few to say anything."""
    texts = {corpus: corpus_rows(prepare, corpus, ASKED["general"]) for corpus in corpora_of(prepare, "general")}
    found = [item for corpus, rows in texts.items() for item in with_twins(corpus, _sample(settings, rows))]
    enough = len(found) >= FEWEST_ITEMS
    return fixed_sample(found, settings.probe_sentences, settings.seed, by="corpus") if enough else []
