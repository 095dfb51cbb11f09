"""What is compared with what: one row a case."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

PLAIN = "Trainer, padded to the longest of a random batch"
GROUPED = "the same with train_sampling_strategy='group_by_length'"


@dataclass(frozen=True)
class Case:
    """Something to do, and up to two other ways, ``a`` and ``b``, to have it done."""

    name: str
    task: str
    a: str | None = None
    b: str | None = None
    frozen: Fraction = Fraction(0)
    """Share of the layers that is frozen, rounded down."""
    per: str | None = None
    """What one of the many things that are done is called, where its cost is told."""

    @property
    def sides(self) -> tuple[str, ...]:
        return ("ours", *(side for side in ("a", "b") if getattr(self, side) is not None))


CASES = (
    Case("tune, nothing frozen", "tune", PLAIN, GROUPED),
    Case("tune, half frozen", "tune", PLAIN, GROUPED, Fraction(1, 2)),
    Case("tune, two thirds frozen", "tune", PLAIN, GROUPED, Fraction(2, 3)),
    Case("tune, all but one frozen", "tune", PLAIN, GROUPED, Fraction(5, 6)),
    Case("adapt (DAPT)", "dapt", PLAIN + ", all vocabulary logits", GROUPED),
    Case("score minimal pairs", "pairs", "minicons", "plain transformers, sentence by sentence, all vocabulary logits"),
    Case("predict", "predict", "transformers.pipeline(batch_size=32)", per="row"),
    Case("tokenise", "tokenise", "Dataset.map, text by text", "Dataset.map(batched=True)"),
    Case("prepare", "prepare", per="row"),
    Case("two processes", "ranks", "the same tuning by two processes"),
    Case("overhead", "tasks", "tasks of a Ray cluster, for those of local processes", per="task"),
)
MAKE_ALL = Case("make all", "all", "another version of this project")
LINEAR = Case("linear", "tune", frozen=Fraction(2, 3))


def slug(case: Case) -> str:
    """What ``--only`` calls it: ``tune-half-frozen``, ``adapt``, ``make-all``."""
    return "-".join(case.name.partition(" (")[0].replace(",", "").split())


BY_SLUG = {slug(case): case for case in (*CASES, MAKE_ALL, LINEAR)}
