"""The frontier of one tuning: models between the base and the tuned one, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
"""Reviews that each point is scored on, as many of each corpus, evenly from the classes: a dozen models read them."""
STRIDES = 4
"""From base to tuned, at least; of a line of 17 every fourth model is asked."""


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
    panel = _panel(asked, model, reader, dev, reference)
    blends = _blends(asked, panel)
    points = [score.Point(blend.name, blend.alphas, panel.recalled(blend), panel.kept(blend)) for blend in blends]
    told = score.told(points, tuned=blending.TUNED, budget=asked.budget)
    panel.become(model, next(blend for blend in blends if blend.name == told["chosen"]))
    return told


def take_best(asked: FrontierOptions, model: Any, reader: Reader, dev: Rows, reference: Reference) -> None:
    """Make ``model`` the one that ``frontier_of`` would choose, asking no more than that takes.

    A blend that scores less than one within the budget is not asked what it keeps.
    """
    assert asked.budget is not None
    panel = _panel(asked, model, reader, dev, reference)
    blends = _blends(asked, panel)
    panel.become(model, blends[_best(blends, asked.budget, panel)])


def _blends(asked: FrontierOptions, panel: blending.Panel) -> list[blending.Blend]:
    """The blends to ask: some on the line from base to tuned, and those off it."""
    line, budget = blending.line(asked.points), asked.budget

    def best(places: Sequence[int]) -> int:
        assert budget is not None
        return places[_best([line[place] for place in places], budget, panel)]

    return [line[place] for place in places_asked(len(line), None if budget is None else best)] + blending.variants()


def places_asked(count: int, best: Callable[[Sequence[int]], int] | None) -> list[int]:
    """Of so many models on a line those to ask: five or a few more, both ends among them, as evenly as can be.

    With ``best``, which says the best of some, strides are halved beside it until its neighbours on the line are known:
    where the choice is made the line is fine, and coarse where it is there for the picture.
    """
    last, stride = count - 1, 1
    while 2 * stride * STRIDES <= last:
        stride *= 2
    places = {*range(0, last, stride), last}
    while best and stride > 1:
        stride //= 2
        near = best(sorted(places))
        places |= {near - stride, near + stride} & {*range(last)}
    return sorted(places)


def _best(blends: Sequence[blending.Blend], budget: float, panel: blending.Panel) -> int:
    recalls = [panel.recalled(blend).value for blend in blends]
    return score.choose(recalls, lambda place: score.surely_kept(panel.kept(blends[place])), budget)


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
