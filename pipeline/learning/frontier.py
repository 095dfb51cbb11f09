"""The frontier of one tuning: models between the base and the tuned one, and the choice among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.files import read_json
from pipeline.corpora.stored_rows import Rows
from pipeline.learning import blending
from pipeline.learning.options import FrontierOptions
from pipeline.measuring.frontier import score
from pipeline.measuring.frontier.results import Frontier
from pipeline.measuring.statistics.sampling import fixed_sample
from pipeline.models import loading
from pipeline.models.reader import Reader

DEV_TEXTS = 600
"""Reviews that each point is scored on, as many of each corpus, evenly from the classes: twenty models read them."""


class Reference(NamedTuple):
    """What a tuned model is held against: base with its emoji rows (its artifact), adapted model, general dev text."""

    tokenizer: Path
    adapted: Path
    general: Rows


def frontier_of(asked: FrontierOptions, model: Any, reader: Reader, dev: Rows, reference: Reference) -> Frontier:
    """Score models between base and ``model`` on dev; make ``model`` the chosen one; return what frontier.json says."""
    if not asked.points or not reference.general:
        reason = "no general dev text" if asked.points else "finetune.frontier.points is 0"
        return score.left_out(reason, tuned=blending.TUNED)
    panel, blends = _panel(asked, model, reader, dev, reference), blending.blends(asked.points)
    points = [score.Point(blend.name, blend.alphas, panel.recalled(blend), panel.kept(blend)) for blend in blends]
    told = score.told(points, tuned=blending.TUNED, budget=asked.budget)
    panel.become(model, next(blend for blend in blends if blend.name == told["chosen"]))
    return told


def take_best(asked: FrontierOptions, model: Any, reader: Reader, dev: Rows, reference: Reference) -> None:
    """Make ``model`` the one that ``frontier_of`` would choose, asking no more than that takes.

    A blend that scores less than one within the budget is not asked what it keeps.
    """
    assert asked.budget is not None
    panel, blends = _panel(asked, model, reader, dev, reference), blending.blends(asked.points)
    recalls = [panel.recalled(blend).value for blend in blends]
    place = score.choose(recalls, lambda at: score.surely_kept(panel.kept(blends[at])), asked.budget)
    panel.become(model, blends[place])


def _panel(asked: FrontierOptions, model: Any, reader: Reader, dev: Rows, reference: Reference) -> blending.Panel:
    """Whom to ask what blends of base and ``model`` are worth."""
    corpora = dict.fromkeys(row["corpus"] for row in dev)
    own = ([row for row in dev if row["corpus"] == corpus] for corpus in corpora)
    dev = [row for rows in own for row in fixed_sample(rows, DEV_TEXTS // len(corpora), 0, by="label")]
    first_row = read_json(reference.tokenizer / "coverage.json")["first_row"]
    documents = [(row["id"], row["text"]) for row in fixed_sample(reference.general, asked.windows, 0)]
    questions = blending.Questions(
        reader.ids([row["text"] for row in dev]),
        [row["label"] for row in dev],
        [row["corpus"] for row in dev],
        blending.general_masks(reader.tokenizer, first_row, documents, asked.windows, reader.max_length),
        first_row,
    )
    base, adapted = map(loading.load_masked_lm, (reference.tokenizer / "model", reference.adapted))
    return blending.Panel(base, model, adapted, questions)
