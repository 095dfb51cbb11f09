"""A recipe: every setting of every stage, checked before anything runs, for each arm that is compared.

One section per stage; ``arms`` says how each arm differs from the recipe itself; ``extends`` takes another recipe and
changes only what is written; ``arms: {ARM: null}`` takes one of its arms out; ``search`` says which settings may be
searched (``space.py``). A change, path to value, does as if the recipe were edited at that path: what
``--set PATH=VALUE`` gives.
"""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import ValidationError

from pipeline.common.errors import InputError
from pipeline.common.validation import explain, near, nearest, settings_of
from pipeline.common.yaml import as_plain, parse, read_mapping
from pipeline.machine import space
from pipeline.machine.stage import Run, Stage, StageSettings

logger = logging.getLogger(__name__)

SHIPPED = Path(__file__).parents[1] / "recipes"
CHANGE_FORM = "not of the form stage.key=value; for one arm, arms.ARM.stage.key=value"
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

Settings = Mapping[str, StageSettings]
"""The validated settings of every stage, by stage name."""


@dataclass(frozen=True)
class Recipe:
    """A checked recipe. Arms are in ladder order."""

    name: str
    seeds: tuple[int, ...]
    shared: Settings
    """As the recipe's own sections say; stages that run once for all arms take these."""
    arms: Mapping[str, Settings]
    file: Path
    changes: Mapping[str, Any]
    """What it was loaded from."""
    search: space.Search

    @property
    def called(self) -> str:
        """What to type for it, here: its name where that is found by it, else its file, never by an absolute path."""
        found = named(self.name)
        if "name" in self.changes or (found and found.resolve() == self.file.resolve()):
            return self.name
        below = self.file.resolve().is_relative_to(Path.cwd())
        return self.file.resolve().relative_to(Path.cwd()).as_posix() if below else self.file.name

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every arm with every seed, in ladder order."""
        return tuple(Run(arm, seed) for arm in self.arms for seed in self.seeds)


class _Draft(NamedTuple):
    """A recipe as written, not checked yet, and the places that its values come from, the strongest first."""

    content: dict[str, Any]
    places: list[tuple[str, dict[str, Any]]]

    def place(self, keys: Sequence[Any]) -> str:
        """Where the value at these keys was written."""
        for place, content in self.places:
            inner: Any = content
            for key in keys:
                inner = inner.get(key, ...) if isinstance(inner, dict) else ...
            if inner is not ...:
                return place
        return self.places[0][0]

    def problem(self, keys: Sequence[Any], text: str) -> str:
        return f"{self.place(keys)}: {'.'.join(map(str, keys))}: {text}"


NO_CHANGES: Mapping[str, Any] = MappingProxyType({})


def load_recipe(recipe: str | Path | Recipe, story: Sequence[Stage], changes: Mapping[str, Any] = NO_CHANGES) -> Recipe:
    """Read a recipe file (or one that ships, by name; or a loaded one anew), apply changes, and check everything.

    Args:
        changes: values by path, such as ``{"finetune.learning_rate": 5e-5, "arms.naive.tokenizer.emoji": "all"}``.

    Raises:
        InputError: with all problems at once, each naming the key, the place and what is allowed.
    """
    if isinstance(recipe, Recipe):
        return load_recipe(recipe.file, story, {**recipe.changes, **changes})
    file = _find(recipe)
    draft = _Draft({}, list(_chain(file)))
    draft.content.update(_merged(content for _, content in reversed(draft.places)))
    _mention_slips(draft.places)
    problems: list[str] = []
    warnings = [warning for path in changes if (warning := _change(draft, path, changes[path], problems))]
    problems += _check_outline(draft, story)
    shared = _check_sections(draft, story, problems)
    search, slips = space.read(_section(draft.content, "search"))
    problems += [draft.problem(["search", *loc], text) for loc, text in slips]
    arms = {arm: _check_arm(draft, arm, story, shared, problems) for arm in _section(draft.content, "arms")}
    if problems:
        raise InputError("\n".join(dict.fromkeys(problems)))
    for warning in warnings:
        logger.warning(warning)
    return Recipe(draft.content["name"], tuple(draft.content["seeds"]), shared, arms, file, dict(changes), search)


def parse_changes(texts: Iterable[str]) -> dict[str, Any]:
    """Take apart what people type: ``a.b=1 c.d=2``, values in YAML; a space ends one where another PATH= follows.

    Raises:
        InputError: if one is not of that form.
    """
    changes: dict[str, Any] = {}
    for each in (each for text in texts for each in re.split(r"\s+(?=[\w.-]+=)", text.strip()) if each):
        path, equals, value = each.partition("=")
        if not equals:
            raise InputError(f"--set {each}: {CHANGE_FORM}")
        changes.pop(path.strip(), None)  # the last one counts, and comes last
        changes[path.strip()] = parse(value, f"--set {each}")
    return changes


def _find(path: str | Path) -> Path:
    """The file itself, the recipe of that name that ships, or ``<name>.yaml`` here: what a report's advice names."""
    if found := named(path):
        return found
    known = sorted(file.stem for file in SHIPPED.glob("*.yaml"))
    meant = near(str(path), known)
    hint = f"did you mean {meant}? The" if meant else "give a path, or one of the"
    raise InputError(f"recipe {path}: no such file; {hint} recipes that ship: {', '.join(known)}")


