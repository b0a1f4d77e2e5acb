"""Which hyperparameters a tuning job tries next, and which training jobs it stops early.

https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-how-it-works.html

AWS's own search is not public. Random, Bayesian (by Tree-structured Parzen Estimators) and
Hyperband are those of optuna here: they look for the same, and choose other values.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

#: Training jobs whose values Bayesian search chooses at random, before it knows enough.
_FIRST = 5
#: Training jobs that have ended before others are compared with them.
_ENOUGH = 3
#: How often chance may choose what was tried already, where there are only so many combinations.
_TRIES = 100
#: In a larger space a choice may come twice.
_MANY = 100_000
#: Of so many training jobs Hyperband lets one go on, at each step.
_REDUCTION = 3


@dataclass(frozen=True)
class Range:
    """What one hyperparameter may be."""

    name: str
    kind: str
    """``Integer``, ``Continuous`` or ``Categorical``."""
    low: float = 0
    high: float = 0
    scaling: str = "Auto"
    values: tuple[str, ...] = ()

    def count(self) -> float:
        """Return how many values it has."""
        if self.kind == "Categorical":
            return len({*self.values})
        if self.kind == "Integer":
            return self.high - self.low + 1
        return math.inf if self.low < self.high else 1

    def all(self) -> Iterable[str]:
        """Return all its values, where they can be counted, as hyperparameters are written."""
        if self.kind == "Categorical":
            return dict.fromkeys(self.values)
        if self.kind == "Integer":
            return map(str, range(int(self.low), int(self.high) + 1))
        return [repr(self.low)]

    def distribution(self):
        """Return what optuna chooses from. Until it is found to be otherwise, AWS takes Auto for
        linear (automatic-model-tuning-considerations)."""
        from optuna import distributions

        if self.kind == "Categorical":
            return distributions.CategoricalDistribution(tuple(dict.fromkeys(self.values)))
        if self.kind == "Integer":
            log = self.scaling == "Logarithmic"
            return distributions.IntDistribution(int(self.low), int(self.high), log=log)
        if self.scaling == "ReverseLogarithmic":  # of the distance from 1
            return distributions.FloatDistribution(1 - self.high, 1 - self.low, log=True)
        log = self.scaling == "Logarithmic"
        return distributions.FloatDistribution(self.low, self.high, log=log)

    def text(self, chosen: object) -> str:
        """Return a value that optuna has chosen as a hyperparameter is written."""
        if self.kind == "Continuous":
            value = 1 - chosen if self.scaling == "ReverseLogarithmic" else chosen
            return repr(min(max(float(value), self.low), self.high))
        return str(chosen)

    def chosen(self, text: str) -> object:
        """Return what optuna would have chosen for a text. Raises ValueError for a strange one."""
        if self.kind == "Categorical":
            return text
        if self.kind == "Integer":
            return int(text)
        return 1 - float(text) if self.scaling == "ReverseLogarithmic" else float(text)


def ranges(parameter_ranges: dict) -> list[Range]:
    """Return the ranges of a request (API_ParameterRanges), which has been checked."""
    found = [
        Range(one["Name"], "Categorical", values=tuple(one["Values"]))
        for one in parameter_ranges.get("CategoricalParameterRanges", ())
    ]
    for kind, number in (("Integer", int), ("Continuous", float)):
        for one in parameter_ranges.get(f"{kind}ParameterRanges", ()):
            limits = number(one["MinValue"]), number(one["MaxValue"])
            found.append(Range(one["Name"], kind, *limits, one.get("ScalingType", "Auto")))
    return found


def combinations(searched: Sequence[Range]) -> float:
    """Return how many different choices there are."""
    return math.prod(one.count() for one in searched)


@dataclass
class Choice:
    """What one training job tries."""

    values: dict[str, str]
    trial: Any = None
    """optuna's own record of it; grid search has none."""
    reported: int = 0
    """How many values of the objective Hyperband knows."""


