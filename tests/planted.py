"""A small world of made-up English with real signal, and models in it that were spoilt on purpose.

General text has a word order to learn; reviews and posts are written otherwise, with words and emoji that tell the
class. Whole runs go through the command line, so what is diagnosed is what a user would be shown.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.corpora import prepared
from pipeline.learning import adaptation
from pipeline.learning.scratch import SPECIAL_TOKENS
from pipeline.machine import cli
from pipeline.models import loading
from stages.__main__ import build
from tests import cooccurrence

ANIMALS = ["fox", "owl", "bear", "wolf", "frog", "swan", "deer", "crab", "mole", "hare"]
PLACES = ["forest", "river", "valley", "meadow", "island", "desert", "harbour", "castle"]
FOODS = ["berries", "seeds", "insects", "leaves", "roots", "worms", "grass", "nuts"]
SEASONS = ["spring", "summer", "autumn", "winter"]
THINGS = ["phone", "kettle", "lamp", "chair", "jacket", "pizza", "coffee", "hotel", "driver", "charger", "app", "sofa"]
MOODS = {0: ["awful", "broken", "nasty", "rubbish", "useless", "dreadful"],
         1: ["okay", "average", "usual", "plain", "medium", "regular"],
         2: ["lovely", "superb", "great", "brilliant", "perfect", "wonderful"]}  # fmt: skip
EMOJI = {0: ["😡", "👎", "💩"], 1: ["😐", "🤷", "😶"], 2: ["😍", "👍", "🥳"]}
LABELS = {0: "bad", 1: "so-so", 2: "good"}

CARD = """---
pretty_name: {name}
language: en
license: cc0-1.0
configs: [{{config_name: default, data_files: [{files}]}}]
retone: {retone}
---
"""
REVIEWS = "{role: reviews, columns: {text: text, label: mood}, labels: {negative: bad, neutral: so-so, positive: good}}"


def sentence(draw: random.Random) -> str:
    """A sentence of general English: what it is about is free, the order of its words is not."""
    animal, place, food, season, thing = (draw.choice(words) for words in (ANIMALS, PLACES, FOODS, SEASONS, THINGS))
    mood, other = draw.sample(MOODS[draw.randrange(3)], 2)
    return draw.choice([
        f"the {animal} lives in the {place} and eats {food} in {season}.",
        f"in {season} the {animal} leaves the {place} for {food}.",
        f"many {food} grow near the {place} where the {animal} sleeps in {season}.",
            f"a {thing} from the {place} was {mood} and {other}.",
    ])  # fmt: skip


def articles(count: int, seed: int, *, shuffled: bool = False) -> list[str]:
    """General documents of four sentences; shuffled: with all their words in any order."""
    draw, found = random.Random(seed), []
    for _ in range(count):
        text = " ".join(sentence(draw) for _ in range(4))
        if shuffled:
            words = text.split()
            draw.shuffle(words)
            text = " ".join(words)
        found.append(text)
    return found


def remark(draw: random.Random, label: int, *, emoji: bool) -> str:
    """A review: its class is told by words or, where it has them, by emoji alone."""
    one, other = draw.sample(THINGS, 2)
    opening, end = draw.choice(["omg", "ok", "well", "lol", "hey"]), draw.choice(["lol", "tbh", "fr", "imo", "xd"])
    if emoji:
        return f"{opening} this {one} n {other} {end} {''.join(draw.choices(EMOJI[label], k=3))}"
    first, second, third = draw.choices(MOODS[label], k=3)
    return f"{opening} {first} {second} {one} n {third} {other} {end}"


def reviews(count: int, seed: int, emoji: float = 0.4) -> list[tuple[str, int]]:
    """Reviews with their class, all different; ``emoji``: the share that has the class in an emoji."""
    draw, found = random.Random(seed), dict[str, int]()
    while len(found) < count:
        label = len(found) % 3
        found.setdefault(remark(draw, label, emoji=draw.random() < emoji), label)
    return list(found.items())


def posts(count: int, seed: int) -> list[str]:
    """Informal text: as reviews are written, words and emoji of one class together."""
    draw = random.Random(seed)
    found = set[str]()
    while len(found) < count:
        label = draw.randrange(3)
        found.add(f"{remark(draw, label, emoji=False)} {draw.choice(EMOJI[label])}{draw.choice(EMOJI[label])}")
    return sorted(found)


def lists(count: int, seed: int) -> list[str]:
    """Text that has nothing to do with reviews: lists of nouns."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(ANIMALS + PLACES + FOODS + SEASONS, k=24)) for _ in range(count)]


