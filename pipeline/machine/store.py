"""Where results are kept: one folder per piece of work, either complete and checked or not there at all.

``<root>/<stage>/<fingerprint>/`` holds the files and, written last, ``manifest.json`` with the digest of each. Work is
done in ``<fingerprint>.partial/`` beside it and published by one rename.
"""

from __future__ import annotations

import errno
import logging
import platform
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from pipeline.common.errors import InputError
from pipeline.common.files import digest, held, read_object, remove, sha256, sync, write_json
from pipeline.machine.fingerprint import fingerprint

STORE = Path("artifacts")
"""Folder of all results, unless a command is given another."""
logger = logging.getLogger(__name__)
LEAST_FREE_BYTES = 300_000_000
LIBRARIES = (
    "torch",
    "transformers",
    "tokenizers",
    "datasets",
    "accelerate",
    "peft",
    "evaluate",
    "scikit-learn",
    "numpy",
    "emoji",
    "ftfy",
)


class DamagedError(Exception):
    """An artifact is not what its manifest says; the message names the file."""


@dataclass(frozen=True)
class Artifact:
    """A published result: its folder and its manifest."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Digest of everything the stage made."""
        return str(self.manifest["digest"])


@dataclass(frozen=True)
class Store:
    """The folder of all artifacts, and the bookkeeping beside them."""

    root: Path
    _verified: set[Path] = field(default_factory=set)

    def folder(self, stage: str, fingerprint: str) -> Path:
        """Where the artifact lies, or would."""
        return self.root / stage / fingerprint[:16]

    def scratch(self, stage: str, fingerprint: str) -> Path:
        """Where the artifact is being made, or was when the work was interrupted."""
        return self.folder(stage, fingerprint).with_suffix(".partial")

    @property
    def locks(self) -> Path:
        """Folder of the locks."""
        return self.root / "locks"

    def lock(self, stage: str, fingerprint: str) -> Path:
        """What is held by whoever makes the artifact."""
        return self.locks / f"{stage}-{fingerprint[:16]}"

    def find(self, stage: str, fingerprint: str, *, verify: bool) -> Artifact | None:
        """Return the artifact, or None if it was never made.

        ``verify`` compares every byte with the digests, once per process; otherwise presence and sizes alone.

        Raises:
            DamagedError: if it is not as it was published.
        """
        folder = self.folder(stage, fingerprint)
        if not folder.is_dir():
            return None
        artifact = Artifact(folder, _read_manifest(folder))
        if folder not in self._verified:
            _check(artifact, digests=verify)
            if verify:
                self._verified.add(folder)
        return artifact

    def manifest(self, stage: str, fingerprint: str) -> Mapping[str, Any] | None:
        """Return an artifact's manifest, whatever has become of its files, or None."""
        try:
            return _read_manifest(self.folder(stage, fingerprint))
        except DamagedError:
            return None

    def set_aside(self, stage: str, fingerprint: str) -> Path:
        """Move a damaged artifact out of the way, where it can be looked at, and return where it is now."""
        folder = self.folder(stage, fingerprint)
        aside = folder.with_suffix(".damaged")
        remove(aside)
        folder.rename(aside)
        return aside

    def publish(self, manifest: Mapping[str, Any], makes: tuple[str, ...], may_make: tuple[str, ...]) -> Artifact:
        """Turn a finished scratch folder into the artifact, keeping only what the stage declares to make.

        Raises:
            FileNotFoundError: if something that the stage declares is missing.
        """
        stage, fingerprint = manifest["stage"], manifest["fingerprint"]
        scratch, folder = self.scratch(stage, fingerprint), self.folder(stage, fingerprint)
        for name in makes:
            if not (scratch / name).exists():
                raise FileNotFoundError(f"stage {stage} declares {name} and did not make it")
        kept = {scratch / name for name in (*makes, *may_make)}
        files = {name: _describe(scratch / name) for name in _files(scratch, kept)}
        for path in set(scratch.iterdir()) - kept:
            remove(path)
        complete = {**manifest, "files": files, "digest": _digest(files), **_surroundings()}
        complete["seal"] = digest(complete)
        write_json(scratch / "manifest.json", complete)
        replaced = folder.with_suffix(".old")
        remove(replaced)
        if folder.exists():
            folder.rename(replaced)
        scratch.rename(folder)
        sync(folder.parent)
        remove(replaced)
        self._verified.add(folder)
        return Artifact(folder, complete)

    def runs(self, recipe: str) -> dict[str, dict[str, str]]:
        """What each run of a recipe last used: run -> stage -> fingerprint."""
        try:
            known = read_object(self.root / "runs" / f"{recipe}.json")
        except (OSError, ValueError):
            return {}
        told = {run: used for run, used in known.items() if isinstance(used, dict)}
        return {run: {name: str(print_) for name, print_ in used.items()} for run, used in told.items()}

    def recipes(self) -> list[str]:
        """Names of the recipes of which it has runs, whole or not; what was noted last comes first."""
        notes = sorted((self.root / "runs").glob("*.json"), key=lambda note: note.stat().st_mtime, reverse=True)
        return [note.stem for note in notes]

    def remember(self, recipe: str, run: str, stage: str, fingerprint: str) -> None:
        """Note that this run of the recipe now uses this artifact."""
        if self.runs(recipe).get(run, {}).get(stage) == fingerprint:
            return
        with self._perhaps("what this run uses is not noted"), held(self.root / "runs" / recipe):
            runs = self.runs(recipe)
            runs.setdefault(run, {})[stage] = fingerprint
            write_json(self.root / "runs" / f"{recipe}.json", runs)

    def failure(self, stage: str, fingerprint: str) -> str | None:
        """How the last attempt at this piece of work failed, if it did."""
        try:
            return self._failure(stage, fingerprint).read_text("utf-8").strip()
        except OSError:
            return None

    def note_failure(self, stage: str, fingerprint: str, problem: str | None) -> None:
        """Keep (or with None forget) how the attempt failed."""
        note = self._failure(stage, fingerprint)
        if problem is None:
            remove(note)
        else:
            note.write_text(problem + "\n", "utf-8")

    def point_latest(self, artifact: Artifact) -> None:
        """Let ``<root>/latest`` lead to this artifact."""
        link, fresh = self.root / "latest", self.root / ".latest"
        if link.is_symlink() and link.readlink() == artifact.folder.relative_to(self.root):
            return
        with self._perhaps("latest does not lead to this run"), held(self.locks / "latest"):
            if link.is_dir() and not link.is_symlink():
                logger.warning("%s is a folder of its own and stays; what was made is %s", link, artifact.folder)
                return
            remove(fresh)
            fresh.symlink_to(artifact.folder.relative_to(self.root), target_is_directory=True)
            fresh.replace(link)

    @contextmanager
    def _perhaps(self, otherwise: str) -> Iterator[None]:
        """Bookkeeping, which a store of others that can only be read does without."""
        try:
            yield
        except OSError as error:
            if error.errno not in {errno.EACCES, errno.EPERM, errno.EROFS}:
                raise
            logger.warning("store %s: cannot be written (%s): %s", self.root, error.strerror, otherwise)

    def check_room(self) -> None:
        """Raise InputError if the disk is nearly full."""
        free = shutil.disk_usage(self.root).free
        if free < LEAST_FREE_BYTES:
            raise InputError(
                f"store {self.root}: the disk is nearly full, {free / 1e6:.0f} MB free and at least "
                f"{LEAST_FREE_BYTES / 1e6:.0f} MB needed; free some, or choose another place with --store"
            )

    def _failure(self, stage: str, fingerprint: str) -> Path:
        return self.folder(stage, fingerprint).with_suffix(".failed")


