"""A made-up corpus of many reviews, to time ``cards`` and ``prepare``.

``python -m tests.benchmarks.reviews FOLDER [COUNT]`` writes a card; again, with a card that is there, it prepares that
beside the starter's other corpora, and prints seconds and memory.

Words follow each other as in the texts that ship, lengths are log-normal (a median of 30 words, some of 500), one in
fifty is said again word for word and one in fifty again with a word changed.
"""

from __future__ import annotations

import csv
import random
import re
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from tests.benchmarks.measured import cpu_seconds, own_mb, peak_mb
from tests.benchmarks.workload import STARTER

CARD = """---
language: en
license: cc0-1.0
configs: [{data_files: reviews.csv}]
retone:
  role: reviews
  columns: {text: body, label: stars}
  labels: {negative: [1, 2], neutral: [3], positive: [4, 5]}
---
"""
COUNT = 200_000
EXTRA = (
    "😂",
    "😍😍",
    "👎",
    "❤️",
    "!!!",
    "soooooo",
    "<br />",
    "&amp;",
    "@shop",
    "https://shop.example/a?b=1",
    "\uff2f\uff2b",
    "café",
)


def reviews(count: int, seed: int = 0) -> Iterator[tuple[str, str, int]]:
    """Yield (id, text, stars)."""
    draw, after = random.Random(seed), _after()
    starts = sorted(after)
    said: list[str] = []
    for number in range(count):
        chance = draw.random()
        if chance < 0.04 and said:
            words = draw.choice(said).split(" ")
            if chance < 0.02:
                words[draw.randrange(len(words))] = draw.choice(starts)
        else:
            words, length = [draw.choice(starts)], min(500, draw.lognormvariate(3.4, 0.9))
            while len(words) < length:
                words.append(draw.choice(after.get(words[-1], starts)))
            if chance > 0.8:
                words.insert(draw.randrange(len(words) + 1), draw.choice(EXTRA))
        said.append(" ".join(words))
        yield f"r{number}", said[-1], draw.choices((1, 2, 3, 4, 5), (15, 6, 9, 20, 50))[0]


def _after() -> dict[str, list[str]]:
    """The words that follow each word in the texts that ship, as often as they do."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in ("starter-reviews/reviews.csv", "starter-informal/informal.txt", "starter-general/general.jsonl"):
        words = re.findall(r"[\w'-]+[.,!?]?", (STARTER / name).read_text(encoding="utf-8"))
        for word, following in pairwise(words):
            found[word].append(following)
    return found


def write(folder: Path, count: int = COUNT) -> None:
    """Write a card of ``count`` reviews into a folder."""
    folder.mkdir(parents=True)
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    with (folder / "reviews.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "body", "stars"), *reviews(count)])


def measure(folder: Path) -> str:
    """What it takes to prepare a card, in a process that has done nothing else."""
    from stages.prepare import Settings, prepare

    held = [0.0]

    def watch() -> None:
        while True:
            held.append(own_mb() or 0.0)
            time.sleep(0.1)

    threading.Thread(target=watch, daemon=True).start()
    corpora = (str(folder), "starter-informal", "starter-general", "starter-pairs")
    with tempfile.TemporaryDirectory() as out:
        prepare(Settings(corpora=corpora), out=Path(out))
    return f"{cpu_seconds():.1f} CPU s, {peak_mb():,.0f} MB at most, {max(held):,.0f} of them not mapped files"


if __name__ == "__main__":
    if Path(sys.argv[1]).exists():
        print(measure(Path(sys.argv[1])))
    else:
        write(Path(sys.argv[1]), *map(int, sys.argv[2:]))
