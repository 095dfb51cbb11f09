"""What a study found, as a page, as data, and as a recipe of its best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.common import results
from pipeline.common.files import remove, write_whole
from pipeline.common.printable import many
from pipeline.common.yaml import as_plain
from pipeline.drawing import svg, tables
from pipeline.drawing.dots import Dot, dots
from pipeline.drawing.svg import Picture
from pipeline.drawing.tables import NOTHING, Cell, Table
from pipeline.measuring.frontier.score import choose, dominates, pareto_front
from pipeline.measuring.frontier.show import trade_offs
from pipeline.report import csv_export, pages
from pipeline.search import best, luck
from pipeline.search.results import Found, Outcome, Tried
from pipeline.search.study import OBJECTIVES, Study, objectives
from pipeline.search.trials import Asked

NAMES = {"macro_recall": "macro-recall", "kept": "general English kept"}
AS_IT_IS = "the recipe as it is"


def ranked(tried: Sequence[Tried]) -> list[Tried]:
    """The same, each with whether it is on the Pareto front of them all."""
    told = [trial for trial in tried if not trial["outcome"]["problem"]]
    on_front = pareto_front([objectives(trial["outcome"]) for trial in told]) if told else []
    front = {trial["number"] for trial, on_it in zip(told, on_front, strict=True) if on_it}
    return [{**trial, "front": trial["number"] in front} for trial in tried]


def best_of(tried: Sequence[Tried], budget: float) -> Tried | None:
    """The highest macro-recall of those that keep the budget, or, where none does, the one that keeps most."""
    told = [trial for trial in tried if not trial["outcome"]["problem"]]
    if not told:
        return None
    return told[choose([_value(trial, "macro_recall") for trial in told], lambda at: _at_least(told[at]), budget)]


def found(study: Study, asked: Asked, reference: Outcome) -> Found:
    """What search.json says."""
    budget = study.search.budget
    own = best.by_path(asked.recipe.arms[asked.arm])
    values = {path: own.get(path) for path in study.space}
    as_it_is, *tried = ranked([the_recipe(reference, values), *study.tried()])
    chosen = best_of([as_it_is, *tried], budget)
    if chosen is as_it_is:
        chosen = None
    tested = best.tested(asked, chosen) if chosen else None
    return {
        "name": study.name,
        "recipe": asked.recipe.name,
        "arm": asked.arm,
        "budget": budget,
        "reference": as_it_is,
        "trials": tried,
        "best": chosen["number"] if chosen else None,
        "within": _at_least(chosen) >= budget if chosen else None,
        "lead": luck.lead(reference, chosen["outcome"]) if chosen else None,
        "expected": luck.expected(reference, tried, budget) if chosen else None,
        "importance": study.importance(),
        "tested": tested,
        "judged": study.judged(chosen["outcome"]["artifacts"] if chosen and tested else ()),
    }


def the_recipe(outcome: Outcome, values: Mapping[str, Any]) -> Tried:
    """The recipe as it is, as one that was tried."""
    return {"number": None, "values": dict(values), "outcome": outcome, "front": False}


def line(number: int | None, values: Mapping[str, Any] | None, outcome: Outcome) -> str:
    """A trial in a line of the terminal."""
    who = AS_IT_IS if number is None else f"trial {number}"
    if outcome["problem"]:
        return f"{who}: failed: {outcome['problem']}; with {_said(values or {})}"
    figures = (
        f"macro-recall {tables.percent(outcome['macro_recall']).line}, kept {tables.percent(outcome['kept']).line}"
    )
    with_them = f": {_said(values)}" if values else ""
    return f"{who}: dev {figures}, in %; {outcome['seconds']:.0f} s{with_them}"


def write(told: Found, asked: Asked, folder: Path) -> None:
    """Write search.json, search.html, ``figures/``, ``tables/`` and, where a trial came to an end, best.yaml."""
    results.write(Found, folder / "search.json", told)
    drawn, shown = (
        _pictures(told),
        [table for table in (_tested_table(told), _trials(told), _failed(told), _importance(told)) if table],
    )
    for picture in drawn:
        write_whole(folder / "figures" / f"{picture.name}.svg", [svg.standalone(picture.svg)])
    csv_export.write(shown, folder / "tables")
    recipe = folder / "best.yaml"
    if told["best"] is None:
        remove(recipe)  # of a best that no longer is
    else:
        write_whole(recipe, [best.written(told, asked.recipe, folder, _figures(_chosen(told)["outcome"]))])
    page = pages.rendered(
        "search.html.j2",
        title=f"Search: {told['name']}",
        recipe=told["recipe"],
        arm=told["arm"],
        lead=lead(told),
        lines=_lines(told),
        best=told["best"] is not None,
        command=f"make all RECIPE={recipe}" if told["best"] is not None and not told["tested"] else "",
        pictures=drawn,
        shown=shown,
    )
    write_whole(folder / "search.html", [page])


def lead(told: Found) -> str:
    """What was found, in a sentence."""
    share = f"{100 * told['budget']:g}% of general English"
    if told["best"] is None:
        next_ = best_of(told["trials"], told["budget"])
        if next_ is None:
            return "No trial has come to an end yet."
        own, other = (f"{100 * _value(trial, 'macro_recall'):.1f}%" for trial in (told["reference"], next_))
        return (
            f"No trial is better than {AS_IT_IS}, which has a macro-recall of {own} on dev; next is trial "
            f"{next_['number']} with {other}. More trials may find one (the same command adds some)."
        )
    assert told["lead"]
    recall = _value(_chosen(told), "macro_recall")
    figures = f"macro-recall {100 * recall:.1f}% on dev, {tables.points(told['lead'])} points on {AS_IT_IS}."
    if told["within"]:
        return f"Trial {told['best']} is the best of those that keep {share}: {figures}"
    return f"No trial is shown to keep {share}; trial {told['best']} keeps most: {figures}"


def _lines(told: Found) -> list[str]:
    """What is to be known beside the figures."""
    ended = [trial for trial in told["trials"] if not trial["outcome"]["problem"]]
    as_it_is = objectives(told["reference"]["outcome"])
    more = [trial["number"] for trial in ended if dominates(objectives(trial["outcome"]), as_it_is)]
    failed = sum(bool(trial["outcome"]["problem"]) for trial in told["trials"])
    count = len(ended)
    said = [
        f"Better than {AS_IT_IS} in one of both figures and no worse in the other (what is kept counts up to 100%): "
        f"{tables.prose(f'trial {number}' for number in more)}."
        if more
        else f"No trial is better than {AS_IT_IS} in one of both figures and no worse in the other."
    ]
    if told["best"] is None and not more:
        said = []  # the lead says as much
    if failed:
        said.append(f"Failed: {failed}; a table below says why.")
    said.append(
        f"Dev texts have judged {many(count, 'trial')} and {AS_IT_IS}; the best of many is "
        f"partly the luckiest, so its dev figures flatter it{_left(told)}. {_judged(told)}"
    )
    return said if ended else []


def _judged(told: Found) -> str:
    """What test texts have seen."""
    before = told["judged"] - bool(told["tested"])
    of_others = f"{many(before, 'trial')} that {'was' if before == 1 else 'were'} the best before"
    if told["tested"]:
        return f"Test texts have judged {f'{of_others}, and now this one' if before else 'the best alone, once'}."
    said = f"Test texts have judged {of_others if before else 'none'}"
    return f"{said}." if told["best"] is None else f"{said}; they judge the best alone, in a run of its recipe:"


def _left(told: Found) -> str:
    """How much of the lead is to be expected elsewhere."""
    if told["expected"] is None:
        return ""
    return (
        ": where the best is chosen anew by a sample of them and judged by the others, again and again, it leads by "
        f"{tables.points(told['expected'])} points (Tsamardinos et al. 2018)"
    )


def _pictures(told: Found) -> list[Picture]:
    points = [told["reference"], *(trial for trial in told["trials"] if not trial["outcome"]["problem"])]
    places = {point["number"]: place for place, point in enumerate(points)}
    drawn = [
        Picture(
            "pareto",
            "Trials",
            "Both sides on dev. General English kept: how well hidden words of general articles are guessed, against "
            "the base; 100 is as well, and more is not preferred. Filled, on a line: those of which no other has more "
            "of both. Crosses: their 95% intervals, and those of the chosen and of the recipe as it is. Dashed: what "
            "is to be kept, by the lower bound (in the table), which lies left of the dot.",
            trade_offs(
                [_crossed(point, point["front"] or point["number"] in {None, told["best"]}) for point in points],
                [line(point["number"], point["values"], point["outcome"]).partition(":")[0] for point in points],
                name="pareto",
                chosen=places.get(told["best"]) if told["best"] is not None else None,
                budget=told["budget"],
                named={0: "as it is"},
                crowded=True,
            ),
        )
    ]
    if told["importance"]:
        paths = sorted(told["importance"][OBJECTIVES[0]], key=told["importance"][OBJECTIVES[0]].__getitem__)[::-1]
        colours = dict(zip(OBJECTIVES, (svg.ACCENT, svg.OTHER), strict=True))

        def dot(side: str, path: str) -> Dot:
            share = told["importance"][side].get(path, 0.0)
            figure = {"value": share, "low": None, "high": None, "n": len(points) - 1}
            return Dot(figure, f"{path}, {NAMES[side]}: {100 * share:.0f}%", colours[side])

        drawing = dots(
            [(path.partition(".")[2], [dot(side, path) for side in OBJECTIVES]) for path in paths],
            name="importance",
            axis="share of the differences, %",
            legend=[Dot({"value": 0.0}, NAMES[side], colours[side]) for side in OBJECTIVES],
        )
        drawn.append(
            Picture(
                "importance",
                "Which settings matter",
                "The share each alone has in what trials differ by (functional ANOVA); few trials tell little.",
                drawing,
            )
        )
    return drawn


def _crossed(trial: Tried, sure: bool) -> dict[str, Any]:
    """A point of the picture; with its intervals only where asked, since forty crosses hide each other."""
    figures = {side: trial["outcome"][side] for side in OBJECTIVES}  # type: ignore[literal-required]
    bare = figures if sure else {side: {**figure, "low": None, "high": None} for side, figure in figures.items()}
    return {**bare, "front": trial["front"]}


def _trials(told: Found) -> Table:
    """A row a trial: the recipe as it is, the chosen one, the front, then the others, each by macro-recall."""
    ended = [trial for trial in told["trials"] if not trial["outcome"]["problem"]]
    ended.sort(key=lambda trial: (trial["number"] != told["best"], not trial["front"], -_value(trial, "macro_recall")))
    paths = list(dict.fromkeys(path for trial in told["trials"] for path in trial["values"]))
    rows = []
    for trial in [told["reference"], *ended]:
        outcome, number = trial["outcome"], trial["number"]
        what = "chosen" if number is not None and number == told["best"] else "front" if trial["front"] else ""
        rows.append(
            (
                Cell(AS_IT_IS if number is None else f"trial {number}", what, beside={"standing": what}),
                tables.percent(outcome["macro_recall"]),
                tables.percent(outcome["kept"]),
                NOTHING if outcome["at_least"] is None else tables.number(100 * outcome["at_least"], 1),
                tables.number(outcome["seconds"]),
                *(_setting(trial["values"][path]) if path in trial["values"] else NOTHING for path in paths),
            )
        )
    columns = ("trial", "macro-recall on dev, %", "general English kept on dev, %", "kept at least, %", "seconds")
    named = dict(enumerate(paths, len(columns)))  # as a recipe names them: two stages may have one key
    note = (
        f"The chosen keeps {100 * told['budget']:g}% at least: its one-sided 95% bound. Intervals beside figures have "
        "two sides, and so reach lower."
    )
    shown = (*columns, *(path.partition(".")[2] for path in paths))
    return Table("All trials", shown, tuple(rows), note if told["within"] else "", alone=named)


def _setting(value: Any) -> Cell:
    return Cell(as_plain(value), value=value if type(value) in (int, float) else None)


def _failed(told: Found) -> Table | None:
    rows = tuple(
        (Cell(f"trial {trial['number']}"), Cell(_said(trial["values"])), Cell(trial["outcome"]["problem"]))
        for trial in told["trials"]
        if trial["outcome"]["problem"]
    )
    return Table("Failed trials", ("trial", "settings", "why"), rows, words=(1, 2)) if rows else None


def _tested_table(told: Found) -> Table | None:
    """Dev beside test: how much of the lead is luck."""
    if not told["tested"]:
        return None
    rows = [
        (Cell(who), tables.percent(trial["outcome"]["macro_recall"]), tables.percent(tested))
        for who, trial, tested in (
            (AS_IT_IS, told["reference"], told["tested"]["recipe"]),
            (f"trial {told['best']}", _chosen(told), told["tested"]["best"]),
        )
    ]
    assert told["lead"]
    test = (told["tested"]["best"]["value"] or 0) - (told["tested"]["recipe"]["value"] or 0)
    dev = tables.signed(100 * (told["lead"]["value"] or 0))
    note = f"Of a lead of {dev} points on dev, {tables.signed(100 * test)} are left on test."
    columns = ("", "macro-recall on dev, %", "macro-recall on test, %")
    return Table("Dev and test", columns, tuple(rows), note, alone={0: "recipe"})


def _importance(told: Found) -> Table | None:
    if not told["importance"]:
        return None
    rows = tuple(
        (Cell(path), *(tables.number(100 * told["importance"][side].get(path, 0.0)) for side in OBJECTIVES))
        for path in told["importance"][OBJECTIVES[0]]
    )
    return Table("Importance of settings", ("setting", *(f"for {NAMES[side]}, %" for side in OBJECTIVES)), rows)


def _chosen(told: Found) -> Tried:
    return next(trial for trial in told["trials"] if trial["number"] == told["best"])


def _value(trial: Tried, side: str) -> float:
    return float(trial["outcome"][side]["value"])  # type: ignore[literal-required]


def _at_least(trial: Tried) -> float:
    return float(trial["outcome"]["at_least"] or 0.0)


def _figures(outcome: Outcome) -> str:
    recall, kept = (tables.percent(outcome[side]).line for side in ("macro_recall", "kept"))
    return f"macro-recall {recall}, general English kept {kept}, in %"


def _said(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{path.partition('.')[2]} {as_plain(value)}" for path, value in values.items())
