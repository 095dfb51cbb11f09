"""A tuned model on newly labelled reviews: what it scores, how far they are from what it was tuned on, what to do.

Intervals of shares are Wilson's, of means over texts the normal ones; two of them are set against each other as
``two_runs.apart`` does. Macro-recall does not depend on how often each class occurs, so that it can be compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm

from pipeline.common.files import read_object
from pipeline.common.labels import LABELS
from pipeline.corpora.prepared import rows
from pipeline.corpora.shift import counted
from pipeline.measuring.reviews import calibration, slices
from pipeline.measuring.runs.two_runs import DRAWS, Estimate, apart
from pipeline.measuring.statistics.bootstrap import LEVEL, share
from pipeline.measuring.statistics.comparison import FEWEST_OF_CLASS
from pipeline.measuring.statistics.ladder import Rows, scores
from pipeline.text.cleaning import without_masks
from pipeline.text.emoji import emoji_list, has_emoji
from pipeline.text.words import traits, words

MOVED = 0.02
"""An input has drifted where the whole interval of a share's difference lies beyond so much."""
SHOWN = 12
Labelled = Sequence[tuple[str, int]]
"""(cleaned text, class id) of each review."""


class Past(NamedTuple):
    """What is known of a model's making."""

    tuned_on: Labelled
    held_out: Labelled
    """Its test texts of then."""
    macro_recall: Estimate | None
    """On them, the mean over the corpora that have texts enough of each class; None where none has."""
    margin: float
    """What difference does not matter, as its report has it."""
    corpora: list[str]
    recipe: str
    """What is typed for the one that it was made by."""
    share_of_rows: float
    """How much of the corpora it was made of."""


def past(model: Path) -> Past | None:
    """What the store tells of a model that lies in a report's folder; None where it lies elsewhere."""
    folder = model.resolve()
    place = next((above for above in folder.parents[:2] if (above / "report.json").is_file()), None)
    if place is None:
        return None
    report = read_object(place / "report.json")
    arm = report["final_arm"] if folder.parent == place else folder.name
    described = report["arms"][arm]
    seed = str(described["model_seed"])
    prepare = place.parents[1] / "prepare" / report["fingerprints"][arm]["prepare"][seed][:16]
    if not (prepare / "corpora.json").is_file():
        return None
    tested = described["seeds"][seed]
    told = [found["macro_recall"] for found in tested.values() if found["macro_recall"]["value"] is not None]
    mean = {end: float(np.mean([each[end] for each in told])) for end in ("value", "low", "high") if told}
    train, test = (
        [(row["text"], row["label"]) for row in rows(prepare, role="reviews", split=split)]
        for split in ("train", "test")
    )
    figure = mean | {"n": sum(each["n"] for each in told)} if told else None
    share = described["settings"]["prepare"]["share_of_rows"]
    return Past(train, test, figure, report["margin"], list(tested), report["recipe"], share)


