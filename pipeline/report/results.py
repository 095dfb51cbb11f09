"""What report.json says; what stages wrote about themselves stands in it as it is."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

from pipeline.common.results import Estimate, Verdict, closed
from pipeline.measuring.behaviour.results import Behaviours
from pipeline.measuring.emoji.results import Emoji
from pipeline.measuring.frontier.results import Frontier
from pipeline.measuring.general.results import Model, Shift
from pipeline.measuring.sweep.results import Sweep

Told = dict[str, Any]
Score = Literal["accuracy", "macro_recall", "macro_f1", "neutral_f1", "emoji_macro_recall"]
Scored = dict[str, dict[Score, Estimate | None]]
"""By corpus, averaged over seeds."""


@closed
class Rung(TypedDict):
    """An arm, and the settings that differ from the one it is judged against (of a control: from the final one)."""

    arm: str
    seeds: list[int]
    changes: list[dict[Literal["setting", "from", "to"], Any]]
    scores: Scored


@closed
class Judged(TypedDict):
    """Whether an arm has more of a measure than another: the one above (or ``beside``), the first, a floor, a control.

    ``p_holm`` is adjusted for all comparisons with a verdict, which are one family; null of exploratory ones, and of
    those that could not be measured.
    """

    question: Literal["rung", "overall", "floor", "control"]
    measure: Literal["macro_recall", "emoji_macro_recall", "masked", "pairs"]
    place: str
    arm: str
    against: str
    difference: Estimate
    p: float
    p_holm: float | None
    verdict: Verdict


@closed
class Advised(TypedDict):
    """The arm with the highest macro-recall, and whether it beats the better floor (null: that is exploratory).

    ``arm`` is null, and nothing is said of the others, where no corpus has test texts enough of each class.
    ``equal``: arms that are no worse by more than the margin; ``open``: those of which the texts do not say.
    """

    arm: str | None
    equal: list[str]
    open: list[str]
    keeps_more: str | None
    more_of: list[str] | None
    """The measure and corpus of general English that ``keeps_more`` is said of."""
    macro_recall: dict[str, float]
    floor: str
    beats_floor: bool | None


@closed
class Backward(TypedDict):
    """What tuning on from a model did to it on the reviews that it had been tuned on before."""

    old: list[str]
    """The corpora of before."""
    texts: int
    """Training texts of theirs that were learnt again."""
    change: Estimate
    """Backward transfer: macro-recall after less before, the mean over them. One corpus' verdict is in ``verdicts``."""


@closed
class Searched(TypedDict):
    """The best of so many trials by dev texts: macro-recall of it and of the arm that was varied, on both."""

    arm: str
    against: str
    trials: int
    dev: dict[str, float]
    test: dict[str, float]


@closed
class Report(TypedDict):
    """report.json: the ladder in order, controls beside it, and what is said of them: by arm, floor or corpus."""

    name: str
    recipe: str
    final_arm: str
    labels: list[str]
    primary: list[str]
    """The comparisons that the recipe declares."""
    margin: float
    """What "no worse" allows."""
    beside: Literal["above", "first"]
    """What each arm of the ladder is judged against."""
    ladder: list[Rung]
    controls: list[Rung]
    floors: dict[str, Scored]
    verdicts: list[Judged]
    recommendation: Advised
    retention: dict[str, dict[Model, dict[Literal["masked", "pairs", "kept", "of_adapted"], Told]]]
    """``masked`` and ``pairs`` as in retention.json; ``kept`` of the base's, averaged over seeds; ``of_adapted``: of
    the adapted model's, what tuning kept."""
    grammar: dict[str, dict[str, dict[str, float]]]
    """By corpus and phenomenon: ``n`` pairs, and how many the base and each arm's tuned models judge right."""
    arms: dict[str, Told]
    """Its model and settings, what source, pretrain and finetune wrote, ``seeds``: scores.json."""
    coverage: dict[str, Told]
    corpora: dict[str, Told]
    audit: Told
    shift: dict[str, Told]
    masked_loss: dict[str, dict[str, Shift]]
    layers: dict[str, Told]
    """Of retention.json, and ``noise_floor``: CKA by layer between two seeds, or []; of one seed ``by_chance``; and
    ``apart``: by probe and layer, accuracy of the first seed's tuned model less that of the first arm's."""
    exchange: dict[str, dict[Literal["rate", "lost", "gained"], Estimate] | None]
    frontier: dict[str, Frontier | None]
    backward: dict[str, Backward]
    """By arm that goes on from the ladder's first, a model as it was; empty where none does."""
    searched: Searched | None
    """Of an arm that a search chose, where the recipe says so, and test texts are enough."""
    sweep: Sweep | None
    """The arms of the ladder along one setting, where the recipe names one."""
    emoji: dict[str, Emoji | None]
    behaviour: dict[str, Behaviours | None]
    errors: dict[str, Told]
    """Of the final arm: slices, classes, calibration, mistakes and label_noise of ``measuring.reviews``."""
    diagnosis: list[Told]
    cost: Told
    versions: dict[str, list[str]]
    fingerprints: dict[str, dict[str, dict[str, str]]]
