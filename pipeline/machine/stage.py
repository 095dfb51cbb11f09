"""What a stage is: settings, one function whose signature is the contract, and a declaration."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self, cast, get_type_hints

from pipeline.common.settings import Group, declared


class StageSettings(Group):
    """Base of every stage's settings."""

    def of_seed(self, seed: int) -> Self:  # noqa: ARG002
        """As they are in runs of a seed of the recipe: the same, unless a stage has it otherwise."""
        return self


class Run(NamedTuple):
    """One arm with one seed: what a single pass through the story is made for."""

    arm: str
    seed: int

    def __str__(self) -> str:
        return f"{self.arm}#{self.seed}"


Arms = Mapping[Run, Path]
"""Input of a stage that looks at every run at once (report): the artifact folder of each."""

Reads = Mapping[str, str | Path]
"""What a stage reads from outside the store: a label, and a file (hashed by content) or a literal text."""


HANDED = ("seed", "recipe", "cache", "out")
"""What a stage's function can be handed beside its settings and its inputs."""


def _reads_nothing(_: Any) -> Reads:
    return {}


def _objects_to_nothing(*_: Any) -> None:
    return


@dataclass(frozen=True)
class Stage:
    """The declaration of a stage.

    The keyword parameters of ``function`` are the contract: ``settings``; the names of earlier stages (a ``Path`` each,
    or ``Arms`` to collect every run's); ``seed: int`` if the result depends on the run's seed; ``recipe: str``, what
    to type for the recipe, if the result says it; ``cache: Path``, a folder shared by all runs that may vanish at any
    time; ``out: Path``, the only place it may write to.
    """

    name: str
    """Also the recipe's section, the Make target and the folder in the store. Two stages may share one function."""
    function: Callable[..., None]
    makes: tuple[str, ...]
    """Files and folders under ``out`` that are the result; anything else there is dropped when it is published."""
    may_make: tuple[str, ...] = ()
    """The same for what only some settings give (an adapter, say): published where it exists."""
    version: int = 1
    """Raise it when the code changes what the same settings and inputs give."""
    reads: Callable[[Any], Reads] = _reads_nothing
    check: Callable[[Mapping[str, Any]], None] = _objects_to_nothing
    """Given the settings of every stage in an arm, by name, before anything runs: raises InputError for what is bound
    to fail in this stage, so that nobody waits for stages before it."""
    check_arms: Callable[[Any, Sequence[str]], object] = _objects_to_nothing
    """The same of a stage that collects every run: given its settings and the names of all arms."""
    look: Callable[[Any], None] = _objects_to_nothing
    """The same of its own settings, and of what they name, which it may look into: once for arms that share them."""
    tell: Callable[[Path], Sequence[str]] | None = None
    """Given its artifact, what people are shown below the stage's line when it was newly made. A stage that has such
    news is run as soon as its inputs are there, before others that could be."""
    tell_once: bool = False
    """The news is of what was made, not of an arm: of those that share it, the first has the line."""
    resumes: bool = False
    """After a failure ``out`` is kept, and handed again to the next run with the same fingerprint."""

    def __post_init__(self) -> None:
        unread = declared(self.settings_type, "by_content") if self.reads is _reads_nothing else set()
        if unread:
            raise TypeError(f"stage {self.name}: {', '.join(sorted(unread))} counts by content, which no reads tells")

    @property
    def title(self) -> str:
        """The first line of the stage module's docstring."""
        module = inspect.getmodule(self.function)
        return ((module.__doc__ if module else None) or self.name).strip().splitlines()[0]

    @property
    def settings_type(self) -> type[StageSettings]:
        """The pydantic model of the stage's section in a recipe."""
        return cast("type[StageSettings]", self._parameters()["settings"])

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the stages whose artifacts this one reads, in the order of the signature."""
        return tuple(name for name in self._parameters() if name not in {"settings", *HANDED})

    @property
    def collects(self) -> bool:
        """Whether it runs once for all arms and seeds."""
        return any(self._parameters()[name] == Arms for name in self.inputs)

    def wants(self, name: str) -> bool:
        """Whether the function takes the optional parameter ``seed``, ``recipe`` or ``cache``."""
        return name in self._parameters()

    def _parameters(self) -> dict[str, Any]:
        hints = get_type_hints(self.function)
        return {name: hints[name] for name in inspect.signature(self.function).parameters}
