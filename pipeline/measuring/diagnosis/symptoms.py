"""Every figure the troubleshooter may look at, read from a finished report: what was kept, gained, missed, unread.

The names and what they mean stand in the head of ``rules.yaml``. Nothing is measured here; intervals of differences
between two figures of the report are put together from theirs as if they were independent (half-widths added in
quadrature), which is too wide, never too narrow, for figures that share texts and move together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.common.labels import FLOORS
from pipeline.common.yaml import flat
from pipeline.drawing.tables import is_worse
from pipeline.measuring.statistics import bootstrap

Report = Mapping[str, Any]
"""report.json (``report.results.Report``); arms may lack what was not measured of them."""

FIELDS = ("value", "low", "high")


@dataclass(frozen=True)
class Figure(bootstrap.Figure):
    """A figure of one arm. ``place`` names the corpus (or the arm compared with) where it was measured."""

    place: str = ""


def figures_of(report: Report, arm: str) -> dict[str, Figure]:
    """Every figure of one arm that the report settles, by the names in the head of ``rules.yaml``.

    Of several corpora the one that looks worst stands for all. Figures of tuning are means over seeds, and their
    interval is the range over seeds. What was not measured is left out.
    """
    parts = (_kept, _losses, _backward, _scores, _verdicts, _emoji, _adaptation, _tuning, _labels, _settings)
    found = {name: figure for part in parts for name, figure in part(report, arm) if figure is not None}
    return {name: figure for name, figure in found.items() if math.isfinite(figure.value)}


Named = Iterator[tuple[str, Figure | None]]


def exactly(value: float, n: int = 1, place: str = "") -> Figure:
    """A figure that leaves no doubt, such as a count."""
    return Figure(float(value), float(value), float(value), n, place)


def _read(told: Any, place: str = "") -> Figure | None:
    """A figure as report.json has it; bounds that are null become NaN, which is never sure of anything."""
    if not told or told.get("value") is None:
        return None
    value, low, high = (math.nan if told.get(name) is None else float(told[name]) for name in FIELDS)
    return Figure(value, low, high, int(told.get("n") or 0), place)


def _each(told: Mapping[str, Any]) -> list[Figure]:
    return [figure for place, found in told.items() if (figure := _read(found, place)) is not None]


def _lowest(figures: Iterable[Figure | None]) -> Figure | None:
    return min((figure for figure in figures if figure), key=lambda figure: figure.value, default=None)


def _highest(figures: Iterable[Figure | None]) -> Figure | None:
    return max((figure for figure in figures if figure), key=lambda figure: figure.value, default=None)


def _minus(one: Figure | None, other: Figure | None) -> Figure | None:
    """One figure less the other, measured at the place of the first."""
    if one is None or other is None:
        return None
    value, place = one.value - other.value, one.place
    low = value - math.hypot(one.value - one.low, other.high - other.value)
    high = value + math.hypot(one.high - one.value, other.value - other.low)
    return Figure(value, low, high, min(one.n, other.n), place)


def _mapped(figure: Figure, by: Callable[[float], float]) -> Figure:
    """The figure on another, rising scale; NaN where that has no value."""
    value, low, high = (by(bound) if bound > 0 else math.nan for bound in (figure.value, figure.low, figure.high))
    return Figure(value, low, high, figure.n, figure.place)


def _share(part: int, whole: int, place: str = "") -> Figure | None:
    """A share of counted things, with Wilson's 95% interval."""
    if whole <= 0:
        return None
    return Figure(part / whole, *bootstrap.wilson(part / whole, whole), whole, place)


def _over_seeds(values: Sequence[float | None]) -> Figure | None:
    known = [float(value) for value in values if value is not None]
    return Figure(sum(known) / len(known), min(known), max(known), len(known)) if known else None


def _kept(report: Report, arm: str) -> Named:
    """How much general English was kept, and in which of the two steps it was lost."""
    levels = report["retention"].get(arm, {})
    shares = {model: levels.get(model, {}).get("kept", {}) for model in ("adapted", "tuned")}
    adapted, tuned = ({one.place: one for one in _each(shares[model].get("masked", {}))} for model in shares)
    yield "kept.adapted", _lowest(adapted.values())
    yield "kept.tuned", _lowest(tuned.values())
    steps = (_quotient(tuned[place], adapted[place]) for place in tuned if place in adapted)
    yield "kept.tuning", _lowest(steps)
    yield "kept.pairs", _lowest(_each(shares["tuned"].get("pairs", {})))
    pairs = levels.get("base", {}).get("pairs", {})
    yield "base.pairs", _lowest(_each({corpus: told.get("accuracy") for corpus, told in pairs.items()}))


