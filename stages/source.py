"""Fetch and verify the source BERT; give it an MLM head if it has none."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from pydantic import Field

from pipeline.common.files import sha256, write_json, write_jsonl
from pipeline.common.languages import ENGLISH
from pipeline.learning.options import Compute
from pipeline.machine.stage import Reads, Stage, StageSettings

_LOG = logging.getLogger(__name__)


class Settings(StageSettings):
    """What to start from."""

    model: str = Field(
        "minilm",
        description="`minilm` (all-MiniLM-L6-v2, which the set-up installs), `scratch` (random weights and a "
        "vocabulary trained on the general corpora), a model folder, or a Hub id owner/name",
    )
    classifier: Literal["new", "kept"] = Field(
        "new",
        description="new: whatever head the model has, tuning starts another; kept: its own goes on, its three classes "
        "matched by name, its encoder left as it is, and texts read as it was tuned to",
    )
    adapter: Literal["shipped", "none"] = Field(
        "shipped",
        description="minilm: put on the MLM head, pooler and adapter that ship with Retone; none: as it is published",
    )
    language: str | None = Field(
        None,
        min_length=2,
        description="what the base reads, such as `de`, or `multilingual`, where its own card (README.md) does not say",
    )
    revision: str | None = Field(None, description="commit of the Hub repository, to pin what a Hub id means")
    vocab_size: int = Field(8192, ge=200, le=200_000, description="scratch: word pieces of the trained vocabulary")
    num_hidden_layers: int = Field(6, ge=1, le=48, description="scratch: transformer layers")
    hidden_size: int = Field(384, ge=16, le=4096, description="scratch: dimensions of the hidden states")
    num_attention_heads: int = Field(12, ge=1, le=64, description="scratch: attention heads; divides hidden_size")
    head_learning_rate: float = Field(
        1e-3, gt=0, le=0.1, description="MLM head restoration: rate while the encoder is frozen"
    )
    learning_rate: float = Field(
        2e-4, gt=0, le=0.1, description="MLM head restoration: rate of the whole model afterwards"
    )
    head_tokens: int = Field(150_000, ge=0, description="MLM head restoration: tokens with the encoder frozen")
    model_tokens: int = Field(
        500_000,
        ge=0,
        description="MLM head restoration: tokens for the whole model afterwards; none where the classifier is kept",
    )
    mlm_probability: float = Field(0.15, gt=0, lt=1, description="MLM head restoration: share of tokens hidden")
    max_length: int = Field(128, ge=8, le=512, description="MLM head restoration: longest window in tokens")
    tokens_per_batch: int = Field(2048, ge=64, description="MLM head restoration: token budget of a batch")
    compute: Compute = Compute()
    seed: int = Field(0, ge=0, lt=1 << 32, description="of new weights, masks and order")


def reads(settings: Settings) -> Reads:
    """A local model's files, by content; a Hub model's by its revision, which is a setting already.

    `minilm` is the same wherever it is found: its weights by the digest that they must have, and the parts by content.
    """
    from pipeline.models import sources

    if settings.model == "minilm":
        return {"model": sources.MINILM_SHA256} | {f"part {name}": path for name, path in _parts(settings).items()}
    folder = sources.local_folder(settings.model)
    return {} if folder is None else {f"model {path.name}": path for path in sources.model_files(folder)}


def _parts(settings: Settings) -> dict[str, Path]:
    """What is to be put on the model, by its name."""
    from pipeline.models import sources

    return sources.part_files() if (settings.model, settings.adapter) == ("minilm", "shipped") else {}


def source(settings: Settings, *, prepare: Path, out: Path) -> None:
    """Write ``model/`` (encoder, pooler, MLM head, tokenizer), ``source.json`` (its origin) and ``history.jsonl``."""
    import torch

    from pipeline.corpora import prepared
    from pipeline.learning import head_restoration, scratch
    from pipeline.models import attachments, loading, sources

    general = prepared.rows(prepare, role="general", split="train")
    kept, read_as = settings.classifier == "kept", {"emoji": "none"}
    if settings.model == "scratch":
        shape = settings.model_dump(include={"vocab_size", "num_hidden_layers", "hidden_size", "num_attention_heads"})
        model, tokenizer = scratch.from_scratch((row["text"] for row in general), **shape, seed=settings.seed)
        story = {"name": "scratch", **shape}
        spoken = {code: None for codes in prepared.languages(prepare, "general").values() for code in codes}
        languages = (settings.language,) if settings.language else tuple(spoken)
    else:
        torch.manual_seed(settings.seed)  # of the parts that the folder lacks
        folder = sources.resolve(settings.model, settings.revision)
        loading.check_folder(folder, alike=True)
        tokenizer = loading.load_tokenizer(folder)
        with TemporaryDirectory(dir=out) as beside:
            model = loading.load_base(folder, Path(beside), head=kept)
        loading.check_fit(len(tokenizer), model, folder)
        story = {"name": settings.model, "revision": settings.revision, "sha256": sources.weights_digest(folder)}
        story |= {"licence": sources.licence_of(folder)}
        if settings.model == "minilm":
            story |= {"revision": sources.MINILM_REVISION}
        if kept:
            place = f"source.model: {settings.model}"
            loading.keep_classifier(model, sources.class_order(loading.check_folder(folder, alike=True), place), place)
            read_as = _read_as(folder, prepare)
            story |= {"classifier": {"seen": _seen(folder, prepare)}}
        else:
            model.carried = {}
        told = sources.languages_of(sources.PARTS if settings.model == "minilm" else folder)
        languages = (settings.language,) if settings.language else told
        if parts := _parts(settings):
            model = attachments.attach(model, sources.PARTS)
            digests = {name: sha256(path) for name, path in parts.items()}
            story |= {"parts": {"sha256": digests, "licence": sources.licence_of(sources.PARTS)}}
        elif settings.model == "minilm" and settings.adapter == "shipped":
            _LOG.warning(
                "source.adapter: no parts ship for minilm; its MLM head is trained on the general corpora alone"
            )
    if languages != ENGLISH:
        story["language"] = list(languages)
    if line := sources.apart(languages, prepared.languages(prepare)):
        _LOG.warning("%s", line)
    missing = head_restoration.missing_parts(model) if settings.model != "scratch" else []
    history: list[dict[str, float]] = []
    model_tokens = 0 if kept else settings.model_tokens
    if "mlm_head" in missing and settings.head_tokens + model_tokens:
        history = head_restoration.restore_head(
            model,
            tokenizer,
            (row["text"] for row in general),
            (
                (row["text"] for row in prepared.corpus_rows(prepare, corpus, "dev"))
                for corpus in prepared.corpora_of(prepare, "general")
            ),
            folder=out / "checkpoints",
            **{name: value for name, value in settings if name not in {*_OF_THE_MODEL, *_SHAPE}}
            | {"model_tokens": model_tokens},
        )
    loading.save(model, tokenizer, out / "model", **read_as)
    story |= {
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "vocabulary": len(tokenizer),
        "started_random": missing,
        "restored": {"head_tokens": settings.head_tokens, "model_tokens": model_tokens} if history else None,
    }
    write_json(out / "source.json", story)
    write_jsonl(out / "history.jsonl", history)


def _read_as(folder: Path, prepare: Path) -> dict[str, Any]:
    """How a model whose classifier is kept reads texts.

    Raises:
        InputError: it was trained with other rules of cleaning than these texts are read with.
    """
    from pipeline.common.errors import InputError
    from pipeline.corpora import prepared
    from pipeline.models import loading

    found, here = loading.reading(folder), prepared.uncleaned(prepare)
    own = list(found["uncleaned"])
    if sorted(own) != sorted(here):
        raise InputError(
            f"prepare.uncleaned: {here} where the model in {folder} was tuned with {own}; set it to the same, or "
            "source.classifier to new"
        )
    return found


MOST_SEEN = 0.05
"""Share of a corpus's test texts that a model may have been tuned on: short ones are written twice, and splits shift a
little at their borders when reviews are added."""


def _seen(folder: Path, prepare: Path) -> dict[str, dict[str, int]] | None:
    """How many test texts of each reviews corpus there are, and how many of them the model was tuned on.

    None, and said, where nobody knows what it was tuned on.

    Raises:
        InputError: so many that what it says of them means nothing.
    """
    from pipeline.common.errors import InputError
    from pipeline.common.program import typed
    from pipeline.corpora import prepared
    from pipeline.measuring.runs import new_reviews

    then = new_reviews.past(folder)
    if then is None:
        _LOG.warning(
            "source.model: what %s was tuned on is not at hand; test texts that were among it flatter it", folder
        )
        return None
    known, found = {text for text, _ in then.tuned_on}, {}
    way = "give prepare the settings that it was made with (seed, shares, folds), or the card another test split"
    if then.share_of_rows < 1:  # by which new reviews would be thinned, too, maybe to too few
        again = typed(f'make all RECIPE={then.recipe} SET="prepare.share_of_rows=1"')
        way = f"it is of {then.share_of_rows:g} of the rows: go on from one of all, which `{again}` makes"
    for corpus in prepared.corpora_of(prepare, "reviews"):
        folds = range(prepared.folds_of(prepare, corpus))
        texts = [row["text"] for fold in folds for row in prepared.corpus_rows(prepare, corpus, "test", fold)]
        found[corpus] = {"test": len(texts), "tuned_on": sum(text in known for text in texts)}
        if found[corpus]["tuned_on"] > MOST_SEEN * len(texts):
            raise InputError(
                f"source.classifier: the model was tuned on {found[corpus]['tuned_on']:,} of the {len(texts):,} test "
                f"texts of {corpus}, so how it does there says nothing; {way}"
            )
    return found


def check(settings: Mapping[str, Any]) -> None:
    """Refuse another architecture, a classifier that cannot be kept, a shape that does not divide, windows too long."""
    from pipeline.common.errors import InputError
    from pipeline.models import architectures
    from pipeline.models.sources import check_classifier, check_numbers, local_folder

    own = settings["source"]
    if folder := local_folder(own.model):
        architectures.check_folder(folder, f"source.model: {folder}")
    if own.classifier == "kept":
        check_classifier(own.model)
    if own.model == "scratch" and own.hidden_size % own.num_attention_heads:
        raise InputError(
            f"source.hidden_size: {own.hidden_size} is no multiple of num_attention_heads {own.num_attention_heads}; "
            "change one"
        )
    if own.compute.processes > 1:
        raise InputError("source.compute.processes: a head is restored by one process alone; leave it at 1")
    if own.head_tokens + own.model_tokens:
        check_numbers("source", own, max_length=own.max_length)


_OF_THE_MODEL = ("model", "classifier", "language", "revision", "adapter", "vocab_size")
_SHAPE = ("num_hidden_layers", "hidden_size", "num_attention_heads")
STAGE = Stage(
    "source", source, makes=("model", "source.json", "history.jsonl"), version=9, reads=reads, check=check, resumes=True
)
