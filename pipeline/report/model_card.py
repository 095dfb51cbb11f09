"""The card beside a model: what it is, how to load it, how good it is (also in the Hub's `model-index`), its limits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from pipeline.common.files import write_whole
from pipeline.common.labels import FLOORS
from pipeline.common.languages import ENGLISH
from pipeline.common.printable import markdown, printable
from pipeline.drawing import tables
from pipeline.report import answers
from pipeline.report.pages import environment

Report = Mapping[str, Any]

METRICS = {
    "accuracy": ("accuracy", "Accuracy"),
    "macro_recall": ("recall", "Macro-recall"),
    "macro_f1": ("f1", "Macro-F1"),
}
"""Our score -> the Hub's metric id, and its name for people."""


def write(report: Report, arm: str, folder: Path, *, licence: str | None) -> None:
    """Write README.md into the model's folder: front matter with `model-index`, and the card for people.

    The figures are those of the very seed whose weights lie there, not the arm's mean.
    """
    described = report["arms"][arm]
    scores = described["seeds"][str(described["model_seed"])]
    parts, spoken = _licences(report, arm), _languages(report)
    data = ModelCardData(
        model_name=f"retone-{printable(arm)}",
        language=spoken if len(spoken) > 1 else spoken[0],
        license=licence or derived(parts),
        library_name="transformers",
        pipeline_tag="text-classification",
        base_model=_hub_id(described["source"]),
        tags=["sentiment-analysis", "reviews", "emoji", "retone"],
        metrics=[metric for metric, _ in METRICS.values()],
        eval_results=_results(report, scores),
    )
    template = environment(lambda value: markdown(str(value)), autoescape=False).get_template("model_card.md.j2")
    body = template.render(**_told(report, arm, scores), licence=licence, licences=parts, derived=derived(parts))
    write_whole(folder / "README.md", [f"---\n{data.to_yaml()}\n---\n\n{body}"])
    ModelCard.load(folder / "README.md")  # what cannot be read back must not be shipped


def _results(report: Report, scores: Mapping[str, Any]) -> list[EvalResult]:
    return [
        EvalResult(
            task_type="text-classification",
            task_name="Sentiment (negative, neutral, positive)",
            dataset_type=printable(corpus),
            dataset_name=printable(report["corpora"].get(corpus, {}).get("pretty_name") or corpus),
            dataset_split="test" if tables.folds_of(report, corpus) < 2 else "cross-validation",
            metric_type=metric,
            metric_name=name,
            metric_config=None if key == "accuracy" else "macro",
            metric_value=round(found[key]["value"], 4),
        )
        for corpus, found in scores.items()
        for key, (metric, name) in METRICS.items()
        if found[key]["value"] is not None
    ]


def _hub_id(source: Mapping[str, Any]) -> str | None:
    """The base's id on the Hub, if that is where it is from (a folder or a built-in name is no id)."""
    name = str(source.get("name", ""))
    return name if source.get("revision") and name.count("/") == 1 else None


def _base(source: Mapping[str, Any]) -> str:
    """What the base is called: of a folder, the last part of its path, for the rest is nobody's affair."""
    name = str(source.get("name", ""))
    return name if _hub_id(source) else PurePath(name).name


def _told(report: Report, arm: str, scores: Mapping[str, Any]) -> dict[str, Any]:
    """What the card's body says, as plain data."""
    described = report["arms"][arm]
    places = tables.retention_places(report)
    return {
        "arm": arm,
        "base": _base(described["source"]) or "a BERT",
        "seed": described["model_seed"],
        "many": len(described["seeds"]) > 1,
        "labels": report["labels"],
        "pretrain": described["pretrain"],
        "scores": {corpus: {key: tables.percent(found[key]) for key in METRICS} for corpus, found in scores.items()},
        "folded": [
            (corpus, tables.folds_of(report, corpus)) for corpus in scores if tables.folds_of(report, corpus) > 1
        ],
        "texts": {corpus: found["n"] for corpus, found in scores.items()},
        "names": {key: name for key, (_, name) in METRICS.items()},
        "floors": [
            (corpus, answers.floor_sentence(report, arm, corpus, floor)) for corpus in scores for floor in FLOORS
        ],
        "hardest": [(corpus, *_hardest(found["per_class"])) for corpus, found in scores.items()],
        "english": tables.english(report),
        "kept": [
            (tables.PLACES[measure], place, tables.in_percent(tables.kept(report, arm, measure, place)))
            for measure, place in places
            if tables.kept(report, arm, measure, place)
        ],
        "longest": described["settings"].get("finetune", {}).get("max_length", 512),
        "emoji": report["coverage"].get(arm, {}).get("emoji"),
        "languages": ", ".join(_languages(report)),
        "training": [name for name, corpus in report["corpora"].items() if corpus["role"] == "reviews"],
    }


FREE = {"cc0-1.0", "unlicense", "pddl", "wtfpl"}
"""Licences that ask nothing of who passes a work on."""


def derived(licences: Mapping[str, str | None]) -> str:
    """The licence that follows from those of base and corpora: the only one that asks for anything, else ``other``."""
    asking = set(licences.values()) - FREE
    if not asking:
        return "cc0-1.0"
    alone = asking.pop() or "other"
    return "other" if asking or ", " in alone else alone  # several of one work stand with commas between


def _languages(report: Report) -> list[str]:
    """Of the reviews, as codes, each once."""
    reviews = (corpus for corpus in report["corpora"].values() if corpus["role"] == "reviews")
    return list(dict.fromkeys(printable(code) for corpus in reviews for code in corpus.get("language", ENGLISH)))


def _licences(report: Report, arm: str) -> dict[str, str | None]:
    """What the licences of the base (unless it was made from nothing) and of every text in training are."""
    source = report["arms"][arm]["source"]
    base = {} if source.get("name") == "scratch" else {f"the base {_base(source) or 'model'}": source.get("licence")}
    if parts := source.get("parts"):
        base["the head and adapter that Retone puts on it"] = parts["licence"]
    texts = {name: corpus for name, corpus in report["corpora"].items() if corpus["role"] != "pairs"}
    return base | {name: corpus.get("licence") for name, corpus in texts.items()}


def _hardest(per_class: Mapping[str, Any]) -> tuple[str, str]:
    """The class with the lowest F1, and that in percent."""
    label = min(per_class, key=lambda label: per_class[label]["f1"] or 0.0)
    return label, f"{100 * (per_class[label]['f1'] or 0.0):.0f}"
