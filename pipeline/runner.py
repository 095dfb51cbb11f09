"""Walks the story for every arm and seed: reuses what the store has, makes what it has not, says what it does."""

from __future__ import annotations

import errno
import logging
import multiprocessing
import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.crew import Crew
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


@dataclass(frozen=True)
class Task:
    """An artifact to be made, with all that it takes: what a process of its own is handed."""

    store: Store
    stage: Stage
    settings: StageSettings
    identity: Identity
    given: Mapping[str, Any]
    """What the stage's function is called with, beside its settings and folders."""
    anew: bool
    """Whether to start over where an earlier attempt was interrupted."""
    why: str
    run: Run | None


def walk(
    plan: Plan,
    last: str | None = None,
    *,
    force: bool = False,
    jobs: int = 1,
    settle_in: Callable[[], None] | None = None,
) -> Iterator[Step]:
    """Run the story up to ``last`` (to its end by default), stage by stage over the runs; yield what happens.

    Args:
        force: make ``last`` anew, or every stage if none is named.
        jobs: how many runs of a stage are made side by side, each in a process of its own; what they make is the same.
        settle_in: called first in each of those processes; a function of a module.

    Raises:
        InputError: if something that the user gave, or the machine's disk or memory, does not suffice.
        StageFailedError: if a stage breaks; what was finished before stays.
    """
    known: dict[tuple[str, Run | None], Artifact] = {}
    with Crew(jobs, settle_in) as crew:
        for stage in plan.stages(last):
            yield from _advance(plan, stage, known, crew, force=force and last in {None, stage.name})
    closing = plan.story[-1]
    if closing.collects and (closing.name, None) in known:
        plan.store.point_latest(known[closing.name, None])


def _advance(
    plan: Plan, stage: Stage, known: dict[tuple[str, Run | None], Artifact], crew: Crew, *, force: bool
) -> Iterator[Step]:
    """Make or find a stage's artifact for every run, and add it to ``known``."""
    identities = {run: plan.identify(stage, run, known) for run in plan.runs(stage)}
    first: dict[str, Run | None] = {}
    found: dict[str, Artifact] = {}
    tasks: dict[str, Task] = {}
    for run, identity in identities.items():
        if first.setdefault(identity.fingerprint, run) != run:
            continue
        artifact = None if force else _find(plan.store, identity)
        if artifact is None:
            why = "forced" if force else why_run(plan, stage, run, identity)
            tasks[identity.fingerprint] = _task(plan, stage, run, identity, known, anew=force, why=why)
        else:
            found[identity.fingerprint] = artifact
    made = crew.do(_make, list(tasks.values()))
    for run, identity in identities.items():
        name = identity.fingerprint
        if name not in found:
            yield Step(stage, run, "running", tasks[name].why)
            found[name] = next(made)
            yield Step(stage, run, "done", tasks[name].why, found[name].manifest["seconds"])
        elif first[name] != run:
            yield Step(stage, run, "shared", shared_with=first[name])
        else:
            yield Step(stage, run, "reused")
        known[stage.name, run] = found[name]
        plan.store.remember(plan.recipe.name, str(run or "all"), stage.name, name)


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


def _task(plan: Plan, stage: Stage, run: Run | None, identity: Identity, known: Known, *, anew: bool, why: str) -> Task:
    given: dict[str, Any] = {name: by_run(known, name, run, lambda artifact: artifact.folder) for name in stage.inputs}
    if stage.wants("seed"):
        given["seed"] = identity.seed
    if stage.wants("recipe"):
        given["recipe"] = plan.recipe.name
    return Task(plan.store, stage, plan.settings(stage, run), identity, given, anew, why, run)


def _make(task: Task) -> Artifact:
    store, stage, identity, given = task.store, task.stage, task.identity, dict(task.given)
    multiprocessing.current_process().name = f"{stage.name} {task.run or ''}".strip()  # what progress bars call it
    scratch = store.scratch(stage.name, identity.fingerprint)
    started = time.monotonic()
    try:
        if task.anew or not stage.resumes:
            remove(scratch)
        scratch.mkdir(parents=True, exist_ok=True)
        store.check_room()
        store.note_failure(stage.name, identity.fingerprint, None)
        if stage.wants("cache"):
            given["cache"] = store.root / "cache" / stage.name
            given["cache"].mkdir(parents=True, exist_ok=True)
        stage.function(settings=task.settings, **given, out=scratch)
        return store.publish(identity.manifest(time.monotonic() - started), stage.makes, stage.may_make)
    except BaseException as error:
        if not stage.resumes:
            remove(scratch)
        if isinstance(error, Exception):
            raise _explained(error, store, stage, task.settings, identity.fingerprint) from error
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
