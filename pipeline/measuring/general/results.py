"""What retention.json says."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from pipeline.common.results import Estimate, closed

Model = Literal["base", "adapted", "tuned"]
Losses = dict[Literal["loss", "loss_full", "bits_per_byte", "accuracy"], Estimate]
"""On hidden pieces: ``loss`` over the base's vocabulary (models are compared by it), ``loss_full`` over all rows, bits
by UTF-8 byte from that, share guessed right."""


@closed
class Pairs(TypedDict):
    """On minimal pairs of one corpus."""

    accuracy: Estimate


@closed
class Knowledge(TypedDict):
    """What one model knows, by corpus; ``<pairs corpus>-sentences`` are the good sentences of its pairs."""

    masked: dict[str, Losses]
    pairs: dict[str, Pairs]


@closed
class Kept(TypedDict):
    """What one step kept, by corpus: 1 is all of it; null for pairs on which the model before was near chance."""

    masked: dict[str, Estimate]
    pairs: dict[str, Estimate | None]


@closed
class Shift(TypedDict):
    """Masked loss before and after adaptation on one corpus."""

    role: Literal["informal", "reviews", "general", "pairs"]
    split: str
    base: Estimate
    adapted: Estimate


@closed
class Probe(TypedDict):
    """By model and layer, the embeddings first."""

    chance: float
    accuracy: dict[Model, list[Estimate]]
    selectivity: dict[Model, list[Estimate]]
    """Accuracy less that on a control task."""
    minus_base: dict[Model, list[Estimate]]
    """Accuracy less the base's."""


@closed
class Retention(TypedDict):
    """retention.json; probes, cka and drift are empty without enough text."""

    models: dict[Model, Knowledge]
    scores: dict[Literal["base_to_adapted", "adapted_to_tuned", "base_to_tuned"], Kept]
    shift: dict[str, Shift]
    probes: dict[str, Probe]
    """By question."""
    cka: dict[str, list[Estimate]]
    """Linear CKA with the base, by model and layer."""
    drift: dict[str, dict[str, Estimate]]
    """Nats by slice and ``drift.PARTS``, above 0: lost."""
    masks: dict[str, str]
    """Digests of what was hidden: equal for all arms of a run."""
