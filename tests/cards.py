"""Cards written on the spot for tests."""

from __future__ import annotations

from pathlib import Path

REVIEWS = "role: reviews, labels: {negative: [1, 2], neutral: [3], positive: [4, 5]}, columns: {label: stars}"


def write_card(folder: Path, data_files: str, own: str, body: str = "", extra: str = "") -> Path:
    """Write ``folder/README.md`` with this ``data_files`` and this content of ``retone``; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    front = f"configs: [{{config_name: default, data_files: {data_files}}}]\nretone: {{{own}}}\n"
    (folder / "README.md").write_text(f"---\npretty_name: Toy\n{extra}{front}---\n{body}", encoding="utf-8")
    return folder


def write_reviews(folder: Path, per_class: int = 10, **files: str) -> Path:
    """Write a card with ``reviews.csv``: ``per_class`` texts of each class, all different."""
    lines = ["text,stars"]
    for stars, word in ((1, "awful"), (3, "plain"), (5, "lovely")):
        lines += [
            f"the {word} teapot of shop number {number} {word * (number % 4)},{stars}" for number in range(per_class)
        ]
    card = write_card(folder, "reviews.csv", REVIEWS)
    (folder / "reviews.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    return card
