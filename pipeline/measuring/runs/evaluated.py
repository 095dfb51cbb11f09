"""Reading what the evaluate stage wrote: the items of all arms and seeds, lined up so that they can be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.common.errors import InputError
from pipeline.common.files import read_json, read_jsonl
from pipeline.measuring.general import exchange
from pipeline.measuring.general.score import MODELS, column, losses, ratio, right
from pipeline.measuring.layers import cka
from pipeline.measuring.statistics.comparison import CHANCE, Measured, masked_kept, pairs_kept
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
        nats a masked piece.
    """
    told = [read_json(folder / "retention.json") for folder in folders]
    found: dict[str, Any] = {}
    for model in MODELS:
        shares = kept_now.get(model, {})
        if all(seed["models"].get(model) == told[0]["models"].get(model) for seed in told):
            found[model] = _as_told(told[0], model, shares)
        else:
            found[model] = _averaged(folders, model, draws) | {"kept": _by_measure(shares, draws.of)}
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
        corpus: {"accuracy": draws.of(_accuracy(seeds))}
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


def kept(arms: Folders, model: str, draws: Draws) -> dict[str, dict[Key, Measured]]:
    """Share of the base's general English that ``model`` kept: arm -> ("masked" or "pairs", corpus) -> measure.

    Minimal pairs on which the base is not above chance (its interval covers 1/2) are left out: nothing to keep.
    """
    found: dict[str, dict[Key, Measured]] = {arm: {} for arm in arms}
    for measure, prefix in (("masked", ""), ("pairs", "pairs_")):
        now = {arm: _by_corpus(folders, f"{prefix}{model}.jsonl") for arm, folders in arms.items()}
        before = {arm: _by_corpus(folders, f"{prefix}base.jsonl") for arm, folders in arms.items()}
        for corpus in next(iter(now.values())):
            if not all(corpus in seen for seen in now.values()):
                continue
            rows = {arm: [*now[arm][corpus], before[arm][corpus][0]] for arm in arms}
            for arm, (*seeds, base) in _shared(rows, f"documents of {corpus}").items():
                share = _masked_share(base, seeds) if measure == "masked" else _pair_share(base, seeds, draws)
                if share is not None:
                    found[arm][measure, corpus] = share
    return found


def exchanged(folder: Path, draws: Draws) -> dict[str, Any] | None:
    """What adaptation paid in general English for what it gained, of one arm; reviews stand for missing informal text.

    As ``exchange.exchange`` returns it.
    """
    shift = read_json(folder / "retention.json").get("shift", {})
    roles = {corpus: told["role"] for corpus, told in shift.items()}
    sides: dict[str, dict[str, tuple[list[Row], list[Row]]]] = {"general": {}, "informal": {}, "reviews": {}}
    for prefix in ("", "shift_"):
        before, after = (_by_corpus([folder], f"{prefix}{model}.jsonl") for model in ("base", "adapted"))
        for corpus in before:
            if corpus not in after or roles.get(corpus) not in sides:
                continue
            shared = _shared({"base": before[corpus], "adapted": after[corpus]}, f"texts of {corpus}")
            sides[roles[corpus]][corpus] = (shared["base"][0], shared["adapted"][0])
    return exchange.exchange(sides["general"], sides["informal"] or sides["reviews"], draws)


def noise_floor(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """CKA by layer between the first two seeds of an arm's tuned models; empty with one seed."""
    seen = [folder / "retention" / "features_tuned.npy" for folder in folders[:2]]
    if len(seen) < 2 or not all(path.exists() for path in seen):
        return []
    return [figure.as_json() for figure in cka.by_layer(*(np.load(path, allow_pickle=False) for path in seen))]


def _masked_share(base: Sequence[Row], seeds: Sequence[Sequence[Row]]) -> Measured:
    return masked_kept([row["nats"] for row in base], column(seeds, "nats"), [row["masked"] for row in base])


def _pair_share(base: Sequence[Row], seeds: Sequence[Sequence[Row]], draws: Draws) -> Measured | None:
    at_chance = draws.of(_accuracy([base]))["low"] <= CHANCE
    return None if at_chance else pairs_kept(right(base), [right(rows) for rows in seeds])


def _accuracy(seeds: Sequence[Sequence[Row]]) -> Measured:
    found = np.array([right(rows) for rows in seeds])
    return ratio(found, np.ones_like(found))


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
