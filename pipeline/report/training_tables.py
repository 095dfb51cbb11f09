"""The tables about the models: what the tokenizer reads, how training went, each class, time and size, versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipeline.common.printable import many
from pipeline.drawing.tables import NOTHING, Cell, Report, Table, change, number, on_one_line, percent, prose, whose


def coverage(report: Report) -> Table:
    """What the tokenizer lost on each corpus before and after emoji tokens, an entry for every way arms read emoji."""
    rows: dict[Any, tuple[Cell, ...]] = {}
    for arm, found in report["coverage"].items():
        said = f"{arm}: emoji {found['emoji']}, {many(found['rows_added'], 'row')} added"
        for name, corpus in found["corpora"].items():
            cells = (
                *_before_after(corpus, "unk_rate_emoji_texts", 100, 1),
                *_before_after(corpus, "words_lost_rate", 100, 2),
                *_before_after(corpus, "tokens_per_text", 1, 1),
            )
            way = {"arm": arm, "emoji": found["emoji"], "rows added": found["rows_added"]}
            row = (Cell(name, said, beside=way), number(corpus["emoji_texts"]), number(corpus["texts"]), *cells)
            rows.setdefault((name, found["emoji"], str(corpus["after"])), row)
    columns = ["corpus", "texts with emoji", "texts", "emoji texts with an [UNK] before, %, lower is better", "after"]
    columns += ["words lost before, %, lower is better", "after", "tokens a text before", "after"]
    after = {place + 1: columns[place].replace("before", "after") for place in (3, 5, 7)}
    return Table("What the tokenizer can read", tuple(columns), tuple(rows.values()), alone=after)


def _before_after(corpus: Mapping[str, Any], key: str, factor: float, digits: int) -> tuple[Cell, Cell]:
    values = (corpus[side].get(key) for side in ("before", "after"))
    before, after = (None if value is None else factor * value for value in values)
    return number(before, digits), number(after, digits)


def plain(report: Report) -> Table:
    """What a plain pipeline loses that gets the raw text: no masks for names and links, no entities resolved."""
    rows = []
    for arm, found in report["arms"].items():
        seed, corpora = next(iter(found["seeds"].items()))
        for corpus, scores in corpora.items():
            if scores.get("plain"):
                raw, lost = scores["plain"], scores["plain"]["minus_model"]["macro_recall"]
                rows.append(
                    (
                        Cell(arm, f"{corpus}, seed {seed}", beside={"corpus": corpus, "seed": seed}),
                        percent(scores["macro_recall"]),
                        percent(raw["macro_recall"]),
                        on_one_line(change(lost)),
                        number(100 * raw["changed"], 1),
                    )
                )
    return Table(
        "Raw text straight into transformers",
        ("arm", "macro-recall with our clean-up, %", "without, %", "difference, points", "texts called otherwise, %"),
        tuple(rows),
        "python -m stages predict cleans a text as training did; a plain pipeline does not.",
        alone={2: "macro-recall without our clean-up, %"},
    )


def training(report: Report) -> Table:
    """How the training of each arm went."""
    rows = []
    for arm, found in report["arms"].items():
        for seed, tuned in found["finetune"].items():
            adapted = found["pretrain"]
            rows.append(
                (
                    _of_seed(arm, seed),
                    number(adapted.get("tokens_seen")),
                    Cell(str(adapted.get("stopped", "–"))),
                    number(adapted.get("emoji_rows_never_seen")),
                    number(tuned.get("trainable_parameters")),
                    number(tuned.get("frozen_parameters")),
                    Cell(str(tuned.get("best_epoch", "–")), value=tuned.get("best_epoch")),
                    _share(tuned.get("dev_macro_recall")),
                    number(tuned.get("frozen_cache_megabytes"), 1),
                    *(_share(of.get("padding_share")) for of in (adapted, tuned)),
                )
            )
    columns = ["arm", "pretraining: tokens seen", "ended", "emoji rows never seen", "tuning: weights trained"]
    columns += ["weights frozen", "best epoch", "dev macro-recall, %", "frozen layers' states, MB"]
    columns += ["padding in pretraining, %", "in tuning, %"]
    leaning = {2: "pretraining ended", 10: "padding in tuning, %"}
    return Table(f"Training{whose(report)}", tuple(columns), tuple(rows), alone=leaning)


def _of_seed(arm: str, seed: str) -> Cell:
    return Cell(arm, f"seed {seed}", beside={"seed": seed})


def _share(value: float | None) -> Cell:
    return number(None if value is None else 100 * value, 1)


def alignment(report: Report) -> Table:
    """How surely the domains of arms with a target are told apart by their features, and how an adversary fared."""
    rows = []
    for arm, found in report["arms"].items():
        for seed, tuned in found["finetune"].items():
            if "domains" in tuned:
                told = tuned.get("domain_adversary", {})
                cells = (percent(tuned["domains"][when]) for when in ("before", "after"))
                losses = (number(told.get(name), 2) for name in ("lowest_domain_loss", "domain_loss"))
                left = _share(told.get("variance_left"))
                rows.append((_of_seed(arm, seed), *cells, *losses, left, Cell(str(told.get("alarm") or "–"))))
    columns = ["arm", "domains told apart before tuning, %", "after", "adversary: lowest loss, nats", "at the end"]
    note = (
        "By a logistic regression on what the classifier reads of dev texts; a coin has 50%, and a loss of 0.69 nats."
    )
    columns += ["variance left, %", "alarm"]
    leaning = {2: "domains told apart after tuning, %", 4: "adversary: loss at the end, nats"}
    return Table("Source and target", tuple(columns), tuple(rows), note if rows else "", words=(6,), alone=leaning)


def seconds(report: Report) -> Table:
    """Seconds of each stage and arm, and what was shared."""
    spent = report["cost"]["seconds"]
    stages = list(dict.fromkeys(stage for found in spent.values() for stage in found))
    rows = []
    for arm, found in spent.items():
        cells = [_seconds(found.get(stage)) for stage in stages]
        new = sum(entry["new"] for entry in found.values())
        rows.append((Cell(arm), *cells, number(new), number(report["cost"]["model_megabytes"][arm], 1)))
    columns = ("arm", *(f"{stage}, s" for stage in stages), "new work, s", "model, MB")
    return Table(
        "What it cost", columns, tuple(rows), "An artifact that an earlier arm had already made costs nothing."
    )


def _seconds(entry: Mapping[str, Any] | None) -> Cell:
    if entry is None:
        return NOTHING
    if not (other := entry["shared_with"]):
        return number(entry["seconds"], 1)
    seconds = number(entry["seconds"], 1)
    return replace(seconds, detail=f"shared with {other}", tone="quiet", beside={"shared with": other})


def base(report: Report) -> Table:
    """Where the ladder starts: the base model of each arm, and what had to be restored in it."""
    rows: list[tuple[Cell, ...]] = []
    for arm, found in report["arms"].items():
        source = found["source"]
        restored = source.get("restored")
        head = f"trained on general text: {sum(restored.values()):,} tokens" if restored else "the base's own"
        row = (number(source.get("parameters")), number(source.get("vocabulary")), Cell(head))
        if source and row not in [other[1:] for other in rows]:
            rows.append((Cell(str(source.get("name")), f"from {arm} on", beside={"from arm": arm}), *row))
    columns = ("base", "parameters", "word pieces", "masked-word head")
    return Table("Base model", columns, tuple(rows), words=(3,))


def versions(report: Report) -> Table:
    """Libraries that made the artifacts."""
    rows = tuple((Cell(name), Cell(prose(found))) for name, found in report["versions"].items())
    return Table("Versions", ("library", "version"), rows, words=(1,))


def fingerprints(report: Report) -> Table:
    """Which artifacts were used: their folders' names."""
    found = report["fingerprints"]
    stages = list(dict.fromkeys(stage for used in found.values() for stage in used))
    rows = [
        (Cell(arm), *(Cell(" ".join(dict.fromkeys(name[:16] for name in used[stage].values()))) for stage in stages))
        for arm, used in found.items()
        if any(used.values())
    ]
    columns, words = ("arm", *stages), tuple(range(1, len(stages) + 1))
    return Table("Fingerprints", columns, tuple(rows), "The artifact of each stage; one for each seed.", words)
