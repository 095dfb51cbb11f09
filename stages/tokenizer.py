"""Teach the tokenizer emoji: a token for each, its row started from its name, and the coverage before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from pipeline.common.files import write_json
from pipeline.machine.stage import Stage, StageSettings


class Settings(StageSettings):
    """How emoji reach the model."""

    emoji: Literal["all", "none", "words"] = Field(
        "all", description="`all`: every emoji as tokens; `words`: replaced by their names; `none`: as the base does"
    )
    row_init: Literal["names", "library"] = Field(
        "names", description="new rows start from the emoji's name, or as transformers makes them (nearly all alike)"
    )
    row_noise: float = Field(0.1, ge=0, le=1, description="noise on a new row, as a share of its size")
    seed: int = Field(0, ge=0, description="of the noise")


def tokenizer(settings: Settings, *, prepare: Path, source: Path, out: Path) -> None:
    """Write ``model/`` (grown), ``coverage.json`` (per corpus, before and after), ``emoji_rows.json`` (the new ids)."""
    import torch

    from pipeline.corpora import prepared
    from pipeline.models import loading, vocabulary
    from pipeline.text import emoji

    torch.manual_seed(settings.seed)  # the library's default rows are drawn
    model, grown = loading.load_masked_lm(source / "model"), loading.load_tokenizer(source / "model")
    base, first_row = loading.load_tokenizer(source / "model"), len(grown)
    new: list[str] = []
    if settings.emoji == "all":
        new = vocabulary.add_tokens(grown, vocabulary.compositional_tokens())
        vocabulary.grow(model, grown, first_row, mean_resizing=settings.row_init == "library")
    rows = {first_row + place: token for place, token in enumerate(new)}
    if rows and settings.row_init == "names":
        vocabulary.name_rows(model, grown, rows, emoji.name_words, noise=settings.row_noise, seed=settings.seed)
    corpora = {
        name: _coverage(base, grown, texts, settings.emoji) for name, texts in prepared.texts_by_corpus(prepare).items()
    }
    loading.save(model, grown, out / "model", emoji=settings.emoji)
    figures = {
        "emoji": settings.emoji,
        "rows_added": len(rows),
        "first_row": first_row,
        "rows_started": {"noise": settings.row_noise, "seed": settings.seed},
        "corpora": corpora,
    }
    write_json(out / "coverage.json", figures)
    write_json(out / "emoji_rows.json", rows)


def _coverage(base: Any, grown: Any, texts: list[str], mode: str) -> dict[str, Any]:
    """A corpus as the base's tokenizer sees it, and as the grown one does."""
    from pipeline.models import vocabulary
    from pipeline.text import emoji

    has_emoji = [emoji.has_emoji(text) for text in texts]
    before = vocabulary.measure(base, texts, has_emoji)
    after = before
    if mode != "none":
        after = vocabulary.measure(grown, [emoji.as_model_reads(text, mode) for text in texts], has_emoji)
    return {"texts": len(texts), "emoji_texts": sum(has_emoji), "before": before, "after": after}


STAGE = Stage(tokenizer, makes=("model", "coverage.json", "emoji_rows.json"), version=3)
