"""Score every model: how well it tells the classes apart, and how much general English it kept.

``scores.json``, ``retention.json``, ``emoji.json`` and ``behaviour.json`` are declared in the ``results.py`` of each
question's room, and as JSON schemas in ``docs/schema``.

Items, one a row, from which the figures can be computed again without a model, but for emoji, behaviour and CKA:

- ``predictions/<corpus>.jsonl``  ``{"id", "label", "probabilities", "emoji", "predicted", "plain"}``: the last three
  are whether the text has emoji, its class as prepared, and its class as it came, uncleaned. With cross-validation all
  reviews, fold after fold, each predicted by the model that was not tuned on it
- ``floors/<floor>/<corpus>.jsonl``  ``{"id", "label", "probabilities", "emoji", "predicted"}``, in the same order
- ``retention/{base,adapted,tuned}.jsonl``  ``{"corpus", "id", "nats", "nats_full", "masked", "correct", "bytes"}``:
  sums over a general document's masked pieces
- ``retention/{adapted,tuned}_refitted.jsonl``  the same rows, guessed by a head trained anew on the frozen encoder
- ``retention/shift_{base,adapted}.jsonl``  the same rows for informal dev texts and the reviews' test texts
- ``retention/pairs_{base,adapted,tuned}.jsonl``  ``{"corpus", "id", "phenomenon", "good", "bad"}``: the
  log-likelihood of either sentence of a minimal pair
- ``retention/masks/<corpus>.jsonl``  ``{"id", "input_ids", "masked", "bytes"}``, a row for each window of text:
  what was masked there
- ``retention/sentences.jsonl``  ``{"id", "corpus", "text", "shuffled", "words"}``: what probes and CKA look at
- ``retention/probes_{base,adapted,tuned}.jsonl``  ``{"id"}`` and by task (``layers.probes.TASKS``), and by its
  ``<task>_control``, ``[n]``: how many answers were right on each layer
- ``retention/features_tuned.npy``  float16 [sentences, layers + 1, hidden], for CKA between two seeds
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.common.settings import speed_only
from pipeline.learning.options import Trackers
from pipeline.machine.stage import Reads, Stage, StageSettings
from pipeline.measuring.options import Options


class Settings(StageSettings, Options):
    """How much is measured, and how surely."""

    report_to: Trackers = speed_only((), description="trackers that are told the figures: tensorboard, trackio, ...")


def reads(settings: Settings) -> Reads:
    """The ranking of emoji, by content."""
    return {"emoji ranking": settings.emoji_ranking} if settings.emoji_ranking else {}


def evaluate(
    settings: Settings,
    *,
    prepare: Path,
    source: Path,
    tokenizer: Path,
    pretrain: Path,
    finetune: Path,
    cache: Path,
    out: Path,
) -> None:
    """Write what the stage makes, and the items behind it, as this module's docstring has them."""
    from pipeline.common import results
    from pipeline.common.cache import remembered
    from pipeline.common.files import read_json
    from pipeline.corpora.prepared import corpora_of
    from pipeline.learning import trackers
    from pipeline.measuring.behaviour.results import Behaviours
    from pipeline.measuring.behaviour.run import behaviours
    from pipeline.measuring.emoji.results import Emoji
    from pipeline.measuring.emoji.run import emoji_understood
    from pipeline.measuring.general.results import Retention
    from pipeline.measuring.general.run import general_english
    from pipeline.measuring.reviews.results import Reviews
    from pipeline.measuring.reviews.run import score_reviews
    from pipeline.measuring.scoring import Known
    from pipeline.models import sources

    remember = partial(remembered, cache)
    known: Known = {}  # what the tuned model has said of a text, so that nothing is asked of it twice
    reviews, target = corpora_of(prepare, "reviews"), read_json(finetune / "finetune.json").get("target", [])
    others = [corpus for corpus in reviews if corpus not in target]
    corpora = {}
    for corpus in reviews:
        learnt = others if corpus in target else [corpus]  # by the floors: they see no labels that the arm did not
        base = source / "model"
        corpora[corpus] = score_reviews(settings, corpus, prepare, base, finetune, remember, out, known, sources=learnt)
    results.write(Reviews, out / "scores.json", {"corpora": corpora})
    started = read_json(tokenizer / "coverage.json")["rows_started"]
    folders = {"base": source / "model", "adapted": pretrain / "model", "tuned": finetune / "model"}
    spoken = sources.languages_told(source)
    kept = general_english(settings, prepare, folders, remember, out / "retention", spoken)
    results.write(Retention, out / "retention.json", kept)
    understood = emoji_understood(settings, prepare, folders, started, remember, known, spoken)
    results.write(Emoji, out / "emoji.json", understood)
    behaved = behaviours(settings, prepare, folders["tuned"], known, spoken)
    results.write(Behaviours, out / "behaviour.json", behaved)
    trackers.tell(settings.report_to, _final(corpora, kept))


def _final(corpora: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, float]:
    """The figures of an arm that trackers are told: scores by corpus, and what was kept of masked words."""
    told = {f"{name}/{corpus}": found["model"][name]["value"] for corpus, found in corpora.items()
            for name in ("macro_recall", "accuracy", "macro_f1")}  # fmt: skip
    told |= {f"emoji_macro_recall/{corpus}": found["slices"]["emoji"]["macro_recall"]["value"]
             for corpus, found in corpora.items() if found["slices"]["emoji"]}  # fmt: skip
    told |= {
        f"masked_kept/{place}": share["value"] for place, share in kept["scores"]["base_to_tuned"]["masked"].items()
    }
    return {name: value for name, value in told.items() if value is not None}


def tell(folder: Path) -> list[str]:
    """The run's line of the ladder, for each review corpus."""
    from pipeline.common.files import read_json
    from pipeline.report.summary import rung

    scores, retention = (read_json(folder / name) for name in ("scores.json", "retention.json"))
    return rung(scores, retention)


STAGE = Stage(
    "evaluate",
    evaluate,
    makes=("scores.json", "predictions", "floors", "retention.json", "retention", "emoji.json", "behaviour.json"),
    version=14,
    reads=reads,
    tell=tell,
)
