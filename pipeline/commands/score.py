"""A model on reviews labelled later."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.models import MODEL, check_input, check_model
from pipeline.common import program
from pipeline.common.errors import InputError
from pipeline.common.printable import many
from pipeline.corpora.readers import formats
from pipeline.machine import console


def score(
    source: Annotated[str, typer.Argument(metavar="INPUT", help=f"A file with labels: {formats()}.")],
    model: Annotated[Path, typer.Option("--model", help="Folder of a model that a run made.")] = MODEL,
    text_column: Annotated[str | None, typer.Option("--text-column", help="Column with the texts.")] = None,
    label_column: Annotated[str | None, typer.Option("--label-column", help="Column with the labels.")] = None,
    card: Annotated[
        str | None, typer.Option("--card", help="Card that says which labels mean what; else they are class names.")
    ] = None,
    data_root: Annotated[Path | None, typer.Option("--data-root", help="Folder with data that cards name.")] = None,
    sheet: Annotated[str | None, typer.Option("--sheet", help="Sheet of a workbook that has several.")] = None,
) -> None:
    """Score a model on reviews labelled later: is it still as good, have they drifted, is it to be tuned anew?

    Texts that it was tuned on are left out. What it was tuned on is read from the store in which the model lies.
    """
    check_input(source)
    check_model(model)

    from pipeline.corpora.cards import load_cards
    from pipeline.corpora.new_texts import read_labelled
    from pipeline.measuring.runs import new_reviews
    from pipeline.predictor import Predictor
    from pipeline.report import new_reviews as shown
    from pipeline.report.summary import plain

    predictor = Predictor(model)
    meanings = load_cards([card], data_root)[0] if card else None
    texts = read_labelled(source, text_column, label_column, sheet, meanings, predictor.reader.cleaned)
    then = new_reviews.past(model)
    seen = {text for text, _ in then.tuned_on} if then else set()
    fresh = [pair for pair in texts if pair[0] not in seen]
    given = many(len(texts), "text")
    given += f", less {len(texts) - len(fresh):,} that it was tuned on" if len(fresh) < len(texts) else ""
    if few := new_reviews.too_few(fresh):
        raise InputError(f"input {source}: of {given} only {few}; label more, 10 of each class")
    told = predictor([text for text, _ in fresh])
    found = new_reviews.scored(fresh, [list(one.probabilities.values()) for one in told])
    console.say(given)
    print(plain(shown.tables(found, then.macro_recall if then else None)))
    if then is None:
        print("\nWhat it was tuned on is not at hand: the model lies in no report's folder of a store.")
        return
    drift = new_reviews.drift(fresh, then)
    print(f"\n{plain([shown.drifted(drift, new_reviews.unknown(fresh, then))])}\n")
    moved = [what for what, one in drift.items() if one["moved"]]
    print(console.clean(new_reviews.advice(found["scores"]["macro_recall"], then, moved)))
    others = ", ".join(then.corpora)
    print(
        console.clean(
            f"to tune anew: {program.name()} new-card {source}, and name its card beside {others} in a recipe; to tune "
            f"on from this model, in one that extends going-on, with source.model: {model.resolve()}"
        )
    )
