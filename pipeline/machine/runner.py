"""Walks the story for every arm and seed: reuses what the store has, makes what it has not, says what it does."""

from __future__ import annotations

import errno
import logging
import multiprocessing
import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.common.errors import InputError
from pipeline.common.files import remove
from pipeline.machine.fingerprint import Identity, digest_reads
from pipeline.machine.lock import hold, this_run
from pipeline.machine.plan import Plan, why_run
from pipeline.machine.recipe import NO_CHANGES, Recipe, load_recipe
from pipeline.machine.stage import Run, Stage, StageSettings
from pipeline.machine.store import STORE, Artifact, DamagedError, Store
from pipeline.machine.workers import Workers
from pipeline.machine.workers.local import LocalProcesses

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
    folder: Path | None = None
    """The artifact's, once it is there."""
    made: bool = False
    """Whether it was made now, for this run or the one it is shared with."""


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
    command: str
    """What other runs are told of whoever makes it."""
    by: Mapping[str, Any]
    """The run that it is made for, wherever that is done."""


Artifacts = Mapping[str, Mapping[Run | None, Path]]
"""Folders by stage and run: ``made["evaluate"]["full", 0]``; ``made["report"][None]`` of a stage that looks at all."""


def run(
    story: Sequence[Stage],
    recipe: Recipe | str | Path,
    changes: Mapping[str, Any] = NO_CHANGES,
    until: str | None = None,
    *,
    arms: Sequence[str] = (),
    store: Path = STORE,
    force: bool = False,
    workers: Workers | None = None,
    observer: Callable[[Step], None] = lambda _: None,
    command: str = "",
    by: Mapping[str, Any] | None = None,
) -> Artifacts:
    """Run a recipe with changes to its end or until a stage: ``run(STORY, "quick", {"finetune.batch_size": 16})``.

    Args:
        changes: values by path, as if the recipe were edited there: what ``--set`` gives.
        until: the last stage; with it only what it needs is run.
        observer: told whatever happens.

    The others, and what is raised: see ``load_recipe``, ``Plan`` and ``walk``.
    """
    plan = Plan(story, load_recipe(recipe, story, changes), Store(store), arms)
    plan.check(until)
    found: dict[str, dict[Run | None, Path]] = {}
    for step in walk(plan, until, force=force, workers=workers, command=command, by=by):
        if step.folder:
            found.setdefault(step.stage.name, {})[step.run] = step.folder
        observer(step)
    return found


def walk(
    plan: Plan,
    last: str | None = None,
    *,
    force: bool = False,
    workers: Workers | None = None,
    command: str = "",
    by: Mapping[str, Any] | None = None,
) -> Iterator[Step]:
    """Run the story up to ``last`` (to its end by default) for every run; yield what happens.

    A stage of a run is begun when its inputs are there: stages with news first, then in the order of the story and of
    the ladder.

    Args:
        force: make ``last`` anew, or every stage if none is named.
        workers: who makes them, one or several side by side (by default this process); what they make is the same.
        command: what other runs are told this one is, where they wait for what it makes.
        by: ``lock.this_run`` of the process that it is done for; None: this one.

    Raises:
        InputError: if something that the user gave, or the machine's disk or memory, does not suffice.
        StageFailedError: if a stage breaks; what was finished before stays.
    """
    scheduler = _Scheduler(plan, last, force, command or f"recipe {plan.recipe.name}", by)
    with workers or LocalProcesses() as team:
        while True:
            yield from scheduler.resolve()
            team.begin(_make, scheduler.next_tasks(team.free))
            if not team.pending:
                break
            oldest: Task = team.pending[0]
            yield Step(oldest.stage, oldest.run, "running", oldest.why)
            for task, (artifact, made) in team.finished():
                yield from scheduler.complete(task, artifact, made=made)
    if plan.closing and (made := scheduler.known.get((plan.closing.name, None))):
        plan.store.point_latest(made)


