"""The frontier of one tuning: models between the base and the tuned one, and the choice among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.errors import InputError
from pipeline.common.files import read_json
from pipeline.corpora import prepared
from pipeline.corpora.prepared import Rows
from pipeline.learning import blending, options
from pipeline.measuring.frontier import score as frontier_score
from pipeline.measuring.frontier.results import Frontier
from pipeline.measuring.statistics.comparison import masked_kept
from pipeline.measuring.statistics.sampling import fixed_sample
from pipeline.models import loading
from pipeline.models.reader import Reader

DEV_TEXTS = 600
"""Reviews that each point is scored on, as many of each corpus, evenly from the classes: nineteen models read them."""


class Ground(NamedTuple):
    """What a tuned model is held against: base with its emoji rows (its artifact), adapted model, general dev text."""

    asked: options.Frontier
    tokenizer: Path
    adapted: Path
    general: Rows


def general_dev(asked: options.Frontier, prepare: Path) -> Rows:
    """The general dev texts on which retention is measured.

    Raises:
        InputError: a budget asks for them and there are none.
    """
    rows = fixed_sample(prepared.rows(prepare, role="general", split="dev"), asked.windows, 0)
    if asked.budget is not None and not rows:
        raise InputError(
            "finetune.frontier.budget: it is measured on general dev text and there is none; add a corpus with role "
            "general under prepare.corpora (with prepare.dev_share above 0), or set the budget to null"
        )
    return rows


def frontier_of(model: Any, reader: Reader, dev: Rows, ground: Ground) -> Frontier:
    """Score models between base and ``model`` on dev; make ``model`` the chosen one; return what frontier.json says."""
    if not ground.asked.points or not ground.general:
        reason = "no general dev text" if ground.asked.points else "finetune.frontier.points is 0"
        return frontier_score.left_out(reason, tuned=blending.TUNED)
    dev, stops = _asked(dev), blending.blends(ground.asked.points)
    base, adapted = map(loading.load_masked_lm, (ground.tokenizer / "model", ground.adapted))
    panel = blending.Panel(base, model, adapted, _questions(reader, dev, ground))
    points = frontier_score.points(
        {stop.name: stop.alphas for stop in stops},
        labels=[row["label"] for row in dev],
        corpora=[row["corpus"] for row in dev],
        predicted=[panel.classes(stop) for stop in stops],
        nats_base=panel.base_nats,
        nats=[panel.nats(stop) for stop in stops],
        masked=panel.masked,
    )
    told = frontier_score.told(points, tuned=blending.TUNED, budget=ground.asked.budget)
    panel.become(model, next(stop for stop in stops if stop.name == told["chosen"]))
    return told


def take_best(model: Any, reader: Reader, dev: Rows, ground: Ground) -> None:
    """Make ``model`` the one that ``frontier_of`` would choose, asking no more than that takes.

    A blend that scores less than one within the budget is not asked what it keeps.
    """
    assert ground.asked.budget is not None
    dev, stops = _asked(dev), blending.blends(ground.asked.points)
    base, adapted = map(loading.load_masked_lm, (ground.tokenizer / "model", ground.adapted))
    panel = blending.Panel(base, model, adapted, _questions(reader, dev, ground))
    labels, corpora = ([row[column] for row in dev] for column in ("label", "corpus"))
    scores = [frontier_score.recalled(labels, corpora, panel.classes(stop)).value for stop in stops]

    def kept(place: int) -> float:
        return frontier_score.surely_kept(masked_kept(panel.base_nats, panel.nats(stops[place]), panel.masked))

    panel.become(model, stops[frontier_score.choose(scores, kept, ground.asked.budget)])


def _asked(dev: Rows) -> Rows:
    """The dev reviews that models are scored on."""
    corpora = dict.fromkeys(row["corpus"] for row in dev)
    own = ([row for row in dev if row["corpus"] == corpus] for corpus in corpora)
    return [row for rows in own for row in fixed_sample(rows, DEV_TEXTS // len(corpora), 0, by="label")]


def _questions(reader: Reader, dev: Rows, ground: Ground) -> blending.Questions:
    """What every blend is asked."""
    first_row = read_json(ground.tokenizer / "coverage.json")["first_row"]
    documents = [(row["id"], row["text"]) for row in ground.general]
    masks = blending.general_masks(reader.tokenizer, first_row, documents, ground.asked.windows, reader.max_length)
    return blending.Questions(reader.ids([row["text"] for row in dev]), masks, first_row)
