"""Reading what the evaluate stage wrote: the items of all arms and seeds, lined up so that they can be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.common.errors import InputError
from pipeline.common.files import read_json, read_jsonl
from pipeline.measuring.general import exchange
from pipeline.measuring.general.score import MODELS, grammar, grammar_kept, losses, phenomena, right, words_kept
from pipeline.measuring.layers import cka, probes
from pipeline.measuring.statistics.comparison import Measured
from pipeline.measuring.statistics.ladder import Draws, Key

Folders = Mapping[str, Sequence[Path]]
"""arm -> its evaluate folders, one a seed, the same seeds in every arm."""

Row = Mapping[str, Any]


def predictions(arms: Folders) -> dict[str, dict[str, list[list[Row]]]]:
    """Predictions of every corpus that all arms were tested on: corpus -> arm -> seed -> rows in one order.

    Raises:
        InputError: the arms have no test text of a corpus in common.
    """
    named = [{path.stem for path in (folder / "predictions").glob("*.jsonl")} for folder in _every(arms)]
    first = next(iter(_every(arms)))
    order = list(read_json(first / "scores.json")["corpora"])
    found = {}
    for corpus in order:
        if all(corpus in names for names in named):
            rows = {
                arm: [read_jsonl(folder / "predictions" / f"{corpus}.jsonl") for folder in folders]
                for arm, folders in arms.items()
            }
            found[corpus] = _shared(rows, f"test texts of {corpus}")
    return found


def floor(folder: Path, name: str, corpus: str, like: Sequence[Row]) -> list[Row]:
    """The predictions of the floor of that name beside one arm, on the texts of ``like``, in their order."""
    rows = {row["id"]: row for row in read_jsonl(folder / "floors" / name / f"{corpus}.jsonl")}
    return [rows[row["id"]] for row in like]


def levels(folders: Sequence[Path], kept_now: Mapping[str, Mapping[Key, Measured]], draws: Draws) -> dict[str, Any]:
    """What each model of one arm knows of general English, and how much it kept, as report.json has it.

    What all seeds share is taken as evaluate wrote it; where they differ, seeds are averaged and drawn anew.

    Returns:
        model -> {"masked": {corpus: {"loss", "loss_full", "bits_per_byte", "accuracy"}},
        "pairs": {corpus: {"accuracy"}}, "kept": {"masked": {corpus: figure}, "pairs": {corpus: figure}}}, losses in
        nats a masked piece; of the tuned model also "of_adapted", as "kept": what tuning alone kept.
    """
    told = [read_json(folder / "retention.json") for folder in folders]
    found: dict[str, Any] = {}
    for model in MODELS:
        shares = kept_now.get(model, {})
        if all(seed["models"].get(model) == told[0]["models"].get(model) for seed in told):
            found[model] = _as_told(told[0], model, shares)
        else:
            found[model] = _averaged(folders, model, draws) | {"kept": _by_measure(shares, draws.of)}
    found["tuned"]["of_adapted"] = _by_measure(kept_now.get("of_adapted", {}), draws.of)
    return found


def _as_told(told: Mapping[str, Any], model: str, shares: Mapping[Key, Measured]) -> dict[str, Any]:
    knows = told["models"].get(model, {"masked": {}, "pairs": {}})
    score = told["scores"].get(f"base_to_{model}", {})
    kept = {measure: {corpus: score[measure][corpus] for kind, corpus in shares if kind == measure}
            for measure in ("masked", "pairs")}  # fmt: skip
    return knows | {"kept": kept}


def _averaged(folders: Sequence[Path], model: str, draws: Draws) -> dict[str, Any]:
    masked = {
        corpus: {name: draws.of(measure) for name, measure in losses(seeds).items()}
        for corpus, seeds in _by_corpus(folders, f"{model}.jsonl").items()
    }
    pairs = {
        corpus: {"accuracy": draws.of(grammar(seeds))}
        for corpus, seeds in _by_corpus(folders, f"pairs_{model}.jsonl").items()
    }
    return {"masked": masked, "pairs": pairs}


def _by_measure(
    shares: Mapping[Key, Measured], figure: Callable[[Measured], dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    return {
        measure: {corpus: figure(share) for (kind, corpus), share in shares.items() if kind == measure}
        for measure in ("masked", "pairs")
    }


def kept(arms: Folders, model: str, draws: Draws, of: str = "base") -> dict[str, dict[Key, Measured]]:
    """Share of the general English of ``of`` that ``model`` kept: arm -> ("masked" or "pairs", corpus) -> measure.

    Minimal pairs on which the base is not well above chance are left out: nothing to keep (``grammar_kept``).
    """
    found: dict[str, dict[Key, Measured]] = {arm: {} for arm in arms}
    for measure, prefix in (("masked", ""), ("pairs", "pairs_")):
        now = {arm: _by_corpus(folders, f"{prefix}{model}.jsonl") for arm, folders in arms.items()}
        before = {arm: _by_corpus(folders, f"{prefix}{of}.jsonl") for arm, folders in arms.items()}
        for corpus in next(iter(now.values())):
            if not all(corpus in seen for seen in now.values()):
                continue
            rows = {arm: [*now[arm][corpus], before[arm][corpus][0]] for arm in arms}
            for arm, (*seeds, base) in _shared(rows, f"documents of {corpus}").items():
                share = words_kept(base, seeds) if measure == "masked" else grammar_kept(base, seeds, draws)
                if share is not None:
                    found[arm][measure, corpus] = share
    return found


def judged_right(arms: Folders) -> dict[str, dict[Key, Measured]]:
    """Share of minimal pairs that the tuned model judges right: arm -> ("pairs", corpus) -> measure.

    What arms are compared by: a share of what little lies above chance is too wide to be.
    """
    return {
        arm: {("pairs", corpus): grammar(seeds) for corpus, seeds in found.items()}
        for arm, found in _pairs(arms).items()
    }


def by_phenomenon(arms: Folders) -> dict[str, dict[str, dict[str, float]]]:
    """Pairs that the base and each arm's tuned model judge right, the mean over seeds.

    Returns:
        corpus -> phenomenon -> {"n": pairs, "base": right ones, and by arm}.
    """
    first = next(iter(arms.values()))[:1]
    told: dict[str, dict[str, dict[str, float]]] = {}
    for who, found in {"base": _by_corpus(first, "pairs_base.jsonl"), **_pairs(arms)}.items():
        for corpus, seeds in found.items():
            kinds, own = np.unique(phenomena(seeds[0]), return_inverse=True)
            counts = np.bincount(own, np.mean([right(rows) for rows in seeds], axis=0))
            for kind, n, count in zip(kinds.tolist(), np.bincount(own).tolist(), counts.tolist(), strict=True):
                told.setdefault(corpus, {}).setdefault(kind, {"n": n})[who] = count
    return told


def _pairs(arms: Folders) -> dict[str, dict[str, list[list[Row]]]]:
    """arm -> corpus -> seed -> the pairs that all arms were asked, in one order, as the tuned models judge them."""
    every = {arm: _by_corpus(folders, "pairs_tuned.jsonl") for arm, folders in arms.items()}
    found: dict[str, dict[str, list[list[Row]]]] = {arm: {} for arm in arms}
    for corpus in next(iter(every.values())):
        if all(corpus in own for own in every.values()):
            for arm, seeds in _shared({arm: own[corpus] for arm, own in every.items()}, f"pairs of {corpus}").items():
                found[arm][corpus] = seeds
    return found


def exchanged(folders: Sequence[Path], draws: Draws) -> dict[str, Any] | None:
    """What adaptation paid in general English for what it gained, of one arm; reviews stand for missing informal text.

    As ``exchange.exchange`` returns it.
    """
    shift = read_json(folders[0] / "retention.json").get("shift", {})
    roles = {corpus: told["role"] for corpus, told in shift.items()}
    sides: dict[str, dict[str, tuple[list[Row], list[list[Row]]]]] = {"general": {}, "informal": {}, "reviews": {}}
    for prefix in ("", "shift_"):
        before, after = (_by_corpus(folders, f"{prefix}{model}.jsonl") for model in ("base", "adapted"))
        for corpus in before:
            if corpus not in after or roles.get(corpus) not in sides:
                continue
            shared = _shared({"base": before[corpus][:1], "adapted": after[corpus]}, f"texts of {corpus}")
            sides[roles[corpus]][corpus] = (shared["base"][0], shared["adapted"])
    return exchange.exchange(sides["general"], sides["informal"] or sides["reviews"], draws)


def cka_beside(folders: Sequence[Path]) -> dict[str, list[dict[str, Any]]]:
    """What CKA by layer is read against: that between the first two seeds of an arm's tuned models; of one, chance."""
    seen = [np.load(path, allow_pickle=False) for folder in folders[:2]
            if (path := folder / "retention" / "features_tuned.npy").exists()]  # fmt: skip
    return {
        "noise_floor": [figure.as_json() for figure in cka.by_layer(*seen)] if len(seen) == 2 else [],
        "by_chance": cka.by_chance(seen[0]) if len(seen) == 1 else [],
    }