class _Scheduler:
    """Each stage of each run: what is known of it, what can be made next, and what waits for its inputs."""

    def __init__(
        self, plan: Plan, last: str | None, force: bool, command: str, by: Mapping[str, Any] | None = None
    ) -> None:
        stages = plan.stages(last)
        self.plan, self.command, self.by = plan, command, by or this_run()
        self.forced = {stage.name for stage in stages if force and last in {None, stage.name}}
        urgent = sorted(stages, key=lambda stage: stage.tell is None)  # news first, then the order of the story
        self.waiting = [(stage, run) for stage in urgent for run in plan.runs(stage)]
        self.order = [(stage.name, run) for stage, run in self.waiting]
        self.known: dict[tuple[str, Run | None], Artifact] = {}
        self.found: dict[str, tuple[Run | None, Artifact, bool]] = {}
        """By fingerprint: for which run an artifact was found or made first, and whether it was made."""
        self.sharing: dict[str, list[Run | None]] = {}
        """By fingerprint of what is being made, or to be made: the other runs that it will serve."""
        self.tasks: list[Task] = []

    def resolve(self) -> Iterator[Step]:
        """Take in what the store has of everything whose inputs are there; what it has not becomes a task."""
        while place := next((each for each in self.waiting if not self.plan.waits_for(*each, self.known)), None):
            self.waiting.remove(place)
            stage, run = place
            identity = self.plan.identify(stage, run, self.known)
            name = identity.fingerprint
            if name in self.sharing:
                self.sharing[name].append(run)
            elif name in self.found:
                yield self._shared(stage, run, name)
            elif artifact := self._find(stage, run, identity):
                self._take_in(stage, run, name, artifact, made=False)
                yield Step(stage, run, "reused", folder=artifact.folder)

    def next_tasks(self, most: int) -> list[Task]:
        """The next tasks to begin."""
        self.tasks.sort(key=lambda task: self.order.index((task.stage.name, task.run)))
        given, self.tasks = self.tasks[:most], self.tasks[most:]
        return given

    def complete(self, task: Task, artifact: Artifact, *, made: bool) -> Iterator[Step]:
        """Note what a task has made, or another run meanwhile, also for the runs that share it."""
        name = task.identity.fingerprint
        self._take_in(task.stage, task.run, name, artifact, made=made)
        if made:
            seconds = artifact.manifest["seconds"]
            yield Step(task.stage, task.run, "done", task.why, seconds, folder=artifact.folder, made=True)
        else:
            yield Step(task.stage, task.run, "reused", folder=artifact.folder)
        for run in self.sharing.pop(name):
            yield self._shared(task.stage, run, name)

    def _find(self, stage: Stage, run: Run | None, identity: Identity) -> Artifact | None:
        """The artifact with every byte verified; where there is none, it becomes a task."""
        artifact, why = None, ""
        try:
            if stage.name not in self.forced:
                artifact = self.plan.store.find(stage.name, identity.fingerprint, verify=True)
        except DamagedError as damage:
            why = f"damaged: {damage}"
        if artifact is None:
            self.tasks.append(self._task(stage, run, identity, why))
            self.sharing[identity.fingerprint] = []
        return artifact

    def _task(self, stage: Stage, run: Run | None, identity: Identity, why: str) -> Task:
        plan, anew = self.plan, stage.name in self.forced
        why = "forced" if anew else why or why_run(plan, stage, run, identity)
        given = plan.inputs(stage, run, self.known, lambda artifact: artifact.folder)
        if stage.wants("seed"):
            given["seed"] = identity.seed
        if stage.wants("recipe"):
            given["recipe"] = plan.recipe.called
        return Task(
            plan.store, stage, plan.settings(stage, run), identity, given, anew, why, run, self.command, self.by
        )

    def _shared(self, stage: Stage, run: Run | None, name: str) -> Step:
        first, artifact, made = self.found[name]
        self._note(stage, run, name, artifact)
        return Step(stage, run, "shared", shared_with=first, folder=artifact.folder, made=made)

    def _take_in(self, stage: Stage, run: Run | None, name: str, artifact: Artifact, *, made: bool) -> None:
        self.found[name] = run, artifact, made
        self._note(stage, run, name, artifact)

    def _note(self, stage: Stage, run: Run | None, name: str, artifact: Artifact) -> None:
        self.known[stage.name, run] = artifact
        self.plan.store.remember(self.plan.recipe.name, str(run or "all"), stage.name, name)


def _make(task: Task) -> tuple[Artifact, bool]:
    """Make the artifact, unless another run has done so meanwhile; with whether it was made here."""
    stage, fingerprint = task.identity.stage, task.identity.fingerprint
    with hold(task.store.lock(stage, fingerprint), task.command, task.by):
        try:
            there = None if task.anew else task.store.find(stage, fingerprint, verify=True)
        except DamagedError as damage:
            there, aside = None, task.store.set_aside(stage, fingerprint)
            what = f"{stage}/{fingerprint[:8]}: {damage}"
            logger.warning("artifact %s changed on disk; set aside as %s, making it again", what, aside)
        return (there, False) if there else (_made(task), True)


def _made(task: Task) -> Artifact:
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
            with suppress(OSError):  # what is remembered costs time where it cannot be, and nothing else
                given["cache"].mkdir(parents=True, exist_ok=True)
        stage.function(settings=task.settings, **given, out=scratch)
        _check_inputs(task, scratch)
        return store.publish(identity.manifest(time.monotonic() - started), stage.makes, stage.may_make)
    except BaseException as error:
        if not stage.resumes:
            remove(scratch)
        if isinstance(error, Exception):
            raise _explained(error, store, stage, task.settings, identity.fingerprint) from error
        raise


def _check_inputs(task: Task, scratch: Path) -> None:
    """Raise InputError where what was read is not what it was; what was made of it is dropped, or would seem fresh."""
    before = task.identity.reads
    for label, now in digest_reads(task.stage, task.settings).items():
        if before[label] != now:
            remove(scratch)
            raise InputError(f"stage {task.stage.name}: {label} was changed while it was read; run the same again")
    for name in task.stage.inputs:
        told, read = task.identity.inputs[name], task.given[name]
        digests = told.values() if isinstance(told, Mapping) else [told]
        for digest, folder in zip(digests, read.values() if isinstance(read, Mapping) else [read], strict=True):
            if (task.store.manifest(name, folder.name) or {}).get("digest") != digest:
                remove(scratch)
                raise InputError(
                    f"stage {task.stage.name}: another run has replaced input {folder} meanwhile; run the same again"
                )


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