def scored(texts: Labelled, probabilities: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Scores, those on texts with and without emoji, of each class, and calibration, from probabilities [n, 3].

    Returns:
        {"scores": as ``ladder.scores``, "emoji": as ``slices.by_trait`` of that trait, "classes", "calibration"}
    """
    found: Rows = [
        {"id": str(place), "label": label, "predicted": int(np.argmax(shares)), "probabilities": list(shares),
         "emoji": has_emoji(text)}
        for place, ((text, label), shares) in enumerate(zip(texts, probabilities, strict=True))
    ]  # fmt: skip
    has = {row["id"]: traits(text) for row, (text, _) in zip(found, texts, strict=True)}
    return {
        "scores": scores([found], DRAWS),
        "emoji": slices.by_trait([found], has, ["emoji"], DRAWS)["emoji"],
        "classes": slices.by_class([found], DRAWS),
        "calibration": calibration.calibration([found], DRAWS),
    }


def too_few(texts: Labelled) -> str | None:
    """Which class has too few texts for a score, and how many; None where there are enough of each."""
    counts = Counter(label for _, label in texts)
    fewest = min(range(len(LABELS)), key=lambda place: counts[place])
    return f"{counts[fewest]} {LABELS[fewest]}" if counts[fewest] < FEWEST_OF_CLASS else None


def drift(now: Labelled, then: Past) -> dict[str, dict[str, Any]]:
    """How inputs differ from those of then: shares of each side, the difference, and whether it is one.

    Words and emoji are known that stand in the texts it was tuned on; beside the new texts stand its held-out ones.

    Returns:
        what -> {"then": FIGURE, "now": FIGURE, "difference": FIGURE, "moved": whether it is surely more than ``MOVED``}
    """
    known, seen = (
        counted([text for text, _ in then.tuned_on]),
        {one for text, _ in then.tuned_on for one in _emoji(text)},
    )
    measures: dict[str, tuple[Labelled, Callable[[Labelled], Estimate | None]]] = {
        "words it knows": (then.held_out, lambda texts: _known(texts, _words, known)),
        "emoji it knows": (then.held_out, lambda texts: _known(texts, _emoji, seen)),
        "texts with emoji": (then.tuned_on, lambda texts: _share([has_emoji(text) for text, _ in texts])),
        "long texts": (then.tuned_on, lambda texts: _share(["long" in traits(text) for text, _ in texts])),
    }
    for place, name in enumerate(LABELS):
        measures[f"{name} ones"] = (
            then.tuned_on,
            lambda texts, place=place: _share([label == place for _, label in texts]),  # type: ignore[misc]
        )
    found = {}
    for what, (before, measure) in measures.items():
        was, becomes = measure(before), measure(now)
        if was and becomes:
            difference = apart(was, becomes)
            moved = difference["low"] > MOVED or difference["high"] < -MOVED
            found[what] = {"then": was, "now": becomes, "difference": difference, "moved": moved}
    return found


def unknown(now: Labelled, then: Past) -> list[str]:
    """The commonest words and emoji that do not stand in the texts it was tuned on."""
    known = {one for text, _ in then.tuned_on for one in (*_words(text), *_emoji(text))}
    strange = Counter(one for text, _ in now for one in (*_words(text), *_emoji(text)) if one not in known)
    return sorted(strange, key=lambda one: (-strange[one], one))[:SHOWN]


def advice(now: Estimate, then: Past, moved: Sequence[str]) -> str:
    """Whether to tune anew, from macro-recall of then and now and what of the inputs has drifted."""
    inputs = f"; drifted: {', '.join(moved)}" if moved else "; no input has drifted"
    if then.macro_recall is None:
        return f"not decided: when it was tested, a class had too few texts for a macro-recall{inputs}"
    apart_by = apart(then.macro_recall, now)
    low, high = (100 * apart_by[end] for end in ("low", "high"))
    change = f"{100 * apart_by['value']:+.1f} points ({low:+.1f} to {high:+.1f})".replace("-", "−")
    said = f"macro-recall changed by {change}"
    if high < 0:
        return f"tune anew: {said}{inputs}"
    if apart_by["low"] > -then.margin:
        return f"no need to tune anew: {said}{inputs}"
    fell = apart_by["value"] < 0
    more = "tuning anew is worth a try" if moved and fell else "label more to tell"
    return f"not decided, {more}: {said}{inputs}"


def _words(text: str) -> list[str]:
    return words(without_masks(text, by=" "))


def _emoji(text: str) -> list[str]:
    return emoji_list(text)


def _known(texts: Labelled, parts: Callable[[str], list[str]], known: Mapping[str, int] | set[str]) -> Estimate | None:
    """Mean over the texts that have any of the share of their parts that are known."""
    shares = [np.mean([one in known for one in own]) for text, _ in texts if (own := parts(text))]
    if len(shares) < 2:
        return None
    mean, error = float(np.mean(shares)), float(np.std(shares, ddof=1)) / len(shares) ** 0.5
    reach = float(norm.ppf((1 + LEVEL) / 2)) * error
    return {"value": mean, "low": max(0.0, mean - reach), "high": min(1.0, mean + reach), "n": len(shares)}


def _share(hits: Sequence[bool]) -> Estimate | None:
    return share(hits).as_json() if hits else None
