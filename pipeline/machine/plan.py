"""What is to be run under which settings, and where each stage stands: up to date, or why not."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pipeline.common.errors import InputError
from pipeline.common.validation import nearest
from pipeline.machine.fingerprint import Identity, chosen_settings, differences, digest_reads, identify
from pipeline.machine.lock import holder
from pipeline.machine.recipe import Recipe
from pipeline.machine.stage import Run, Stage, StageSettings
from pipeline.machine.store import Artifact, DamagedError, Store


@dataclass(frozen=True)
class Plan:
    """What is to be run, under which settings, and where the results are kept."""

    story: Sequence[Stage]
    recipe: Recipe
    store: Store
    arms: Sequence[str] = ()
    """Only these arms; none named means all. With a choice of arms, stages that collect every run are left out."""
    _reads: dict[str, dict[str, str]] = field(default_factory=dict)

    def stages(self, last: str | None = None) -> list[Stage]:
        """The stages in order; with ``last``, that one and those it needs.

        Raises:
            InputError: if there is no such stage, or it collects all arms and only some were chosen.
        """
        names = [stage.name for stage in self.story]
        if last is not None and last not in names:
            raise InputError(f"stage {last}: unknown; {nearest(last, names)}")
        needed = set(names) if last is None else {last}
        for stage in reversed(self.story):
            if stage.name in needed:
                needed.update(stage.inputs)
                if last == stage.name and stage.collects and self.arms:
                    raise InputError(f"stage {last}: looks at all arms at once; run it without --arm")
        return [stage for stage in self.story if stage.name in needed and not (stage.collects and self.arms)]

    @property
    def closing(self) -> Stage | None:
        """The last stage that looks at all runs: what it makes is ``latest``."""
        return next((stage for stage in reversed(self.story) if stage.collects), None)

    def runs(self, stage: Stage) -> list[Run | None]:
        """The runs a stage is made for, in ladder order; None stands for all of them at once."""
        for arm in self.arms:
            if arm not in self.recipe.arms:
                raise InputError(f"arm {arm}: unknown in recipe {self.recipe.name}; {nearest(arm, self.recipe.arms)}")
        every = [run for run in self.recipe.runs if not self.arms or run.arm in self.arms]
        return [None] if stage.collects else list(every)

    def settings(self, stage: Stage, run: Run | None) -> StageSettings:
        """The settings of a stage in this run."""
        return self.recipe.arms[run.arm][stage.name].of_seed(run.seed) if run else self.recipe.shared[stage.name]

    def sources(self, run: Run | None) -> Sequence[Run]:
        """The runs whose artifacts are read in this run."""
        return self.recipe.runs if run is None else [run]

    def piece(self, stage: Stage, run: Run | None) -> Hashable:
        """The same for runs that share an artifact of a stage, as far as settings tell."""
        inputs = [each for each in self.story if each.name in stage.inputs] if run else []
        settings, seed = self.settings(stage, run), run.seed if run and stage.wants("seed") else None
        own = f"{chosen_settings(settings)} {stage.reads(settings)}"
        return stage.name, own, seed, *(self.piece(each, run) for each in inputs)

    def waits_for(self, stage: Stage, run: Run | None, known: Known) -> str:
        """The first of a stage's inputs that is not there yet in this run; empty where all are."""
        return next((name for name in stage.inputs if any((name, each) not in known for each in self.sources(run))), "")

    def inputs(self, stage: Stage, run: Run | None, known: Known, take: Callable[[Artifact], Any]) -> dict[str, Any]:
        """Something of each input's artifact; of every run's, in ladder order, where all are collected."""
        if run is not None:
            return {name: take(known[name, run]) for name in stage.inputs}
        return {name: {each: take(known[name, each]) for each in self.recipe.runs} for name in stage.inputs}

    def check(self, last: str | None = None) -> None:
        """Let every stage object to the settings of every arm. Raises InputError with all they say."""
        problems: dict[str, dict[str, None]] = {}
        for ask, arms in (each for stage in self.stages(last) for each in self._checks(stage)):
            try:
                ask()
            except InputError as problem:
                problems.setdefault(str(problem), {}).update(dict.fromkeys(arms))
        every = set(self.arms or self.recipe.arms)
        who = {text: "" if set(arms) == every else f", {', '.join(arms)}" for text, arms in problems.items()}
        if problems:
            raise InputError("\n".join(f"recipe {self.recipe.name}{arms}: {text}" for text, arms in who.items()))

    def _checks(self, stage: Stage) -> Iterator[tuple[Callable[[], object], list[str]]]:
        """What a stage is to be asked, and of which arms."""
        if stage.collects:
            every, shared = list(self.recipe.arms), self.recipe.shared
            yield partial(stage.check_arms, shared[stage.name], every), every
            yield partial(stage.check, shared), every
        alike: dict[str, list[str]] = {}
        for arm in dict.fromkeys(run.arm for run in self.runs(stage) if run):
            yield partial(stage.check, self.recipe.arms[arm]), [arm]
            alike.setdefault(self.recipe.arms[arm][stage.name].model_dump_json(), []).append(arm)
        for arms in alike.values():
            yield partial(stage.look, self.recipe.arms[arms[0]][stage.name]), arms

    def identify(self, stage: Stage, run: Run | None, known: Known) -> Identity:
        """Identity of a stage in this run, given the artifacts of all its inputs."""
        settings = self.settings(stage, run)
        key = f"{stage.name} {settings.model_dump_json()}"
        if key not in self._reads:
            self._reads[key] = digest_reads(stage, settings)
        inputs = self.inputs(stage, run, known, lambda artifact: artifact.digest)
        if run is None:
            inputs = {name: {str(each): digest for each, digest in made.items()} for name, made in inputs.items()}
        reads = self._reads[key] | ({"recipe": self.recipe.called} if stage.wants("recipe") else {})
        return identify(stage, settings, run.seed if run else None, reads, inputs)