def _quotient(now: Figure, before: Figure) -> Figure | None:
    """Share kept over two steps by the share kept over the first: what the second kept."""
    nats = _minus(_mapped(now, math.log), _mapped(before, math.log))
    return nats and Figure(math.exp(nats.value), math.exp(nats.low), math.exp(nats.high), nats.n, nats.place)


def _losses(report: Report, arm: str) -> Named:
    """Masked losses in nats: how far from general English the texts are, and what adaptation gained on them."""
    by_role: dict[str, list[tuple[Figure | None, Figure | None]]] = {"general": [], "informal": [], "reviews": []}
    for corpus, told in report["masked_loss"].get(arm, {}).items():
        by_role.setdefault(told["role"], []).append(
            (_read(told.get("base"), corpus), _read(told.get("adapted"), corpus))
        )
    general = _highest(base for base, _ in by_role["general"])
    yield "base.loss", general
    yield "far.reviews", _highest(_minus(base, general) for base, _ in by_role["reviews"])
    yield "far.informal", _highest(_minus(base, general) for base, _ in by_role["informal"])
    yield "far.after", _highest(_minus(adapted, general) for _, adapted in by_role["reviews"])
    yield "loss.reviews", _highest(adapted for _, adapted in by_role["reviews"])
    yield "gain.reviews", _lowest(_minus(*losses) for losses in by_role["reviews"])
    yield "gain.own", _lowest(_minus(*losses) for losses in by_role["informal"] or by_role["reviews"])


def _rung(report: Report, arm: str) -> Mapping[str, Any]:
    return next((rung for rung in report["ladder"] if rung["arm"] == arm), {})


def _backward(report: Report, arm: str) -> Named:
    """What tuning on from a model did to it on the reviews it had been tuned on before."""
    told = report["backward"].get(arm, {"change": None, "old": []})
    yield "backward", _read(told["change"], " and ".join(told["old"]))


def _scores(report: Report, arm: str) -> Named:
    """How well the classes are told apart on the test texts, by the arm and by the best floor there."""
    scores = _rung(report, arm).get("scores", {})
    score = _lowest(_each({corpus: told.get("macro_recall") for corpus, told in scores.items()}))
    yield "score", score
    if score:
        yield "score.width", exactly(score.high - score.low, score.n)
        there = [corpora.get(score.place, {}) for corpora in report["floors"].values()]
        yield "floor", _highest(_read(floor.get("macro_recall"), score.place) for floor in there)
    slices = {corpus: _read(told.get("emoji_macro_recall"), corpus) for corpus, told in scores.items()}
    behind = {
        corpus: _minus(_read(scores[corpus].get("macro_recall"), corpus), found) for corpus, found in slices.items()
    }
    furthest = _highest(behind.values())
    yield "emoji.behind", furthest
    yield "emoji.score", furthest and slices[furthest.place]
    yield "polarity.wrong", _highest(_wrong_polarity(report, arm))


def _wrong_polarity(report: Report, arm: str) -> Iterator[Figure | None]:
    """Of the texts with a polarity that were given one: the share with the wrong one, in the first seed."""
    for corpora in list(report["arms"].get(arm, {}).get("seeds", {}).values())[:1]:
        for corpus, told in corpora.items():
            (negative, _, turned), _, (missed, _, positive) = told["confusion"]
            wrong = turned + missed
            yield _share(wrong, wrong + negative + positive, corpus)


def _verdicts(report: Report, arm: str) -> Named:
    """On how many reviews corpora this arm was found to do worse, and the settings in which the rung differs."""
    judged = [one for one in report["verdicts"] if one["arm"] == arm and one["measure"] == "macro_recall"]
    sources = {one: told.get("source", {}).get("name") for one, told in report["arms"].items()}
    own = sources.get(arm)
    yield "scratch", exactly(own == "scratch")
    asked = {question: [one for one in judged if one["question"] == question]
             for question in ("rung", "overall", "floor", "control")}  # fmt: skip
    asked["scratch"] = [one for one in judged if sources.get(one["against"]) == "scratch" != own]
    for name, answers in asked.items():
        yield f"hurt.{name}", exactly(sum(map(is_worse, answers)))
        others = [(one["difference"], FLOORS.get(one["against"], one["against"])) for one in answers]
        yield f"against.{name}", _lowest(_read(*other) for other in others)
    for stage in ("prepare", "source", "tokenizer", "pretrain", "finetune"):
        changes = [one for one in _rung(report, arm).get("changes", []) if one["setting"].startswith(f"{stage}.")]
        yield f"changed.{stage}", exactly(len(changes))