def probes_beside(folder: Path, first: Path, draws: Draws) -> dict[str, Any]:
    """By task and layer: how much more often probes on one arm's tuned model are right than on the first arm's."""
    if folder == first:
        return {}
    rows, others = (read_jsonl(each / "retention" / "probes_tuned.jsonl") for each in (folder, first))
    both = {row["id"] for row in rows} & {row["id"] for row in others}
    shared = ([row for row in side if row["id"] in both] for side in (rows, others))
    return probes.beside(*shared, draws=draws.draws, seed=draws.seed)


def _every(arms: Folders) -> list[Path]:
    return [folder for folders in arms.values() for folder in folders]


def _by_corpus(folders: Sequence[Path], name: str) -> dict[str, list[list[Row]]]:
    """Rows of a retention file by corpus, a list for each seed; empty where nothing was measured."""
    found: dict[str, list[list[Row]]] = {}
    for place, folder in enumerate(folders):
        for row in read_jsonl(folder / "retention" / name):
            found.setdefault(row["corpus"], [[] for _ in folders])[place].append(row)
    return found


def _shared(arms: Mapping[str, Sequence[Sequence[Row]]], what: str) -> dict[str, list[list[Row]]]:
    """The rows that every arm and seed has, in the order of the first."""
    by_id = {arm: [{row["id"]: row for row in rows} for rows in seeds] for arm, seeds in arms.items()}
    everywhere = [rows for seeds in by_id.values() for rows in seeds]
    order = [name for name in everywhere[0] if all(name in rows for rows in everywhere)]
    if not order:
        raise InputError(
            f"report: the arms have no {what} in common, so they cannot be compared; give all arms the same prepare "
            "settings"
        )
    return {arm: [[rows[name] for name in order] for rows in seeds] for arm, seeds in by_id.items()}