def named(path: str | Path) -> Path | None:
    """The file that is meant by what is typed for a recipe, or None where there is none."""
    places = [folder / f"{path}.yaml" for folder in (SHIPPED, Path()) if Path(path).name == str(path)]
    return next((file for file in (Path(path), *places) if file.is_file()), None)


def _chain(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the recipe and, through ``extends``, the ones below it; ``name`` is the top one's alone."""
    seen: list[Path] = []
    while True:
        content = read_mapping(file, f"recipe {file.name}")
        if not content:
            raise InputError(f"recipe {file.name}: empty; write `extends: starter` and what you change")
        if not seen:
            content.setdefault("name", file.stem)
        below = content.pop("extends", None)
        yield f"recipe {file.name}", content
        if below is None:
            return
        seen.append(file.resolve())
        if not isinstance(below, str):
            raise InputError(f"recipe {file.name}: extends: {below!r} is no file name; name one recipe file")
        beside = file.parent / below
        lower = _find(beside if beside.exists() else below)
        if lower.resolve() in seen:
            raise InputError(f"recipe {file.name}: extends: {below} comes back to itself; break the circle")
        file = lower


def _merged(contents: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Merge mappings, later ones over earlier; an empty section changes nothing, an arm that is null is taken out."""
    merged: dict[str, Any] = {"seeds": [0], "arms": {}}
    for content in contents:
        there = _section(merged, "arms")
        out = [arm for arm, sections in _section(content, "arms").items() if sections is None and arm in there]
        _merge(merged, content)
        for arm in out:
            del merged["arms"][arm]
    merged["arms"] = merged["arms"] or {"full": {}}
    return merged


def _mention_slips(places: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Warn of a new arm whose name is nearly that of an inherited one; full2, full-mild and not-adapted are meant."""
    inherited: dict[str, Any] = {}
    for place, content in reversed(places):
        arms = _section(content, "arms")
        for arm in [arm for arm in arms if inherited and arm not in inherited and arms[arm] is not None]:
            meant = near(str(arm), inherited, cutoff=0.75)
            if meant and meant not in re.split(r"[-_]", re.sub(r"\d+$", "", str(arm))):
                logger.warning("%s: arm %s: new, though %s exists; rename it if you meant that", place, arm, meant)
        inherited |= arms


def _merge(below: dict[str, Any], above: dict[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(below.get(key), dict) and (value is None or isinstance(value, dict)):
            _merge(below[key], value or {})
        else:
            below[key] = copy.deepcopy(value)


def _change(draft: _Draft, path: str, value: Any, problems: list[str]) -> str:
    """Put one change into the draft; return a warning where it does less than one might think."""
    keys, thing = path.split("."), f"--set {path}={as_plain(value)}"
    if not all(keys) or keys[0] == "extends":
        problems.append(f"{thing}: {CHANGE_FORM}")
        return ""
    if keys[0] == "arms" and len(keys) > 1 and keys[1] not in _section(draft.content, "arms"):
        problems.append(f"{thing}: unknown arm {keys[1]}; {nearest(keys[1], _section(draft.content, 'arms'))}")
        return ""
    arms = _section(draft.content, "arms")
    own = [arm for arm in arms if len(keys) > 1 and _holds(_section(arms, arm), keys)]
    inner: dict[str, Any] = {}
    draft.places.insert(0, (thing, inner))
    target = draft.content
    for key in keys[:-1]:
        inner = inner.setdefault(key, {})
        target[key] = target[key] if isinstance(target.get(key), dict) else {}
        target = target[key]
    inner[keys[-1]] = target[keys[-1]] = value
    if keys[0] == "arms" and len(keys) == 2 and value is None:
        del target[keys[1]]
    if not own:
        return ""
    arm = f"{', '.join(own)}, where the arm sets it itself"
    return f"{thing}: without effect in {arm}; arms.{own[0]}.{path}=... changes that"


def _holds(content: Any, keys: Sequence[Any]) -> bool:
    """Whether something is written at a path, or above it in place of a mapping."""
    for key in keys:
        if not isinstance(content, dict):
            return True
        if key not in content:
            return False
        content = content[key]
    return True


def _section(content: dict[str, Any], key: str) -> dict[str, Any]:
    """The mapping at a key; an empty one where there is none."""
    section = content.get(key)
    return section if isinstance(section, dict) else {}


def _check_outline(draft: _Draft, story: Sequence[Stage]) -> list[str]:
    """Check everything but the stages' settings."""
    content, names = draft.content, [stage.name for stage in story]
    problems = []
    for key, value in content.items():
        if key not in {"name", "seeds", "arms", "search", *names}:
            hint = nearest(key, ["name", "extends", "seeds", "arms", "search", *names], _paths(story))
            problems.append(draft.problem([key], f"unknown stage or key; {hint}"))
        elif key in {"arms", "search", *names} and value is not None and not isinstance(value, dict):
            problems.append(draft.problem([key], "must hold `key: value` lines"))
    seeds = content["seeds"]
    if not (isinstance(seeds, list) and seeds and all(type(seed) is int and 0 <= seed < 1 << 32 for seed in seeds)):
        problems.append(
            draft.problem(["seeds"], f"{seeds!r} is no list of whole numbers from 0 to 2^32 - 1, such as [0, 1, 2]")
        )
    elif len(set(seeds)) < len(seeds):
        problems.append(draft.problem(["seeds"], f"{seeds} names a seed twice"))
    if not isinstance(content["name"], str):
        said = f"{content['name']!r} is no text in YAML; put it in quotes, or take another name"
        problems.append(draft.problem(["name"], said))
    elif not PLAIN_NAME.fullmatch(content["name"]):
        problems.append(draft.problem(["name"], f"{content['name']!r} must be letters, digits, - and _"))
    if content["arms"] == {}:
        problems.append(
            draft.problem(
                ["arms"], "every arm is taken out; keep one, or write `full: {}` for an arm like the recipe itself"
            )
        )
    if isinstance(content["arms"], dict):
        for arm, sections in content["arms"].items():
            problems += _check_arm_outline(draft, arm, sections, story)
    return problems


def _paths(stages: Iterable[Stage]) -> list[str]:
    """Of all settings."""
    return [path for stage in stages for path, _, _ in settings_of(stage.settings_type, f"{stage.name}.")]


def _check_arm_outline(draft: _Draft, arm: str, sections: Any, story: Sequence[Stage]) -> Iterator[str]:
    if not PLAIN_NAME.fullmatch(arm):
        yield draft.problem(["arms", arm], "the name of an arm must be letters, digits, - and _")
    if sections is None:
        others = [other for other, differs in draft.content["arms"].items() if differs is not None]
        hint = f" ({nearest(arm, others)})" if others else ""
        text = f"null, or nothing, takes out an inherited arm, and none has this name{hint}"
        yield draft.problem(["arms", arm], f"{text}; for an arm like the recipe itself write `{arm}: {{}}`")
        return
    if not isinstance(sections, dict):
        yield draft.problem(
            ["arms", arm], "must hold stages and the settings that differ, or `{}` for an arm like the recipe itself"
        )
        return
    stages = {stage.name: stage for stage in story}
    for name, section in sections.items():
        keys = ["arms", arm, name]
        if name not in stages:
            within = [f"arms.{arm}.{path}" for path in _paths(stage for stage in story if not stage.collects)]
            yield draft.problem(keys, f"unknown stage; {nearest(name, stages, within)}")
        elif stages[name].collects:
            yield draft.problem(keys, f"{name} runs once for all arms; set it in the recipe's own section {name}")
        elif not isinstance(section, dict | None):
            yield draft.problem(keys, "must hold `key: value` lines")


def _check_sections(draft: _Draft, story: Sequence[Stage], problems: list[str]) -> dict[str, StageSettings]:
    checked = {}
    for stage in story:
        try:
            checked[stage.name] = stage.settings_type.model_validate(_section(draft.content, stage.name))
        except ValidationError as error:
            said = explain(error, stage.settings_type, f"{stage.name}.")
            problems += [draft.problem([stage.name, *loc], text) for loc, text in said]
    return checked


def _check_arm(
    draft: _Draft, arm: str, story: Sequence[Stage], shared: Settings, problems: list[str]
) -> dict[str, StageSettings]:
    checked = dict(shared)
    for stage in story:
        differs = _section(_section(draft.content["arms"], arm), stage.name)
        section = copy.deepcopy(_section(draft.content, stage.name))
        _merge(section, differs)
        try:
            if differs:
                checked[stage.name] = stage.settings_type.model_validate(section)
        except ValidationError as error:
            for loc, text in explain(error, stage.settings_type, f"arms.{arm}.{stage.name}."):
                if _holds(differs, loc) if loc else stage.name in shared:
                    problems.append(draft.problem(["arms", arm, stage.name, *loc], text))
    return checked
