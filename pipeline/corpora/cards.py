"""A data card: the README.md of a corpus, whose front matter says where its rows are and what they mean.

The form is the Hugging Face Hub's dataset card; what the Hub has no word for stands under the one key ``retone``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.common import program
from pipeline.common.errors import InputError
from pipeline.common.files import read_whole
from pipeline.common.labels import LABELS
from pipeline.common.languages import ENGLISH, languages
from pipeline.common.validation import near
from pipeline.common.yaml import LARGEST_BYTES, split_front_matter
from pipeline.corpora.card_files import Reading, card_files, reading, sole_config
from pipeline.corpora.cells import as_number
from pipeline.corpora.schema import COLUMNS, SHIPPED, Hub, Role, Split, own_section

__all__ = ["CARDS", "SHIPPED", "Card", "Hub", "Reading", "Role", "Split", "load_card", "load_cards", "need"]

CARDS = Path("data_cards")
"""Where cards are looked for by name, relative to the working directory; then among those that ship."""


@dataclass(frozen=True)
class Card:
    """A card that was read and checked; its files exist and lie where they may."""

    name: str
    folder: Path
    pretty_name: str
    role: Role
    columns: Mapping[str, str | tuple[str, ...]]
    """Our name of a column -> the file's name for it; of text, maybe several, which are read as one."""
    classes: Mapping[str, int | None]
    """A label as written in the file -> class id, or None where the card says to drop it. Empty but for reviews."""
    files: Mapping[Split, tuple[Path, ...]]
    reading: Reading
    hub: Hub | None
    identity: str
    """What of the front matter can change the result, in one normal form: prose and comments are not in it."""
    licence: str | None = None
    """As the front matter says under ``license``; None: not stated."""
    languages: tuple[str, ...] = ENGLISH
    """Codes, as the front matter says under ``language``."""
    cuts: tuple[float, float] | None = None
    """For labels on a scale: below the first is negative, above the second positive, else neutral."""

    def class_of(self, label: str) -> int | None:
        """Class id of a label as it is written, None where the card says to drop it; KeyError: it belongs nowhere."""
        if self.cuts is None or label in self.classes or (number := as_number(label)) is None:
            return self.classes[label]
        return int(number >= self.cuts[0]) + int(number > self.cuts[1])

    def reads(self) -> dict[str, str | Path]:
        """What a result made from this card depends on: the literal identity, and each data file."""
        files = {f"{self.name}/{self.key(path)}": path for paths in self.files.values() for path in paths}
        return {f"card {self.name}": self.identity, **files}

    def key(self, path: Path) -> str:
        """Short name of a data file, the same on every machine: its path below the folder all of them share."""
        everything = [path for paths in self.files.values() for path in paths]
        if len({path.name for path in everything}) == len(everything):
            return path.name
        return path.relative_to(_common_folder(everything)).as_posix()


def _common_folder(paths: list[Path]) -> Path:
    folder = paths[0].parent
    while not all(path.is_relative_to(folder) for path in paths):
        folder = folder.parent
    return folder


def load_card(folder: Path, data_root: Path | None = None) -> Card:
    """Read and check ``folder/README.md``; ``data_root`` is where data that lies elsewhere may be found.

    Raises InputError that names the card, the key and the next step. Reads no data.
    """
    place = f"card {folder.resolve().name}"
    front = _front_matter(folder, place)
    own = own_section(front, place)
    config = {} if own.hub else sole_config(front, place)
    identity = {name: front.get(name) for name in ("pretty_name", "license", "retone")} | {"config": config}
    spoken = languages(front.get("language")) or ENGLISH
    if spoken != ENGLISH:
        identity["language"] = spoken
    return Card(
        name=folder.resolve().name,
        folder=folder,
        pretty_name=str(front.get("pretty_name") or folder.resolve().name),
        role=own.role,
        columns={name: own.columns.get(name, name) for name in COLUMNS[own.role]},
        classes={value: LABELS.index(label) for label, values in own.labels.items() for value in values}
        | dict.fromkeys(own.drop),
        files=dict(card_files(config, folder, data_root, place)),
        reading=reading(config, place),
        hub=own.hub,
        identity=json.dumps(identity, sort_keys=True, ensure_ascii=False, default=str),
        licence=licence(front),
        languages=spoken,
        cuts=own.cuts,
    )


def licence(front: Mapping[str, Any]) -> str | None:
    """What a card's front matter says under ``license``: an identifier, or several with commas between."""
    found = front.get("license")
    names = found if isinstance(found, list) else [found]
    return ", ".join(str(name) for name in names if name) or None


def _front_matter(folder: Path, place: str) -> dict[str, Any]:
    path = folder / "README.md"
    try:
        text = read_whole(path, LARGEST_BYTES).decode()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{place}: no README.md in {folder}; `{program.name()} new-card FILE` drafts one") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{place}: README.md is not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"{place}: README.md cannot be read ({error.strerror}); check its permissions") from None
    front, _ = split_front_matter(text, f"{place}, README.md")
    languages = front.get("language")
    if any(isinstance(language, bool) for language in (languages if isinstance(languages, list) else [languages])):
        raise InputError(f"{place}: language: YAML reads an unquoted no as false; write language: 'no'")
    return front


def load_cards(names: Sequence[str], data_root: Path | None) -> list[Card]:
    """The cards of a recipe: a folder's name under ``data_cards/``, a path, or a name that ships. Raises InputError."""
    found: dict[str, Card] = {}
    for name in names:
        places = [CARDS / name, Path(name), SHIPPED / name] if len(Path(name).parts) == 1 else [Path(name)]
        folder = next((place for place in places if place.is_dir()), None)
        if folder is None:
            there = sorted({path.parent.name for place in (CARDS, SHIPPED) for path in place.glob("*/README.md")})
            meant = f"did you mean {close}? " if (close := near(Path(name).name, there)) else ""
            raise InputError(
                f"corpus {name}: no folder {CARDS / name} and none at {name}; {meant}"
                f"there are {', '.join(there) or f'no cards in {CARDS}'}"
            )
        card = load_card(folder, data_root)
        if card.name in found:
            raise InputError(f"corpus {card.name}: two cards have this name; rename one folder")
        found[card.name] = card
    return list(found.values())


def need(roles: Sequence[Role], why: str, names: Sequence[str], data_root: Path | None) -> None:
    """Raise InputError, with the reason and what to add, unless one of a recipe's cards has one of the roles."""
    if not {card.role for card in load_cards(names, data_root)} & set(roles):
        raise InputError(
            f"prepare.corpora: {why}, and none of {', '.join(names)} has the role {' or '.join(roles)}; add a card "
            f"that has, such as starter-{roles[0]} (`{program.name()} new-card FILE` drafts one of yours)"
        )
