"""Teach the tokenizer emoji: a token for each, its row started from its name, and the coverage before and after."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pipeline.common.files import write_json
from pipeline.machine.stage import Stage, StageSettings

if TYPE_CHECKING:
    from pipeline.models.reader import Reader


class Settings(StageSettings):
    """How emoji reach the model."""

    emoji: Literal["all", "none", "words"] = Field(
        "all",
        description="`all`: every emoji as tokens; `words`: replaced by their names; `none`: as the base does "
        "(one that keeps its classifier: as it was tuned to). Rows that are there already are kept",
    )
    row_init: Literal["names", "library"] = Field(
        "names",
        description="new rows start from the emoji's name (in the reviews' language), or as transformers makes them "
        "(nearly all alike)",
    )
    row_noise: float = Field(0.1, ge=0, le=1, description="noise on a new row, as a share of its size")
    seed: int = Field(0, ge=0, lt=1 << 32, description="of the noise")


def tokenizer(settings: Settings, *, prepare: Path, source: Path, out: Path) -> None:
    """Write ``model/`` (grown), ``coverage.json`` (per corpus, before and after), ``emoji_rows.json`` (the new ids)."""
    import torch

    from pipeline.common.languages import reads
    from pipeline.corpora import prepared
    from pipeline.models import loading, sources, vocabulary
    from pipeline.models.reader import Reader
    from pipeline.text import emoji

    torch.manual_seed(settings.seed)  # the library's default rows are drawn
    model, grown = loading.load_masked_lm(source / "model"), loading.load_tokenizer(source / "model")
    first_row = len(grown)
    new: list[str] = []
    if settings.emoji == "all":
        grown = vocabulary.without_invisible(grown)
        new = vocabulary.add_tokens(grown, vocabulary.compositional_tokens())
        vocabulary.grow(model, grown, first_row, mean_resizing=settings.row_init == "library")
    rows = {first_row + place: token for place, token in enumerate(new)}
    base = sources.languages_told(source)
    codes = (code for spoken in prepared.languages(prepare, "reviews").values() for code in spoken)
    language = emoji.named_in(code for code in codes if reads(base, [code]))
    if rows and settings.row_init == "names":
        names = partial(emoji.name_words, language=language)
        vocabulary.name_rows(model, grown, rows, names, noise=settings.row_noise, seed=settings.seed)
    how: dict[str, Any] = {"emoji": settings.emoji, "language": language}
    kept = loading.reading(source / "model")
    if settings.emoji == "none" and kept["emoji"] != "none":
        how = kept
    loading.save(model, grown, out / "model", **how | {"uncleaned": prepared.uncleaned(prepare)})
    readers = Reader.of(source / "model"), Reader.of(out / "model")
    figures = {
        "emoji": how["emoji"],
        "rows_added": len(rows),
        "first_row": first_row,
        "rows_started": {"noise": settings.row_noise, "seed": settings.seed},
        "corpora": {name: _coverage(*readers, texts) for name, texts in prepared.texts_by_corpus(prepare).items()},
    }
    write_json(out / "coverage.json", figures)
    write_json(out / "emoji_rows.json", rows)


def _coverage(base: Reader, grown: Reader, texts: list[str]) -> dict[str, Any]:
    """A corpus as the base reads it, and as the model that was written does."""
    from pipeline.models import vocabulary
    from pipeline.text import emoji

    has_emoji = [emoji.has_emoji(text) for text in texts]
    before = after = vocabulary.measure(base.tokenizer, texts, has_emoji)
    if grown.emoji != "none":
        after = vocabulary.measure(grown.tokenizer, [grown.text(text) for text in texts], has_emoji)
    return {"texts": len(texts), "emoji_texts": sum(has_emoji), "before": before, "after": after}


STAGE = Stage("tokenizer", tokenizer, makes=("model", "coverage.json", "emoji_rows.json"), version=4)
