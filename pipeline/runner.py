"""Walks the story for every arm and seed: reuses what the store has, makes what it has not, says what it does."""

from __future__ import annotations

import errno
import logging
import shutil
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.errors import InputError
from pipeline.files import remove
from pipeline.fingerprint import Identity
from pipeline.plan import Known, Plan, by_run, why_run
from pipeline.stage import Run, Stage, StageSettings
from pipeline.store import Artifact, DamagedError, Store

logger = logging.getLogger(__name__)


class StageFailedError(Exception):
    """A stage broke for a reason that is not the user's; the message names the log with the traceback."""


@dataclass(frozen=True)
class Step:
    """One thing that happened in a run, for people to see."""

    stage: Stage
    run: Run | None
    state: Literal["running", "done", "reused", "shared"]
    why: str = ""
    seconds: float = 0.0
    shared_with: Run | None = None


def walk(plan: Plan, last: str | None = None, *, force: bool = False) -> Iterator[Step]:
    """Run the story up to ``last`` (to its end by default), stage by stage over the runs; yield what happens.

    ``force`` makes ``last`` anew, or every stage if none is named.

    Raises:
        InputError: if something that the user gave, or the machine's disk or memory, does not suffice.
        StageFailedError: if a stage breaks; what was finished before stays.
    """
    known: dict[tuple[str, Run | None], Artifact] = {}
    for stage in plan.stages(last):
        seen: dict[str, Run | None] = {}
        for run in plan.runs(stage):
            identity = plan.identify(stage, run, known)
            anew = force and last in {None, stage.name} and identity.fingerprint not in seen
            artifact = None if anew else _find(plan.store, identity)
            if artifact is None:
                why = "forced" if anew else why_run(plan, stage, run, identity)
                yield Step(stage, run, "running", why)
                started = time.monotonic()
                artifact = _make(plan, stage, run, identity, known, anew=anew)
                yield Step(stage, run, "done", why, time.monotonic() - started)
            elif identity.fingerprint in seen:
                yield Step(stage, run, "shared", shared_with=seen[identity.fingerprint])
            else:
                yield Step(stage, run, "reused")
            seen.setdefault(identity.fingerprint, run)
            known[stage.name, run] = artifact
            plan.store.remember(plan.recipe.name, str(run or "all"), stage.name, identity.fingerprint)
    closing = plan.story[-1]
    if closing.collects and (closing.name, None) in known:
        plan.store.point_latest(known[closing.name, None])


def _find(store: Store, identity: Identity) -> Artifact | None:
    """Return the artifact with every byte verified; put a damaged one aside, saying so."""
    stage, fingerprint = identity.stage, identity.fingerprint
    try:
        return store.find(stage, fingerprint, verify=True)
    except DamagedError as damage:
        aside = store.set_aside(stage, fingerprint)
        logger.warning(
            "artifact %s/%s: %s changed on disk; set aside as %s, making it again",
            stage,
            fingerprint[:8],
            damage,
            aside,
        )
        return None


def _make(plan: Plan, stage: Stage, run: Run | None, identity: Identity, known: Known, *, anew: bool) -> Artifact:
    store, settings = plan.store, plan.settings(stage, run)
    scratch = store.scratch(stage.name, identity.fingerprint)
    given: dict[str, Any] = {name: by_run(known, name, run, lambda artifact: artifact.folder) for name in stage.inputs}
    if stage.wants("seed"):
        given["seed"] = identity.seed
    if stage.wants("recipe"):
        given["recipe"] = plan.recipe.name
    started = time.monotonic()
    try:
        if anew or not stage.resumes:
            remove(scratch)
        scratch.mkdir(parents=True, exist_ok=True)
        store.check_room()
        store.note_failure(stage.name, identity.fingerprint, None)
        if stage.wants("cache"):
            given["cache"] = store.root / "cache" / stage.name
            given["cache"].mkdir(parents=True, exist_ok=True)
        stage.function(settings=settings, **given, out=scratch)
        return store.publish(identity.manifest(time.monotonic() - started), stage.makes, stage.may_make)
    except BaseException as error:
        if not stage.resumes:
            remove(scratch)
        if isinstance(error, Exception):
            raise _explained(error, store, stage, settings, identity.fingerprint) from error
        raise


def _explained(
    error: Exception, store: Store, stage: Stage, settings: StageSettings, fingerprint: str
) -> InputError | StageFailedError:
    """Turn whatever broke a stage into one line with the next step, and note it in the store where that can be done."""
    log = store.root / "logs" / f"{stage.name}-{fingerprint[:8]}.log"
    summary = (f"{type(error).__name__}: {error}".splitlines() or [""])[0]
    text = str(error).lower()
    full = getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT} or "no space left" in text
    full = full or "unexpected pos" in text  # what torch.save says of a full disk
    explained: InputError | StageFailedError
    if isinstance(error, InputError):
        explained = error
    elif full or shutil.disk_usage(store.root).free < 1_000_000:
        explained = InputError(
            f"stage {stage.name}: disk full at {store.root}; free some space, then run the same again"
        )
    elif isinstance(error, OSError) and error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        explained = InputError(f"stage {stage.name}: no permission for {error.filename}; change it, then run the same")
    elif isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text:
        lower = " or ".join(f"{stage.name}.{name}" for name in type(settings).model_fields if "batch" in name)
        explained = InputError(f"stage {stage.name}: out of memory; lower {lower or 'its settings'}, or free some")
    else:
        explained = StageFailedError(f"stage {stage.name}: {summary}; the traceback is in {log}")
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(traceback.format_exc(), "utf-8")
        store.note_failure(stage.name, fingerprint, str(explained).removeprefix(f"stage {stage.name}: "))
    except OSError:
        logger.warning("could not write %s", log)
    return explained
