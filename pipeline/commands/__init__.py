"""What is typed beside the machine's own verbs (``machine.cli``): each checks what it is given, calls a room, and says.

cards    check data cards, draft new ones
predict  label a file of texts
score    a model on reviews labelled later
models   export, demo, push: the model elsewhere
runs     history, compare
rank     which model to start from
search   the best settings in the time there is
doctor   what a report of a fault should say of the machine
"""

from collections.abc import Sequence

import typer

from pipeline.commands.cards import cards, new_card
from pipeline.commands.doctor import doctor
from pipeline.commands.models import demo, export, push
from pipeline.commands.predict import predict
from pipeline.commands.rank import rank
from pipeline.commands.runs import compare, history
from pipeline.commands.score import score
from pipeline.commands.search import search
from pipeline.machine import cli
from pipeline.machine.stage import Stage


def build(story: Sequence[Stage]) -> typer.Typer:
    """The whole command line of a story."""
    app = cli.build(story)
    for verb in (cards, new_card, predict, score, compare, history, rank, search, doctor, export, demo, push):
        app.command(verb.__name__.replace("_", "-"))(verb)
    return app