def check_around(folder: Path) -> None:
    """Raise DamagedError if a folder lies in an artifact that is not as it was published, whoever reads it."""
    for place in folder.resolve().parents:
        if (place / "manifest.json").is_file() and re.fullmatch("[0-9a-f]{16}", place.name):
            _check(Artifact(place, _read_manifest(place)), digests=True)


def _read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an artifact. Raises DamagedError where it is not as it was written, edited by hand included."""
    try:
        manifest = read_object(folder / "manifest.json")
        sealed = digest({name: value for name, value in manifest.items() if name != "seal"})
        whole = (
            manifest.get("seal", sealed) == sealed
            and manifest["digest"] == _digest(manifest["files"])
            and manifest["fingerprint"] == fingerprint(manifest)
            and manifest["fingerprint"].startswith(folder.name)
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise DamagedError("manifest.json")
    return manifest


def _check(artifact: Artifact, *, digests: bool) -> None:
    expected = artifact.manifest["files"]
    for name, facts in expected.items():
        path = artifact.folder / name
        if not path.is_file() or path.stat().st_size != facts["bytes"] or (digests and sha256(path) != facts["sha256"]):
            raise DamagedError(name)
    present = {path.relative_to(artifact.folder).as_posix() for path in artifact.folder.rglob("*") if path.is_file()}
    for name in sorted(present - set(expected) - {"manifest.json"}):
        if not Path(name).name.startswith("."):
            raise DamagedError(name)


def _files(folder: Path, kept: Iterable[Path]) -> list[str]:
    """Names, relative to the folder and sorted, of all files that are kept or lie in a kept folder."""
    files = set()
    for path in kept:
        for file in path.rglob("*") if path.is_dir() else [path]:
            if file.is_symlink():
                raise ValueError(f"{file} is a link, and would not travel with the artifact")
            if file.is_file():
                files.add(file.relative_to(folder).as_posix())
    return sorted(files)


def _describe(path: Path) -> dict[str, Any]:
    path.chmod(path.parent.stat().st_mode & 0o666)  # by the umask: safetensors come out readable by their owner alone
    sync(path)
    return {"sha256": sha256(path), "bytes": path.stat().st_size}


def _digest(files: Mapping[str, Mapping[str, Any]]) -> str:
    return digest({name: facts["sha256"] for name, facts in files.items()})


def _surroundings() -> dict[str, Any]:
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "libraries": versions,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
