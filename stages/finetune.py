"""Fine-tune the adapted encoder on reviews: low rates, early layers frozen, tokens' states held, a retention budget."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pipeline.common.errors import InputError
from pipeline.common.files import remove, write_json, write_jsonl
from pipeline.common.languages import ENGLISH, reads
from pipeline.common.validation import nearest
from pipeline.common.yaml import flat
from pipeline.corpora.cards import load_cards, need
from pipeline.corpora.domains import check_sources
from pipeline.learning.options import Options
from pipeline.machine.stage import Stage, StageSettings

if TYPE_CHECKING:
    from pipeline.learning.frontier import Reference
    from pipeline.learning.tuning import Tuned


class Settings(StageSettings, Options):
    """How to tune without forgetting."""

    renamed: ClassVar[Mapping[str, str]] = {
        "frozen_layers": "freezing.layers", "weight_decay": "regularisation.weight_decay",
        "dropout": "regularisation.dropout", "label_smoothing": "regularisation.label_smoothing",
        "state_distillation": "distillation.states", "emoji_augmentation": "augmentation.emoji_share",
        "emoji_noise": "augmentation.emoji_noise", "lora_rank": "lora.rank", "lora_alpha": "lora.alpha",
        "lora_dropout": "lora.dropout", "prefix_states": "frozen_cache.dtype",
        "prefix_memory_megabytes": "frozen_cache.memory_megabytes",
        "prefix_disk_megabytes": "frozen_cache.disk_megabytes", "frontier_points": "frontier.points",
        "frontier_windows": "frontier.windows", "retention_budget": "frontier.budget",
        "precision": "compute.precision", "compile": "compute.compile",
        "checkpoint_seconds": "compute.checkpoint_seconds",
    }  # fmt: skip


def finetune(
    settings: Settings, *, seed: int, prepare: Path, tokenizer: Path, pretrain: Path, cache: Path, out: Path
) -> None:
    """Write ``model/`` (loads in plain transformers), ``adapter/`` with lora, ``history.jsonl``, ``finetune.json``, and
    ``frontier.json``: models between the base and the tuned one (layout: ``pipeline/measuring/frontier/results.py``).
    With a ``frontier.budget`` the one chosen there is ``model/``; ``adapter/`` is the tuned one's in any case.

    With cross-validation ``model/`` is tuned with fold 0 held out, and ``folds/<n>.jsonl`` holds what models tuned with
    each other fold held out say of it: ``{"id", "probabilities", "plain": of the raw text}``.
    """
    from pipeline.common import results
    from pipeline.corpora import prepared
    from pipeline.learning.frontier import Reference, frontier_of
    from pipeline.measuring import domains
    from pipeline.measuring.frontier.results import Frontier
    from pipeline.models import loading

    general = prepared.rows(prepare, role="general", split="dev")
    if settings.frontier.budget is not None and not general:
        raise InputError(
            "finetune.frontier.budget: it is measured on general dev text and there is none; add a corpus with role "
            "general under prepare.corpora (with prepare.dev_share above 0), or set the budget to null"
        )
    reference = Reference(tokenizer, pretrain / "model", general)
    folds = max((prepared.folds_of(prepare, corpus) for corpus in prepared.corpora_of(prepare, "reviews")), default=1)
    for fold in range(1, folds):
        _test_fold(settings, reference, prepare, seed, fold, cache, out)
    tuned = _tuned(settings, reference.adapted, prepare, seed, 0, cache, out / "checkpoints" / "0")
    model = tuned.merged(out / "adapter")
    told = frontier_of(settings.frontier, model, tuned.reader, tuned.lessons.dev, reference)
    vocabulary = tuned.reader.tokenizer
    vocabulary.model_max_length = settings.max_length  # a plain pipeline then cuts texts where training did
    loading.save(model, vocabulary, out / "model", **tuned.reader.how)
    chosen = {point["name"]: point["macro_recall"]["value"] for point in told["points"]}
    if settings.target:
        sides = (tuned.lessons.dev, tuned.lessons.target)
        source, target = (tuned.reader.ids(row["text"] for row in rows) for rows in sides)
        apart = domains.before_and_after(reference.adapted, model, source, target, seed)
        tuned.summary.update(target=settings.target, domains=apart)
    learnt = [] if settings.method == "none" else tuned.lessons.train
    if settings.rehearsal.corpora:
        old = sum(row["corpus"] in settings.rehearsal.corpora for row in learnt)
        told_of = {"corpora": list(settings.rehearsal.corpora), "texts": old, "new_texts": len(learnt) - old}
        tuned.summary.update(rehearsal=told_of)
    summary = tuned.summary | {
        "train_texts": len(learnt),
        "chosen": told["chosen"],
        "chosen_dev_macro_recall": chosen.get(told["chosen"], tuned.summary["dev_macro_recall"]),
    }
    results.write(Frontier, out / "frontier.json", told)
    write_json(out / "finetune.json", summary)
    write_jsonl(out / "history.jsonl", tuned.history)


def _test_fold(
    settings: Settings, reference: Reference, prepare: Path, seed: int, fold: int, cache: Path, out: Path
) -> None:
    """Tune with a fold held out and write what the model says of it, unless an interrupted run has done so."""
    from pipeline.corpora import prepared
    from pipeline.corpora.stored_rows import StoredRows
    from pipeline.learning.frontier import take_best
    from pipeline.measuring import scoring

    path, folder = out / "folds" / f"{fold}.jsonl", out / "checkpoints" / str(fold)
    if path.exists():
        return
    tuned = _tuned(settings, reference.adapted, prepare, seed, fold, cache, folder)
    model = tuned.model
    if settings.frontier.budget is not None:  # what is tested is what would be taken
        model = tuned.merged(folder / "adapter")
        take_best(settings.frontier, model, tuned.reader, tuned.lessons.dev, reference)
    folded = [corpus for corpus in prepared.corpora_of(prepare, "reviews") if prepared.folds_of(prepare, corpus) > 1]
    rows = StoredRows.joined(prepared.corpus_rows(prepare, corpus, "test", fold) for corpus in folded)
    ids, plain = tuned.reader.ids(row["text"] for row in rows), tuned.reader.plain_ids(row["raw"] for row in rows)
    told = zip(rows, *(table.tolist() for table in scoring.both_readings(model, ids, plain)), strict=True)
    write_jsonl(path, ({"id": row["id"], "probabilities": read, "plain": raw} for row, read, raw in told))
    remove(folder)


def _tuned(settings: Settings, start: Path, prepare: Path, seed: int, fold: int, cache: Path, folder: Path) -> Tuned:
    """Tune by the method that is set."""
    from pipeline.learning import features, ranks, tuning

    if settings.method == "features":
        return features.fitted(settings, start, prepare, seed, fold)
    if settings.method == "none":
        return tuning.untouched(settings, start, prepare, fold)
    return ranks.together(settings.compute.processes, tuning.tuned, settings, start, prepare, seed, fold, cache, folder)


class Fit(NamedTuple):
    """The methods of tuning that a remedy goes with."""

    methods: tuple[str, ...]
    why: str
    """Why with no others."""
    whole: bool = False
    """Whether it needs whole batches: several processes that share a training read a part of each."""


OWN, LEARNS = "it works on the encoder's own weights", "it is for an encoder that learns"
GOES_WITH = {
    "regularisation.l2_sp": Fit(("full", "lora"), LEARNS),
    "regularisation.ewc": Fit(("full",), OWN),
    "regularisation.mixout": Fit(("full",), OWN, whole=True),
    "replay.states": Fit(("full", "lora"), LEARNS),
    "replay.mlm": Fit(("full", "lora"), LEARNS),
    "contrast.weight": Fit(("full", "lora"), LEARNS, whole=True),
    "domain_adversary.weight": Fit(("full",), OWN, whole=True),
}
"""By the setting that turns a remedy on. One that is not here goes with every method, and with several processes."""


def check(settings: Mapping[str, Any]) -> None:
    """Refuse to tune without reviews, to keep a share of general English without any, and what the base cannot do."""
    from pipeline.models.sources import check_numbers

    own, prepare = settings["finetune"], settings["prepare"]
    layers = own.freezing.layers
    frozen, lora = (layers, own.method == "lora") if isinstance(layers, int) else (max(layers), False)
    check_numbers("finetune", settings["source"], max_length=own.max_length, frozen=frozen, lora=lora)
    need(["reviews"], "finetune learns from reviews", prepare.corpora, prepare.data_root)
    role, replayed = own.replay.text, own.replay.states or own.replay.mlm
    if replayed and role == "target" and not own.target:
        raise InputError("finetune.replay.text: target has no texts; name a reviews corpus in finetune.target")
    wanted = {
        "finetune.frontier.budget is measured on general text": ("general", own.frontier.budget is not None),
        "finetune.regularisation.ewc reads general text": ("general", own.regularisation.ewc),
        f"finetune.replay reads {role} text": (role, replayed and role != "target"),
    }
    for why, (role, asked) in wanted.items():
        if asked:
            need([role], why, prepare.corpora, prepare.data_root)
    asked = flat(own.model_dump())
    for name, fit in GOES_WITH.items():
        if asked[name] and own.method not in fit.methods:
            raise InputError(
                f"finetune.{name}: {fit.why}, and so goes with method {' or '.join(fit.methods)}, not {own.method}; "
                f"set it to 0, or method to {fit.methods[0]}"
            )
        if asked[name] and fit.whole and own.compute.processes > 1:
            raise InputError(
                f"finetune.{name}: it is of whole batches, and {own.compute.processes} processes read a part each; set "
                "it to 0, or finetune.compute.processes to 1"
            )
    if own.domain_adversary.weight and not own.target:
        raise InputError(
            "finetune.domain_adversary.weight: it needs a target; name a reviews corpus in finetune.target"
        )
    foreign = [card.name for card in load_cards(prepare.corpora, prepare.data_root)
               if card.role == "reviews" and not reads(card.languages, ENGLISH)]  # fmt: skip
    if foreign and own.augmentation.noise_share and "slang" in own.augmentation.noise_kinds:
        raise InputError(
            f"finetune.augmentation.noise_kinds: slang is English and {', '.join(foreign)} is not; leave slang out"
        )
    if own.method == "none":
        _check_untouched(settings)
    if own.rehearsal.corpora:
        _check_rehearsal(settings)
    if own.target:
        check_sources(own.target, prepare.target, load_cards(prepare.corpora, prepare.data_root))


def _check_untouched(settings: Mapping[str, Any]) -> None:
    """Refuse to call a model untouched that has no classifier yet, or that an earlier stage changes."""
    wanted = {
        "source.classifier": (settings["source"].classifier, "kept"),
        "tokenizer.emoji": (settings["tokenizer"].emoji, "none"),
        "pretrain.num_train_epochs": (settings["pretrain"].num_train_epochs, 0),
    }
    for name, (found, needed) in wanted.items():
        if found != needed:
            raise InputError(
                f"{name}: {found} where finetune.method none asks the base as it is; set it to {needed}, or method to "
                "full"
            )


def _check_rehearsal(settings: Mapping[str, Any]) -> None:
    """Refuse old reviews that no card has, that are a target, too, or beside which nothing is new."""
    own, prepare = settings["finetune"], settings["prepare"]
    cards = load_cards(prepare.corpora, prepare.data_root)
    known = [card.name for card in cards if card.role == "reviews"] + list(filter(None, [prepare.target.name]))
    for name in own.rehearsal.corpora:
        if name not in known:
            raise InputError(f"finetune.rehearsal.corpora: no reviews corpus {name}; {nearest(name, known)}")
        if name in own.target:
            raise InputError(f"finetune.rehearsal.corpora: {name} is finetune.target, of which no label is read")
    if own.method != "none" and not set(known) - set(own.rehearsal.corpora):
        raise InputError("finetune.rehearsal.corpora: all reviews are old, none is new; name those of before alone")


STAGE = Stage(
    "finetune",
    finetune,
    makes=("model", "history.jsonl", "finetune.json", "frontier.json"),
    may_make=("adapter", "folds"),
    version=16,
    check=check,
    resumes=True,
)