def _emoji(report: Report, arm: str) -> Named:
    """What of the emoji the tokenizer can read, on the reviews corpus with most of them."""
    corpora = report["coverage"].get(arm, {}).get("corpora", {})
    reviews = [name for name, told in report["corpora"].items() if told.get("role") == "reviews"]
    shares = {name: _share(corpora[name]["emoji_texts"], corpora[name]["texts"], name)
              for name in reviews if name in corpora}  # fmt: skip
    most = _highest(shares.values())
    yield "emoji.texts", most
    if most:
        after, count = corpora[most.place]["after"], corpora[most.place]["emoji_texts"]
        for name, key in (("emoji.unread", "unk_rate_emoji_texts"), ("emoji.words_lost", "words_lost_rate")):
            if after.get(key) is not None:
                yield name, exactly(after[key], count, most.place)


def _adaptation(report: Report, arm: str) -> Named:
    """How pretraining on informal text went."""
    told = report["arms"].get(arm, {})
    story, rows = told.get("pretrain", {}), told.get("history", {}).get("pretrain", [])
    yield "adapt.tokens", exactly(story.get("tokens_seen", 0))
    if "replay_share" in story:
        yield "adapt.replayed", exactly(story["replay_share"])
    losses = [row["train_loss"] for row in rows if row.get("train_loss") is not None]
    if losses:
        yield "adapt.rise", exactly(losses[-1] - losses[0])
    if story.get("steps"):
        yield "adapt.unfinished", exactly(story.get("stopped") == "done" and story["best_step"] == story["steps"])


def _tuning(report: Report, arm: str) -> Named:
    """How fine-tuning went: losses in nats, at the end on training texts and at the kept epoch on dev texts."""
    told = report["arms"].get(arm, {})
    stories, curves = told.get("finetune", {}), told.get("history", {}).get("finetune", {})
    losses = [[row["train_loss"] for row in curve if row.get("train_loss") is not None] for curve in curves.values()]
    yield "tune.train", _over_seeds([curve[-1] for curve in losses if curve])
    yield "tune.peak", _over_seeds([max(curve) for curve in losses if curve])
    yield "tune.dev", _over_seeds([_at_best(curves[seed], stories.get(seed, {})) for seed in curves])
    yield "tune.dev_recall", _over_seeds([story.get("dev_macro_recall") for story in stories.values()])
    adversaries = [story["domain_adversary"] for story in stories.values() if "domain_adversary" in story]
    if adversaries:
        yield "align.alarm", exactly(sum(told["alarm"] is not None for told in adversaries))
        yield "align.lowest", _over_seeds([told["lowest_domain_loss"] for told in adversaries])
        yield "align.variance", _over_seeds([told["variance_left"] for told in adversaries])
        probed = [story["domains"] for story in stories.values() if "domains" in story]
        before, after = ([_read(told[when]) for told in probed] for when in ("before", "after"))
        yield "align.before", _lowest(before)
        yield "align.after", _highest(after)
        yield "align.fell", _lowest(_minus(*sides) for sides in zip(before, after, strict=True))
    story: Mapping[str, Any] = next(iter(stories.values()), {})
    if story.get("trainable_parameters") and "frozen_parameters" in story:
        trainable = story["trainable_parameters"]
        yield "tune.trainable", exactly(trainable / (trainable + story["frozen_parameters"]))
        yield "tune.lora", exactly(story.get("method") == "lora")


def _at_best(curve: Sequence[Mapping[str, Any]], story: Mapping[str, Any]) -> float | None:
    return next((row.get("dev_loss") for row in curve if row.get("step") == story.get("best_step")), None)


def _labels(report: Report, _arm: str) -> Named:
    """Reviews of the training side that stand twice with different labels, as a share of those that were read."""
    shares = []
    for corpus, told in report["corpora"].items():
        conflicts = told.get("dropped", {}).get("label conflict", 0)
        if told.get("role") == "reviews":
            shares.append(_share(conflicts, conflicts + told["splits"].get("train", 0), corpus))
    yield "labels.conflicts", _highest(shares)


def _settings(report: Report, arm: str) -> Named:
    """The numbers among the arm's settings."""
    for path, value in flat(report["arms"].get(arm, {}).get("settings", {})).items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield f"setting.{path}", exactly(value)
