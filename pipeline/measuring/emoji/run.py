"""What emoji mean to the models, beside what people say they mean, and what a prediction does when they change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from pipeline.common.cache import Remember
from pipeline.corpora import prepared
from pipeline.measuring import scoring
from pipeline.measuring.emoji import ask as emoji_ask
from pipeline.measuring.emoji import counterfactuals
from pipeline.measuring.emoji import reference as emoji_reference
from pipeline.measuring.emoji.score import agreement, effects, is_clear
from pipeline.measuring.options import Options
from pipeline.measuring.statistics.sampling import fixed_sample
from pipeline.models import loading, sources
from pipeline.models.reader import Reader
from pipeline.text.emoji import has_emoji, name_words

EMOJI_ASKED = 200
"""At most so many emoji of the training reviews are asked for their polarity, the commonest; beside all those of the
reference."""


def emoji_understood(
    settings: Options,
    prepare: Path,
    folders: Mapping[str, Path],
    started: Mapping[str, Any],
    remember: Remember,
    known: scoring.Known | None = None,
    spoken: Sequence[str] = (),
) -> dict[str, Any]:
    """Polarity of emoji in each model against people's, and what changing the emoji of test texts does.

    Polarity is asked in English sentences: of no emoji where base or reviews are of other languages.

    Args:
        started: ``noise`` and ``seed`` of the rows that the tokenizer stage started for emoji.
        known: what the tuned model has said of texts before, so that it need not be asked again.
        spoken: the base's languages; none: nobody says.
    """
    train = prepared.rows(prepare, role="reviews", split="train")
    labels = emoji_reference.labels_by_emoji((row["text"] for row in train), (row["label"] for row in train))
    seen = partial(emoji_reference.from_reviews, labels)
    ranking = settings.emoji_ranking
    reference = emoji_reference.ranking(ranking) if ranking else seen()
    asked = list(dict.fromkeys([*reference, *list(seen(at_least=1))[:EMOJI_ASKED]]))
    if not prepared.in_english(prepare, spoken):
        asked = []
    found = polarity(settings, asked, folders, started, remember)
    sure = {"draws": settings.draws, "seed": settings.seed}
    sides = counterfactuals.sides(seen(at_least=3))
    return {
        "reference": {"name": "ranking" if ranking else "reviews", "emoji": reference},
        "polarity": {
            name: {"spearman": agreement(told["emoji"], reference, **sure), **told} for name, told in found.items()
        },
        "counterfactuals": {
            corpus: _counterfactuals(settings, prepare, corpus, folders["tuned"], sides, known)
            for corpus in prepared.corpora_of(prepare, "reviews")
        },
    }


def polarity(
    settings: Options, asked: list[str], folders: Mapping[str, Path], started: Mapping[str, Any], remember: Remember
) -> dict[str, Any]:
    """What each emoji means to base, adapted and tuned, and to the base with rows from names and with the library's."""
    base, adapted, tuned = (folders[name] for name in ("base", "adapted", "tuned"))
    reader_of = cache(Reader.of)

    def question(who: str, folder: Path, read_by: Path, load: Callable[[Any], Any], ask: Any) -> Any:
        """What the model that is loaded from ``folder`` is asked, as the model in ``read_by`` reads it."""
        reader = reader_of(read_by)
        tokenizer, texts = reader.tokenizer, {one: reader.text(one) for one in asked}
        key = [
            "polarity",
            emoji_ask.VERSION,
            who,
            sources.weight_digests(folder),
            loading.how_it_reads(tokenizer),
            texts,
        ]
        return key, lambda: ask(load(tokenizer), tokenizer, texts, tokens_per_batch=settings.tokens_per_batch)

    def masked_lm(folder: Path) -> Any:
        return question("masked lm", folder, folder, lambda _: loading.load_masked_lm(folder), emoji_ask.in_masked_lm)

    def newborn(name: str, name_of: Callable[[str], str] | None) -> Any:
        born = partial(emoji_ask.newborn, base, name_of=name_of, **started)
        return question(f"{name}, {dict(started)}", base, adapted, born, emoji_ask.in_masked_lm)

    questions = {
        "base": masked_lm(base),
        "adapted": masked_lm(adapted),
        "tuned": question("tuned", tuned, tuned, lambda _: loading.load_classifier(tuned), emoji_ask.in_classifier),
    }
    if set(loading.emoji_rows(adapted)) - set(loading.emoji_rows(base)):
        questions |= {"names": newborn("names", name_words), "default": newborn("default", None)}
    return dict(zip(questions, remember(list(questions.values())), strict=True))


def _counterfactuals(
    settings: Options,
    prepare: Path,
    corpus: str,
    model: Path,
    sides: Mapping[str, int],
    known: scoring.Known | None,
) -> dict[str, Any]:
    """Emoji of test texts swapped, deleted, moved and appended: shares of predictions that follow as they should."""
    test = prepared.corpus_rows(prepare, corpus, "test")
    chosen = fixed_sample(test, settings.counterfactuals, settings.seed, by=lambda row: has_emoji(row["text"]))
    made = counterfactuals.variants([row["text"] for row in chosen], sides, seed=settings.seed)
    classifier, reader = loading.load_classifier(model), Reader.of(model)

    def asked(texts: list[str]) -> dict[str, list[float]]:
        ids = reader.ids(texts)
        table = scoring.class_probabilities(classifier, ids, tokens_per_batch=settings.tokens_per_batch, known=known)
        return dict(zip(texts, table.round(scoring.DIGITS).tolist(), strict=True))

    answers = asked(counterfactuals.texts_of([row | {"appended": None} for row in made]))
    for row in made:  # ``effects`` looks at these alone: the others need no prediction
        row["appended"] = row["appended"] if row["words"] is not None and is_clear(answers[row["words"]]) else None
    answers |= asked(counterfactuals.texts_of([{"appended": row["appended"]} for row in made]))
    return effects(counterfactuals.answered(made, answers))
