"""The tables about general English: what the base, the adapted and the tuned model of every arm know of it."""

from __future__ import annotations

from pipeline.drawing import tables
from pipeline.drawing.tables import NOTHING, Cell, Report, Table


def masked_words(report: Report, place: str) -> Table:
    """Masked loss on one general corpus: the base, then the adapted and the tuned model of every arm."""
    rows = [
        (
            *_base_row(report, "masked", place, "loss"),
            *(_level(report, "base", "masked", place, key) for key in ("bits_per_byte", "accuracy")),
            *[NOTHING] * 4,
        )
    ]
    for arm in report["retention"]:
        rows.append(
            (
                Cell(arm),
                *(_level(report, model, "masked", place, "loss", arm) for model in ("adapted", "tuned")),
                *(_level(report, "tuned", "masked", place, key, arm) for key in ("bits_per_byte", "accuracy")),
                *_kept_cells(report, arm, "masked", place),
            )
        )
    columns = ["arm", "loss when adapted, nats, lower is better", "loss when tuned, nats, lower is better"]
    columns += ["bits per byte when tuned, lower is better", "words guessed when tuned, %", *_kept_columns(report)]
    note = "Kept is exp(loss of the base − loss now) on the same masked words, over the base's own vocabulary. "
    note += "Tuned is the classifier's encoder under the adapted model's masked-word head."
    return Table(f"Masked words of {place}{tables.whose(report)}", tuple(columns), tuple(rows), note)


def minimal_pairs(report: Report, place: str) -> Table:
    """Minimal-pair accuracy on one corpus: the base, then the adapted and the tuned model of every arm."""
    rows = [(*_base_row(report, "pairs", place, "accuracy"), *[NOTHING] * 4)]
    for arm in report["retention"]:
        levels = (_level(report, model, "pairs", place, "accuracy", arm) for model in ("adapted", "tuned"))
        rows.append((Cell(arm), *levels, *_kept_cells(report, arm, "pairs", place)))
    columns = ("arm", "accuracy when adapted, %, chance is 50", "accuracy when tuned, %", *_kept_columns(report))
    note = f"{tables.beside(report).capitalize()}: the difference in accuracy, pairs matched, phenomena drawn whole. "
    note += "Kept is (accuracy − 50) / (accuracy of the base − 50); not told where the base is not well above chance."
    return Table(f"Minimal pairs of {place}{tables.whose(report)}", columns, tuple(rows), note)


def phenomena(report: Report, place: str) -> Table:
    """How many pairs of each phenomenon the base and every arm judge right."""
    found = report["grammar"][place]
    who = ["base", *(rung["arm"] for rung in report["ladder"])]
    rows = tuple(
        (Cell(kind.replace("_", " ")), tables.number(told["n"]), *(tables.number(told[name], 1) for name in who))
        for kind, told in found.items()
    )
    return Table(
        f"Phenomena of {place}{tables.whose(report)}",
        ("phenomenon", "pairs", *(f"right, {name}" for name in who)),
        rows,
    )


def _kept_columns(report: Report) -> tuple[str, ...]:
    return "kept when adapted, %", "of that by tuning, %", "kept when tuned, %", tables.beside(report)


def retention(report: Report) -> list[Table]:
    """A table for everything that general English was measured on."""
    makers = {"masked": masked_words, "pairs": minimal_pairs}
    made = [makers[measure](report, place) for measure, place in tables.retention_places(report)]
    return made + [phenomena(report, place) for place in report["grammar"]]


def _base_row(report: Report, measure: str, place: str, key: str) -> tuple[Cell, Cell, Cell]:
    return Cell("base", "before everything", "quiet"), NOTHING, _level(report, "base", measure, place, key)


def _kept_cells(report: Report, arm: str, measure: str, place: str) -> tuple[Cell, ...]:
    adapted, tuned = (tables.percent(tables.kept(report, arm, measure, place, model)) for model in ("adapted", "tuned"))
    step = tables.percent(tables.kept_by_tuning(report, arm, measure, place))
    return adapted, step, tuned, tables.verdict_cell(report, tables.find_verdict(report, "rung", arm, place, measure))


def _level(report: Report, model: str, measure: str, place: str, key: str, arm: str | None = None) -> Cell:
    """One figure of one model; of the base without an arm: the first arm's, which is where the ladder starts."""
    models = report["retention"][arm or next(iter(report["retention"]))]
    figure = models[model][measure].get(place, {}).get(key)
    return tables.percent(figure) if key == "accuracy" else tables.amount(figure)
