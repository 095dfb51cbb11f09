"""What the columns of a file hold, as far as names and values tell; whatever they leave open is a question."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pipeline.common.labels import LABELS
from pipeline.common.printable import many
from pipeline.corpora.cells import as_number, label_as_written
from pipeline.corpora.corpus import FEWEST
from pipeline.corpora.schema import QUESTION

LOOKED_AT = 5_000
_FEW = 12
_LONG_WORDS = 80
_EXAMPLES = 3
_EXAMPLE_CHARACTERS = 60
_CLOSE_TEXT = 0.5
_CLOSE_LABEL = 0.2

_SCALES: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("5", {"1": "negative", "2": "negative", "3": "neutral", "4": "positive", "5": "positive"}),
    ("-1", {"-1": "negative", "0": "neutral", "1": "positive"}),
)
"""With the value that there must be: 1 to 3 or 0 to 2 are codes that mean anything."""
_CUTS = {
    (0, 1): (0.4, 0.6),
    (-1, 1): (-0.2, 0.2),
    (0, 5): (2.5, 3.5),
    (1, 10): (5, 6),
    (0, 10): (4, 6),
    (0, 100): (40, 60),
}
"""A guess of where negative ends and positive begins, by the lowest and highest value of a scale."""
_STARS = re.compile(r"(-?\d+)(?:[.,]0+)?(?:\s*(?:stars?|/\s*5|out of 5))?", re.I)
_WORDS = {
    "negative": "negative neg bad poor terrible awful horrible unhappy dissatisfied worse worst hate",
    "neutral": "neutral neu ok okay fine mixed average meh so-so fair",
    "positive": "positive pos good great excellent awesome amazing happy satisfied better best love",
}


def _named(words: str) -> frozenset[str]:
    return frozenset(words.split())


_TEXTS = _named("content review reviews body text texts comment comments message tweet post sentence feedback")
_TITLES = _named("title summary subject headline")
_NO_TEXTS = _TITLES | _named(
    "reply replied response answer developer votes count id ids date time at version url link name author location"
)
_SCORES = _named("stars star rating ratings score scores overall sentiment polarity satisfaction grade")
_RATINGS = _SCORES - {"grade"}
"""Of which more is better: a grade of 1 is the best in some countries."""
_LABELS = _SCORES | _named("label labels class target gold")
_NO_LABELS = _named(
    "helpful votes vote count thumbs id date time version confidence reply replied response answer retweet likes "
    "number num age price quantity verified"
)


@dataclass
class Draft:
    """What was guessed, the questions that are left, and what is worth knowing."""

    role: str = QUESTION
    columns: dict[str, str] = field(default_factory=dict)
    labels: dict[str, list[Any]] = field(default_factory=dict)
    cuts: list[Any] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def guess(rows: Sequence[Mapping[str, Any]], class_names: Mapping[str, Sequence[str]] | None = None) -> Draft:
    """Guess role, columns and labels from the rows of a file.

    Args:
        class_names: of columns that hold numbers of classes, the names that the file itself gives them.
    """
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    for good, bad in (("good", "bad"), ("sentence_good", "sentence_bad")):
        if good in names and bad in names:
            phenomenon = next((name for name in ("phenomenon", "UID", "field") if name in names), QUESTION)
            questions = [] if phenomenon != QUESTION else ["columns.phenomenon: which column names what is tested?"]
            return Draft("pairs", {"good": good, "bad": bad, "phenomenon": phenomenon}, questions=questions)
    words = _mean_words(rows[:LOOKED_AT], names)
    texts = _text_columns(words)
    if not texts:
        listed = ", ".join(names)
        question = f"role, and columns.text: which column holds the text, of {listed}?"
        return Draft("?", {"text": QUESTION}, questions=[question])
    text = texts[0]
    labels = _label_columns(rows, [name for name in names if name not in texts], class_names or {})
    draft = Draft("general" if words[text] >= _LONG_WORDS else "informal", {"text": text})
    if beside := [name for name in names if name != text and words[name] >= 1 and set(_words_of(name)) & _TITLES]:
        both = ", ".join([*beside, text])
        draft.notes.append(f"columns.text: {', '.join(beside)} is left out; `text: [{both}]` reads both as one text.")
    if labels:
        draft.role, draft.columns["label"] = "reviews", labels[0]
        _map_labels(draft, rows, text, labels[0], (class_names or {}).get(labels[0], ()))
        if draft.questions and not set(_words_of(labels[0])) & _LABELS:
            draft.notes.append(f"if {labels[0]} labels nothing, write role informal, and of columns the text alone.")
    elif few := [name for name in names if name not in texts and 2 <= len(_values(rows, name)) <= _FEW]:
        listed = "; ".join(f"{name} ({', '.join(list(_values(rows, name))[:_EXAMPLES])})" for name in few)
        draft.notes.append(f"no label was found. If one of these is it, write role, columns.label and labels: {listed}")
    for ours, rivals in (("label", labels), ("text", texts)):
        if len(rivals) > 1:
            draft.columns[ours] = QUESTION
            shown = "; or ".join(f"{name} ({_quoted(row.get(name) for row in rows)})" for name in rivals)
            draft.questions.insert(0, f"columns.{ours}: which column is it? {shown}")
    return draft


def _values(rows: Sequence[Mapping[str, Any]], name: str) -> Counter[str]:
    return Counter(label_as_written(row.get(name)) for row in rows)


def looks_headless(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether what stands in the place of a table's column names looks like one more row of data."""
    told = [name for name in names if name]
    if told == [str(number) for number in range(len(told))] or any(list(row.values()) == list(names) for row in rows):
        return False  # pandas numbers columns; a header that stands again further down is one
    for name in told:
        values = Counter(value for row in rows[:LOOKED_AT] if isinstance(value := row.get(name), str))
        numbers = sum(count for value, count in values.items() if as_number(value) is not None)
        if as_number(name) is not None and numbers >= 0.9 * values.total() > 0:
            return True
        if name in values and len(values) <= _FEW and values.total() >= 2 * len(values):
            return True
    known = _TEXTS | _NO_TEXTS | _LABELS | _NO_LABELS | {"timestamp"}
    if any(len(words) <= 3 and set(words) & known for words in map(_words_of, told)):
        return False
    longest = max(told, key=len, default="")
    return len(longest.split()) >= 4 and "?" not in longest and not longest.rstrip().endswith(":")