def pairs(count: int, seed: int) -> list[dict[str, str]]:
    """Minimal pairs: two neighbouring words of a sentence, changed round."""
    draw, found = random.Random(seed), dict[str, str]()
    while len(found) < count:
        words = sentence(draw).split()
        at = draw.randrange(len(words) - 2)
        found.setdefault(" ".join(words), " ".join([*words[:at], words[at + 1], words[at], *words[at + 2 :]]))
    return [{"good": good, "bad": bad, "phenomenon": "order"} for good, bad in found.items() if good != bad]


def card(folder: Path, retone: str, files: Mapping[str, Iterable[Any]]) -> None:
    """Write a card folder whose splits hold the given rows: texts, or mappings."""
    folder.mkdir(parents=True)
    named = ", ".join(f"{{split: {split}, path: {split}.jsonl}}" for split in files)
    (folder / "README.md").write_text(CARD.format(name=folder.name, files=named, retone=retone), encoding="utf-8")
    for split, rows in files.items():
        lines = [json.dumps({"text": row} if isinstance(row, str) else row, ensure_ascii=False) for row in rows]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def review_card(folder: Path, splits: Mapping[str, list[tuple[str, int]]]) -> None:
    rows = {split: [{"text": text, "mood": LABELS[label]} for text, label in told] for split, told in splits.items()}
    card(folder, REVIEWS, rows)


def write_world(place: Path) -> None:
    """Write the cards. ``turned`` and ``stripped`` hold the same test reviews, under the same name."""
    cards = place / "cards"
    for name, shuffled in (("articles", False), ("shuffled", True)):
        splits = {"train": (200, 1), "dev": (20, 2), "test": (32, 3)}
        rows = {split: articles(*of, shuffled=shuffled) for split, of in splits.items()}
        card(cards / name, "{role: general}", rows)
    card(cards / "posts", "{role: informal}", {"train": posts(400, 4), "dev": posts(40, 5)})
    card(cards / "lists", "{role: informal}", {"train": lists(300, 4), "dev": lists(40, 5)})
    card(cards / "pairs", "{role: pairs}", {"test": pairs(120, 8)})
    told = reviews(600, 6)
    sound = {"train": told[:300], "dev": told[300:400], "test": told[400:]}
    review_card(cards / "reviews", sound)
    for spoilt, change in (("turned", lambda text, label: (text, 2 - label)), ("stripped", _without_emoji)):
        rest = {split: [change(text, label) for text, label in sound[split]] for split in ("train", "dev")}
        review_card(cards / spoilt / "reviews", rest | {"test": sound["test"]})


def _without_emoji(text: str, label: int) -> tuple[str, int]:
    return text.translate({ord(sign): None for signs in EMOJI.values() for sign in signs}).strip(), label


def run(place: Path, recipe: str, *more: str, only: str = "report") -> None:
    """Run a recipe as `make` would, in this process: others would each load all libraries first."""
    path = place / "recipe.yaml"
    path.write_text(recipe, encoding="utf-8")
    where = ["--recipe", str(path), "--store", str(place / "store"), "--jobs", "1"]
    assert cli.main(build(), ["run", only, *where, *more]) == 0


