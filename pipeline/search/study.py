"""What was tried, in Optuna's journal, which outlives its process, and what to try next."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from pipeline.common.errors import InputError
from pipeline.common.extras import need
from pipeline.common.files import read_whole, remove
from pipeline.common.yaml import as_plain
from pipeline.machine.space import Search
from pipeline.search.results import Outcome, Tried, failed
from pipeline.search.space import Dimension, Space

OBJECTIVES = ("macro_recall", "kept")
"""Of an outcome; more is better."""
POPULATION = 10
"""Of NSGA-II: its 50 would be more than most can try, and all of them random."""
ENOUGH = 1.0
"""Of general English: who keeps more is not preferred for it."""
FEWEST = 20
"""Trials without which nothing is said of importance."""
LOSSES = 2
"""Of a trial whose process died, after which it is passed over: the fault may be its own."""
REPEATS = 20
"""Proposals in a row that had been tried before, after which a space is used up."""
TWICE = "its process was killed, twice; it is passed over"


def objectives(outcome: Outcome) -> list[float]:
    """What a trial is after; one that came to an end."""
    recall, kept = (float(outcome[side]["value"]) for side in OBJECTIVES)  # type: ignore[literal-required]
    return [recall, min(kept, ENOUGH)]


class Study:
    """Trials of a space, each a point of two objectives. Whoever opens it holds it alone."""

    def __init__(self, folder: Path, search: Search, space: Space) -> None:
        """Open the journal in a folder, or begin one; a trial that was running when its process died is lost.

        Raises:
            InputError: Optuna is not there, or the journal is not as it wrote it.
        """
        optuna = self.optuna = _optuna()
        self.name, self.space, self.search = folder.name, space, search
        self.begun: dict[int, Any] = {}
        folder.mkdir(parents=True, exist_ok=True)
        journal = folder.absolute() / "journal.log"
        remove(journal.with_name(f"{journal.name}.lock"))  # of a process that died while it wrote
        _mend(journal)
        lock = optuna.storages.journal.JournalFileOpenLock(str(journal))
        try:
            backend = optuna.storages.journal.JournalFileBackend(str(journal), lock)
            self.study = optuna.create_study(
                storage=optuna.storages.JournalStorage(backend),
                study_name="search",
                directions=["maximize"] * len(OBJECTIVES),
                load_if_exists=True,
            )
        except (ValueError, LookupError, TypeError) as error:
            raise InputError(f"study {journal}: cannot be read ({error}); move it away to begin anew") from error
        for trial in self._trials("RUNNING"):
            self._tell(trial.number, trial.user_attrs.get("outcome"))

    def bind(self, what: str, now: Mapping[str, Any]) -> None:
        """Note what the study is of. Raises InputError where it is of something else: trials could not be compared."""
        last = self.study.user_attrs.get(what, dict(now))
        for key in (key for key in {**last, **now} if last.get(key) != now.get(key)):
            was, is_now = (as_plain(side.get(key, "unset")) for side in (last, now))
            raise InputError(
                f"study {self.name}: {what} {key} was {was}, and is {is_now}: trials of both cannot be compared; "
                "give the new study a name of its own (STUDY=, --name)"
            )
        self.study.set_user_attr(what, dict(now))

    @property
    def was_lost(self) -> bool:
        """Whether the trial that is begun next is one whose process died before."""
        places = self._places()
        return self._next(places) in places

    def judged(self, tested: Sequence[str] = ()) -> int:
        """How many trials test texts have judged, with the one that these artifacts are of."""
        known: list[list[str]] = [list(each) for each in self.study.user_attrs.get("tested", [])]
        if tested and list(tested) not in known:
            known.append(list(tested))
            self.study.set_user_attr("tested", known)
        return len(known)

    def aim(self, trials: int) -> int:
        """How many more trials to make where so many are asked: what an interrupted run of as many has left of them."""
        if trials == 0:
            return 0
        there = len(self.tried())
        asked, until = self.study.user_attrs.get("aim", (0, 0))
        if asked != trials or there >= until:
            until = there + trials
            self.study.set_user_attr("aim", (trials, until))
        return int(until) - there

    def ask(self) -> tuple[int, dict[str, Any]]:
        """Begin a trial: its number, and the values to try by path.

        What is drawn depends on the seed and on what came of earlier trials alone, so that a study that was interrupted
        goes on as if it had not been. One that is lost is so begun again with the same values; lost twice, which may be
        its own fault, it is passed over.
        """
        place = self._next(self._places())
        self.study.sampler = self._sampler((self.search.seed * 1_000_003 + place) % (1 << 32))
        trial = self.study.ask({path: self._distribution(each) for path, each in self.space.items()})
        trial.set_user_attr("place", place)
        self.begun[trial.number] = trial
        return trial.number, self._values(trial.params)

    def ask_new(self) -> tuple[int, dict[str, Any]] | None:
        """As ``ask``, values that were not tried before; None where the last ``REPEATS`` proposals were."""
        for _ in range(REPEATS):
            number, values = self.ask()
            known = next((each["outcome"] for each in self.tried() if each["values"] == values
                          and not each["outcome"]["problem"]), None)  # fmt: skip
            if known is None:
                return number, values
            self.begun[number].set_user_attr("repeats", True)
            self.tell(number, known)
        return None

    def tell(self, number: int, outcome: Outcome) -> None:
        """End a trial."""
        trial = self.begun.pop(number)
        if outcome["at_least"] is not None:
            trial.set_constraint("kept", self.search.budget - outcome["at_least"])
        trial.set_user_attr("outcome", outcome)
        self._tell(number, outcome)

    def stop(self) -> None:
        """Note that what was begun is stopped, and not lost: it is begun again as often as that happens."""
        for trial in self.begun.values():
            trial.set_user_attr("stopped", True)

    def tried(self) -> list[Tried]:
        """All trials that came to an end, the oldest first; proposals that had been tried before are none."""
        over = [of[-1] for of in self._places().values() if len(of) == LOSSES and all(_lost(each) for each in of)]
        own = [trial for trial in self._trials("COMPLETE", "FAIL") if "repeats" not in trial.user_attrs]
        ended = [trial for trial in own if "outcome" in trial.user_attrs or trial in over]
        return [
            {"number": each.number, "values": self._values(each.params),
             "outcome": each.user_attrs.get("outcome", failed(TWICE)), "front": False} for each in ended
        ]  # fmt: skip

    def _places(self) -> dict[int, list[Any]]:
        """Trials by what they are in the order of the study, of which one that was lost has another begun."""
        found: dict[int, list[Any]] = {}
        for each in self._trials("RUNNING", "COMPLETE", "FAIL"):
            if "stopped" not in each.user_attrs:
                found.setdefault(each.user_attrs.get("place", each.number), []).append(each)
        return found

    def _next(self, places: Mapping[int, Sequence[Any]]) -> int:
        """The first place that has none, or has lost its only one."""
        open_ = (place for place in count() if place not in places
                 or (len(places[place]) < LOSSES and all(map(_lost, places[place]))))  # fmt: skip
        return next(open_)

    def importance(self) -> dict[str, dict[str, float]]:
        """By objective and path, the share that a setting alone has in the variance of trials.

        Hutter, Hoos & Leyton-Brown 2014, "An efficient approach for assessing hyperparameter importance" (fANOVA).
        """
        if len(self._trials("COMPLETE")) < FEWEST:
            return {}
        return {name: self._shares(lambda trial, name=name: trial.user_attrs["outcome"][name]["value"])  # type: ignore[misc]
                for name in OBJECTIVES}  # fmt: skip

    def _shares(self, target: Callable[[Any], float]) -> dict[str, float]:
        if len({target(trial) for trial in self._trials("COMPLETE")}) == 1:
            return dict.fromkeys(self.space, 0.0)
        told = self.optuna.importance
        shares = told.get_param_importances(self.study, evaluator=told.FanovaImportanceEvaluator(seed=0), target=target)
        return {path: round(float(share), 4) for path, share in shares.items()}

    def _sampler(self, seed: int) -> Any:
        kinds = self.optuna.samplers
        if self.search.sampler == "nsga2":
            return kinds.NSGAIISampler(population_size=POPULATION, seed=seed)
        return (kinds.TPESampler if self.search.sampler == "tpe" else kinds.RandomSampler)(seed=seed)

    def _trials(self, *states: str) -> list[Any]:
        kinds = tuple(self.optuna.trial.TrialState[state] for state in states)
        return list(self.study.get_trials(deepcopy=False, states=kinds))

    def _tell(self, number: int, outcome: Outcome | None) -> None:
        if outcome is None or outcome["problem"]:
            self.study.tell(number, state=self.optuna.trial.TrialState.FAIL)
        else:
            self.study.tell(number, objectives(outcome))

    def _values(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        return {path: each.value(drawn[path]) for path, each in self.space.items() if path in drawn}

    def _distribution(self, dimension: Dimension) -> Any:
        kinds, span = self.optuna.distributions, dimension.span
        if span.choices is not None:
            return kinds.CategoricalDistribution(span.choices)
        assert span.low is not None
        assert span.high is not None
        if dimension.whole:
            return kinds.IntDistribution(int(span.low), int(span.high), log=span.log)
        return kinds.FloatDistribution(span.low, span.high, log=span.log)


def _lost(trial: Any) -> bool:
    """Whether its process died."""
    return trial.state.name == "FAIL" and "outcome" not in trial.user_attrs


def _optuna() -> Any:
    need("search", "optuna")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", module="optuna")
    return optuna


def _mend(journal: Path) -> None:
    """Take off a last line that a killed process did not finish."""
    if journal.exists() and not (content := read_whole(journal)).endswith(b"\n"):
        journal.write_bytes(content[: content.rfind(b"\n") + 1])