class Search:
    """The search over the ranges of one training job definition."""

    def __init__(
        self,
        searched: Sequence[Range],
        strategy: str,
        *,
        maximize: bool = False,
        seed: int | None = None,
        resources: tuple[int, int] = (1, 1),
    ) -> None:
        """``strategy`` is AWS's name of it; ``resources`` are Hyperband's least and most."""
        self._ranges = {one.name: one for one in searched}
        self._grid: Iterator[dict[str, str]] | None = None
        self._tried: set[tuple[str, ...]] = set()
        self._many = combinations(searched) > _MANY
        self._strategy = strategy
        self._most = resources[1]
        self.asked = 0
        if strategy == "Grid":
            self._grid = self._all()
            return
        import optuna

        seed = None if seed is None else seed % 2**32  # numpy takes no more
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        samplers, pruner = optuna.samplers, optuna.pruners.NopPruner()
        if strategy == "Bayesian":
            sampler = samplers.TPESampler(seed=seed, n_startup_trials=_FIRST, constant_liar=True)
        else:
            sampler = samplers.RandomSampler(seed=seed)
        if strategy == "Hyperband":
            pruner = optuna.pruners.HyperbandPruner(*resources, reduction_factor=_REDUCTION)
        direction = "maximize" if maximize else "minimize"
        self._study = optuna.create_study(
            sampler=sampler, pruner=pruner, direction=direction, study_name=strategy
        )
        self._distributions = {one.name: one.distribution() for one in searched}

    def ask(self) -> Choice | None:
        """Return what to try next, None when all has been tried."""
        choice = self._next()
        if choice:
            self.asked += 1
            self._tried.add((*choice.values.values(),))
        return choice

    def _next(self) -> Choice | None:
        if self._grid:
            values = next(self._grid, None)
            return values and Choice(values)
        for _ in range(_TRIES):
            trial = self._study.ask(self._distributions)
            chosen = {name: one.text(trial.params[name]) for name, one in self._ranges.items()}
            choice = Choice(chosen, trial)
            if self._many or (*chosen.values(),) not in self._tried:
                return choice
            self.tell(choice, None)
        for chosen in self._all():  # what chance has not found
            if (*chosen.values(),) not in self._tried:
                self._study.enqueue_trial(self._as_chosen(chosen))
                return Choice(chosen, self._study.ask(self._distributions))
        return None

    def _all(self) -> Iterator[dict[str, str]]:
        """Yield all combinations, where they can be counted."""
        for values in itertools.product(*(one.all() for one in self._ranges.values())):
            yield dict(zip(self._ranges, values, strict=True))

    def _as_chosen(self, values: dict[str, str]) -> dict[str, object]:
        return {name: self._ranges[name].chosen(text) for name, text in values.items()}

    def tell(self, choice: Choice, value: float | None) -> None:
        """Learn how a training job ended: the value of its objective, None when it has none."""
        if choice.trial is None:
            return
        from optuna.trial import TrialState

        failed = TrialState.FAIL if value is None else None
        self._study.tell(choice.trial, value, state=failed)

    def learn(self, values: dict[str, str], value: float) -> None:
        """Learn the result of another tuning job, as far as it fits these ranges."""
        if self._strategy != "Bayesian":  # the others do not look at results
            return
        import optuna

        known = {name: text for name, text in values.items() if name in self._ranges}
        kept = {name: self._distributions[name] for name in known}
        try:
            chosen = self._as_chosen(known)
            trial = optuna.trial.create_trial(params=chosen, distributions=kept, value=value)
        except ValueError:  # it lies outside of a range
            return
        self._study.add_trial(trial)

    def wants_stopped(self, choice: Choice, values: Sequence[float]) -> bool:
        """Tell whether Hyperband stops a training job; ``values`` are all that it has reported."""
        if self._strategy != "Hyperband":
            return False
        if len(values) > self._most:
            return True
        while choice.reported < len(values):
            choice.reported += 1
            choice.trial.report(values[choice.reported - 1], choice.reported)
            if choice.trial.should_prune():
                return True
        return False


def worse_than_others(
    values: Sequence[float], others: Sequence[Sequence[float]], maximize: bool
) -> bool:
    """Tell whether a training job is to be stopped early; ``others`` have ended.

    Its newest value is worse than the median of the others' running averages up to the same epoch:
    https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-early-stopping.html
    How many others there must be the page does not tell.
    """
    epoch = len(values)
    reached = [one[:epoch] for one in others if len(one) >= epoch]
    if not epoch or len(reached) < _ENOUGH:
        return False
    averages = [statistics.fmean(one) for one in reached]
    median = statistics.median(averages)
    return values[-1] < median if maximize else values[-1] > median