def base(place: Path, text: str, epochs: int) -> Path:
    """A base model that has read nothing but the general card ``text``; its folder.

    Its rows start from what the text says of its words (``cooccurrence``), so that seconds of training suffice.
    """
    recipe = f"""
name: base
prepare: {{corpora: [{place}/cards/{text}, {place}/cards/reviews], near_duplicate_threshold: 1.0}}
source: {{model: MODEL, vocab_size: 360, num_hidden_layers: 2, hidden_size: 64, num_attention_heads: 4}}
tokenizer: {{emoji: none}}
pretrain:
  {{num_train_epochs: {epochs}, replay_share: 1, include_reviews: false, learning_rate: 3e-3, tokens_per_batch: 512,
    distillation: {{cls: 0.5}}, regularisation: {{dropout: 0.0}}, evaluations: 1, dev_windows: 16,
    compute: {{precision: fp32}}}}
"""
    prepared_in, scratch_in = (
        _made(place, stage, recipe.replace("MODEL", "scratch")) for stage in ("prepare", "source")
    )
    model, tokenizer = (load(scratch_in / "model") for load in (loading.load_masked_lm, loading.load_tokenizer))
    texts = [row["text"] for row in prepared.rows(prepared_in, role="general", split="train")]
    windows = adaptation.cut(tokenizer, texts, 128)
    cooccurrence.head_start(model, windows.ids, len(SPECIAL_TOKENS), 0)
    started = place / "started" / text
    loading.save(model, tokenizer, started, emoji="none")
    return _made(place, "pretrain", recipe.replace("MODEL", str(started))) / "model"


def _made(place: Path, stage: str, recipe: str) -> Path:
    """The one artifact of a stage that a recipe's run adds."""
    known = set((place / "store" / stage).glob("*"))
    run(place, recipe, only=stage)
    (made,) = set((place / "store" / stage).glob("*")) - known
    return made


def read_report(place: Path) -> dict[str, Any]:
    return dict(json.loads((place / "store" / "latest" / "report.json").read_text(encoding="utf-8")))


def figure(value: float, width: float = 0.03, n: int = 300) -> dict[str, Any]:
    return {"value": value, "low": value - width, "high": value + width, "n": n}


def sound_report() -> dict[str, Any]:
    """The parts of a report.json that are diagnosed, of one arm in which nothing is wrong; figures by hand."""
    kept = {"masked": {"toy-general": figure(0.98, n=40)}, "pairs": {"toy-pairs": figure(0.97, n=200)}}
    rows = [{"epoch": 1, "step": 10, "train_loss": 1.0, "dev_loss": 0.8}, {"epoch": 2, "step": 20, "train_loss": 0.5,
                                                                          "dev_loss": 0.6}]  # fmt: skip
    story = {"method": "full", "trainable_parameters": 400, "frozen_parameters": 600, "best_step": 20,
             "dev_macro_recall": 0.8}  # fmt: skip
    losses = {"general": (2.0, 2.0), "informal": (3.2, 1.8), "reviews": (3.0, 1.9)}
    return {
        "ladder": [{"arm": "sound", "seeds": [0], "changes": [], "scores": {"toy-reviews": {
            "macro_recall": figure(0.8), "emoji_macro_recall": figure(0.79, n=100)}}}],
        "floors": {name: {"toy-reviews": {"macro_recall": figure(level)}}
                   for name, level in (("tfidf", 0.7), ("features", 0.68))},
        "verdicts": [],
        "beside": "above",
        "backward": {},
        "retention": {"sound": {"base": {"pairs": {"toy-pairs": {"accuracy": figure(0.9, n=200)}}},
                                "adapted": {"kept": copy.deepcopy(kept)}, "tuned": {"kept": copy.deepcopy(kept)}}},
        "arms": {"sound": {
            "source": {"name": "elsewhere"},
            "pretrain": {"tokens_seen": 90_000, "steps": 50, "stopped": "done", "best_step": 50},
            "finetune": {"0": story},
            "seeds": {"0": {"toy-reviews": {"confusion": [[80, 10, 10], [10, 80, 10], [10, 10, 80]]}}},
            "history": {"pretrain": [{"step": 10, "train_loss": 3.0}, {"step": 50, "train_loss": 2.0}],
                        "finetune": {"0": rows}},
            "settings": {"finetune": {"learning_rate": 2e-5, "method": "full"}}}},
        "coverage": {"sound": {"emoji": "all", "corpora": {"toy-reviews": {
            "texts": 700, "emoji_texts": 280, "after": {"unk_rate_emoji_texts": 0.0, "words_lost_rate": 0.0}}}}},
        "corpora": {"toy-reviews": {"role": "reviews", "splits": {"train": 450}, "dropped": {}}},
        "masked_loss": {"sound": {f"toy-{role}": {"role": role, "base": figure(before), "adapted": figure(after)}
                                  for role, (before, after) in losses.items()}},
    }  # fmt: skip