Known = Mapping[tuple[str, Run | None], Artifact]
"""Artifacts by stage and run."""


@dataclass(frozen=True)
class Standing:
    """Where one stage stands in one run."""

    stage: Stage
    run: Run | None
    why: str
    """Empty if the artifact is there and up to date, otherwise why it is not."""
    artifact: Artifact | None = None


def survey(plan: Plan, last: str | None = None) -> list[Standing]:
    """Say for each stage (up to ``last``) and run whether it is up to date, by presence and sizes; change nothing."""
    known: dict[tuple[str, Run | None], Artifact] = {}
    standings = []
    for stage in plan.stages(last):
        for run in plan.runs(stage):
            waits = plan.waits_for(stage, run, known)
            if waits:
                standings.append(Standing(stage, run, f"waits for {waits}"))
                continue
            identity = plan.identify(stage, run, known)
            standing = _stand(plan, stage, run, identity)
            if standing.artifact:
                known[stage.name, run] = standing.artifact
            standings.append(standing)
    return standings


def _stand(plan: Plan, stage: Stage, run: Run | None, identity: Identity) -> Standing:
    try:
        artifact = plan.store.find(stage.name, identity.fingerprint, verify=False)
    except DamagedError as damage:
        return Standing(stage, run, f"damaged: {damage}")
    why = "" if artifact else why_run(plan, stage, run, identity)
    if why.startswith("interrupted") and holder(plan.store.lock(stage.name, identity.fingerprint)):
        why = "running now"
    return Standing(stage, run, why, artifact)


def why_run(plan: Plan, stage: Stage, run: Run | None, identity: Identity) -> str:
    """Why a stage has to run: what went wrong last time, or what differs from what this run last used."""
    failure = plan.store.failure(stage.name, identity.fingerprint)
    if failure:
        return f"failed: {failure}"
    if plan.store.scratch(stage.name, identity.fingerprint).is_dir():
        return "interrupted, will resume" if stage.resumes else "interrupted, will start over"
    runs = plan.store.runs(plan.recipe.name)
    same_arm = [used for name, used in runs.items() if run and name.startswith(f"{run.arm}#")]
    for used in [runs.get(str(run or "all"), {}), *same_arm]:
        last = plan.store.manifest(stage.name, used.get(stage.name, "none"))
        if last:
            return (
                "; ".join(differences(last, identity)) or "fingerprinted otherwise, by another version of the machine"
            )
    return "never run"