def _words_of(name: str) -> list[str]:
    """``replyContent`` and ``reply_content`` are reply and content."""
    return [word for word in re.split(r"[\W_]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()) if word]


def _mean_words(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, float]:
    return {
        name: sum(len(value.split()) for row in rows if isinstance(value := row.get(name), str)) / len(rows)
        for name in names
    }


def _text_columns(words: Mapping[str, float]) -> list[str]:
    """The column with most words a row, names weighed in, and those that come close to it."""

    def weight(name: str) -> float:
        called = set(_words_of(name)) if len(_words_of(name)) <= 3 else set()  # a whole question says little
        return words[name] * (0.125 if called & _NO_TEXTS else 4 if called & _TEXTS else 1)

    if len(words) == 1:
        return list(words)
    ranked = sorted((name for name in words if weight(name) >= 1.5), key=weight, reverse=True)
    return [name for name in ranked if weight(name) >= _CLOSE_TEXT * weight(ranked[0])]


def _label_columns(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], class_names: Mapping[str, Sequence[str]]
) -> list[str]:
    """The column whose values can be mapped best, one that is called like a label before others; and close ones."""
    weights = {}
    for name in names:
        called = set(_words_of(name))
        if called & _NO_LABELS and len(_words_of(name)) <= 3:
            continue
        values = _values(rows, name)
        mapped = sum(values[value] for value in _mapping(list(values), class_names.get(name, ())))
        if called & _SCORES and _is_scale(values):
            weights[name] = 2.0
        elif 2 <= len(values) <= _FEW and (called & _LABELS or mapped or _are_codes(values)):
            weights[name] = mapped / len(rows) + bool(called & _LABELS)
    ranked = sorted(weights, key=lambda name: weights[name], reverse=True)
    return [name for name in ranked if weights[name] >= weights[ranked[0]] - _CLOSE_LABEL]


def _is_scale(values: Counter[str]) -> bool:
    """Whether a column holds numbers of which there are many."""
    told = [value for value in values if value]
    numbers = sum(values[value] for value in told if as_number(value) is not None)
    return len(told) > 6 and numbers >= 0.95 * sum(values[value] for value in told)


def _are_codes(values: Iterable[str]) -> bool:
    """Whether a column holds a handful of whole numbers, which may stand for classes whatever it is called."""
    told = [value for value in values if value]
    return len(told) >= 2 and all(re.fullmatch(r"-?\d{1,2}", value) for value in told)


def _mapping(values: Sequence[str], class_names: Sequence[str]) -> dict[str, str]:
    """Value -> class, for as many values as the file's own names, a known scale or word says."""
    known = {word: label for label, listed in _WORDS.items() for word in listed.split()}
    if class_names:
        named = {str(number): name.casefold() for number, name in enumerate(class_names)}
        return {value: known[named[value]] for value in values if named.get(value) in known}
    plain = {value: _points(value) for value in values if value}
    for needed, scale in _SCALES:
        numbers = {value: points for value, points in plain.items() if as_number(points) is not None}
        if needed in numbers.values() and set(numbers.values()) <= set(scale) and len(numbers) > 1:
            return {value: scale[points] for value, points in numbers.items()}
    return {value: known[value.casefold()] for value in values if value.casefold() in known}


def _is_rating(column: str, values: Iterable[str]) -> bool:
    """Whether the name of a column or its values say that it rates: ``4 stars`` and ``bad`` do, ``4`` may be urgent."""
    return bool(set(_words_of(column)) & _RATINGS) or all(as_number(value) is None for value in values)


def _points(value: str) -> str:
    """``5``, ``5.0``, ``5 stars``, ``5/5`` and five stars drawn are 5."""
    if drawn := sum(value.count(star) for star in "★⭐"):
        return str(drawn) if not set(value) - set("★⭐☆ \ufe0f") else value
    match = _STARS.fullmatch(value)
    return match[1] if match else value


def _map_labels(
    draft: Draft, rows: Sequence[Mapping[str, Any]], text: str, column: str, class_names: Sequence[str]
) -> None:
    values = _values(rows, column)
    if "" in values:
        draft.drop = [""]
        draft.notes.append(f"drop: {column} is empty in {many(values.pop(''), 'row')}: dropped, and counted.")
    if not _mapping(list(values), class_names) and _is_scale(values):
        _cut(draft, rows, text, column)
        return
    mapped = _mapping(list(values), class_names)
    labels: dict[str, list[Any]] = {
        label: sorted((_plain(value) for value in mapped if mapped[value] == label), key=str) or [QUESTION]
        for label in LABELS
    }
    found = ", ".join(f"{value} ({many(count, 'row')})" for value, count in values.most_common(_FEW))
    draft.questions += [
        f"labels.{label}: which values of {column} mean {label}? There are: {found}"
        for label in LABELS
        if labels[label] == [QUESTION]
    ]
    left = [value for value in values if value not in mapped]
    if left and not draft.questions:
        draft.questions.append(
            f"labels: where does {', '.join(left)} belong? Put it in place of the {QUESTION}, or under drop."
        )
        labels["neutral"].append(QUESTION)
    if mapped and not class_names and not _is_rating(column, mapped):
        draft.questions.append(
            f"labels: is {column} a rating, of which more is better? Nothing says so: correct what is guessed, and "
            f"take the {QUESTION} away."
        )
        labels["neutral"] += [QUESTION] if QUESTION not in labels["neutral"] else []
    if draft.questions:
        of = {str(number): name for number, name in enumerate(class_names)}
        draft.questions[-1] += "".join(
            f"\n  - {value}{f', {of[value]}' if value in of else ''}: "
            + _quoted(row.get(text) for row in rows if label_as_written(row.get(column)) == value)
            for value in sorted(values)
        )
    draft.labels = labels
    counts = {label: sum(values[value] for value in mapped if mapped[value] == label) for label in LABELS}
    draft.notes += [
        f"labels.{label}: only {many(count, 'row')}, and a run needs {FEWEST} of each class; can you add some?"
        for label, count in counts.items()
        if 0 < count < FEWEST
    ]


def _cut(draft: Draft, rows: Sequence[Mapping[str, Any]], text: str, column: str) -> None:
    """Draft where a scale of many values is cut into classes, and ask."""
    found = [(as_number(label_as_written(row.get(column))), row.get(text)) for row in rows]
    told = sorted(((number, words) for number, words in found if number is not None), key=lambda each: each[0])
    lowest, highest = told[0][0], told[-1][0]
    ranges = (cuts for (low, high), cuts in _CUTS.items() if low <= lowest and highest <= high)
    first, second = next(ranges, (told[len(told) // 3][0], told[2 * len(told) // 3][0]))
    draft.cuts = [first, second, QUESTION]
    parts = {
        "negative": [words for number, words in told if number < first],
        "neutral": [words for number, words in told if first <= number <= second],
        "positive": [words for number, words in reversed(told) if number > second],
    }
    draft.questions.append(
        f"cuts: {column} goes from {lowest:g} to {highest:g}. Below the first cut is negative, above the second "
        f"positive, between them neutral. {first:g} and {second:g} are a guess: correct them, take the {QUESTION} away."
        + "".join(f"\n  - {label}, {many(len(some), 'row')}: {_quoted(some)}" for label, some in parts.items())
    )
    if left := [
        value for value in {label_as_written(row.get(column)) for row in rows} if value and as_number(value) is None
    ]:
        draft.questions.append(f"drop: what of {', '.join(sorted(left)[:_FEW])}? Put them under labels.CLASS or drop.")
        draft.drop.append(QUESTION)


def _quoted(texts: Iterable[Any]) -> str:
    """The first three different texts, cut short."""
    plain = (" ".join(str(text).split()) for text in texts if text is not None)
    shown = islice(dict.fromkeys(text for text in plain if text), _EXAMPLES)
    return " | ".join(
        text if len(text) <= _EXAMPLE_CHARACTERS else f"{text[:_EXAMPLE_CHARACTERS]}..." for text in shown
    )


def _plain(value: str) -> Any:
    """As it would be written by hand in YAML: whole numbers without quotes."""
    return int(value) if re.fullmatch(r"-?[1-9]\d*|0", value) else value
