"""A page on this machine to try models on: classes, how a text is read, which pieces tip it, two arms side by side."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.common.errors import InputError
from pipeline.common.extras import need
from pipeline.common.files import read_json
from pipeline.common.labels import LABELS
from pipeline.corpora.new_texts import read_texts
from pipeline.corpora.readers import formats
from pipeline.measuring import scoring
from pipeline.models.batches import Ids
from pipeline.predictor import Predictor
from pipeline.text.cleaning import cleaned
from pipeline.text.emoji import emoji_list

LONGEST = 10_000
"""Characters of a text that the page takes."""
MOST = 500
"""Texts of a file that the page labels; `predict` takes any number."""


class Shown(NamedTuple):
    """What the page shows of one text."""

    classes: dict[str, float]
    pieces: list[tuple[str, float]]
    """Word pieces, and how much of the likeliest class's probability each carries (see ``occlusion``)."""
    reading: str


def occlusion(predictor: Predictor, ids: Ids) -> NDArray[np.float64]:
    """By how much the likeliest class's probability falls when [MASK] stands in place of each piece, [pieces], -1 to 1.

    [CLS] and [SEP] are none. One piece at a time (erasure, Li et al. 2016, arXiv 1612.08220): what two pieces say
    only together shows at neither or at both.
    """
    hidden = np.repeat(ids[None], len(ids) - 2, axis=0)
    np.fill_diagonal(hidden[:, 1:], predictor.reader.tokenizer.mask_token_id)
    found = scoring.class_probabilities(predictor.model, [ids, *hidden])
    best = found[0].argmax()
    return np.asarray(found[0, best] - found[1:, best])


def shown(predictor: Predictor, text: str) -> Shown:
    """One text: its classes, its pieces, and how it is read.

    Raises:
        InputError: nothing to read in it.
    """
    (told,), (ids,) = predictor(text), predictor.reader.raw_ids([text])
    pieces = predictor.reader.tokenizer.convert_ids_to_tokens(ids[1:-1].tolist())
    read, mended = cleaned(text, short=True, without=predictor.reader.uncleaned)
    emoji = emoji_list(read)
    how = {"all": "tokens", "words": "the words of their names", "none": "the base reads them"}[predictor.reader.emoji]
    longest, unknown = predictor.reader.max_length, pieces.count("[UNK]")
    lines = [
        f"Read: {predictor.reader.text(read)}",
        f"Mended: {', '.join(sorted(mended))}" if mended else "",
        f"Emoji: {' '.join(emoji)}, as {how}" if emoji else "",
        f"Not known: {unknown} of {len(pieces)} pieces" if unknown else "",
        f"Cut: no more than {longest} pieces are read" if len(ids) == longest else "",
    ]
    weights = occlusion(predictor, ids).round(4).tolist()
    return Shown(told.probabilities, list(zip(pieces, weights, strict=True)), "\n".join(filter(None, lines)))


def labelled(predictor: Predictor, file: str, column: str | None) -> list[list[str]]:
    """The first texts of a file: text, label, and the probability of each class. Those without a word get none."""
    texts = [text for text, _ in islice(read_texts(file, column or None).rows(), MOST)]
    found = [(text, each) for text, each in zip(texts, predictor.in_bulk(texts)[0], strict=True) if each]
    return [[text, each.label, *(f"{share:.4f}" for share in each.probabilities.values())] for text, each in found]


def arms(model: Path) -> tuple[dict[str, Path], str]:
    """The models to choose from by name, in the ladder's order, and the one to begin with."""
    report = model.parent / "report.json"
    if model.name != "model" or not report.is_file():
        return {model.name: model}, model.name
    told = read_json(report)
    return {arm: model.parent / "models" / arm for arm in told["arms"]}, str(told["final_arm"])


def page(models: Mapping[str, Path], first: str) -> Any:
    """The page as ``gradio.Blocks``; models are loaded when they are asked.

    Raises:
        InputError: gradio is not installed, or the first model cannot be used.
    """
    need("demo", "gradio")
    import gradio as gr

    predictor = cache(lambda name: Predictor(models[name]))
    predictor(first)

    def told(ask: Callable[..., Any], *given: Any) -> Any:
        try:
            return ask(*given)
        except InputError as problem:  # gradio takes messages for HTML
            raise gr.Error(html.escape(str(problem)), print_exception=False) from None

    def of_text(name: str, text: str) -> Any:
        return told(lambda: shown(predictor(name), text))

    def of_file(name: str, file: str, column: str) -> Any:
        return told(lambda: labelled(predictor(name), file, column))

    with gr.Blocks(title="Retone", analytics_enabled=False) as blocks:
        text = gr.Textbox("Two weeks late and the box was open 😡", label="A text", lines=3, max_length=LONGEST)
        button = gr.Button("Classify", variant="primary")
        with gr.Row():
            chosen = [_side(gr, of_text, text, button, list(models), name, side)
                      for side, name in (("left", first), ("right", next(iter(models))))]  # fmt: skip
        gr.Markdown(f"Or a file ({formats()}): the left model labels its first {MOST} texts.")
        column = gr.Textbox(label="Its column with the texts, if it has several")
        file = gr.File(label="A file", type="filepath")
        table = gr.Dataframe(headers=["text", "label", *LABELS], datatype="str", interactive=False, wrap=True)
        file.upload(of_file, [chosen[0], file, column], table, api_name="file")
    return blocks


def _side(gr: Any, ask: Callable[..., Any], text: Any, button: Any, names: list[str], name: str, side: str) -> Any:
    """A column with one model's answer; returns what it is chosen with."""
    with gr.Column():
        arm = gr.Dropdown(names, value=name, label="Model")
        answer = [
            gr.Label(label="Classes"),
            gr.HighlightedText(
                label="Pieces: the redder, the more the likeliest class rests on it; bluer speaks against"
            ),
            gr.Textbox(label="How it is read", interactive=False),
        ]
    button.click(ask, [arm, text], answer, api_name=side)
    for changes in (text.submit, arm.change):
        changes(ask, [arm, text], answer, api_visibility="private")
    return arm


def serve(blocks: Any, port: int | None, *, wait: bool = True) -> str:
    """Serve the page to this machine alone, until it is stopped; returns its address where it does not ``wait``."""
    import gradio as gr

    theme = gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])  # none fetched
    _, address, _ = blocks.launch(
        server_name="127.0.0.1", server_port=port, share=False, theme=theme, footer_links=[], max_file_size="20mb",
        ssr_mode=False, quiet=True, prevent_thread_lock=True,
    )  # fmt: skip
    if wait:
        print(f"{address} (Ctrl-C stops it)", flush=True)
        blocks.block_thread()
    return str(address)
