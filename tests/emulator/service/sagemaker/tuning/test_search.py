"""What is tried next, and what is stopped early."""

from __future__ import annotations

import pytest

from workshop.emulator.service.sagemaker.tuning.search import (
    Range,
    Search,
    combinations,
    ranges,
    worse_than_others,
)

LETTERS = Range("letter", "Categorical", values=("a", "b", "b"))
DIGITS = Range("digit", "Integer", 1, 3)


def taken(search: Search, most: int = 1000) -> list[tuple[str, ...]]:
    """Ask until there is nothing left; tell each time what it came to."""
    found = []
    while len(found) < most and (choice := search.ask()):
        found.append((*choice.values.values(),))
        search.tell(choice, 1.0)
    return found


def test_ranges_are_read_as_a_request_has_them():
    found = ranges(
        {
            "CategoricalParameterRanges": [{"Name": "c", "Values": ["a"]}],
            "IntegerParameterRanges": [{"Name": "i", "MinValue": "1", "MaxValue": "3"}],
            "ContinuousParameterRanges": [
                {"Name": "f", "MinValue": "1e-3", "MaxValue": "1", "ScalingType": "Logarithmic"}
            ],
        }
    )
    assert found == [
        Range("c", "Categorical", values=("a",)),
        Range("i", "Integer", 1, 3, "Auto"),
        Range("f", "Continuous", 0.001, 1.0, "Logarithmic"),
    ]
    assert combinations(found) == float("inf")
    assert combinations([LETTERS, DIGITS]) == 6


@pytest.mark.parametrize("strategy", ["Random", "Bayesian", "Grid", "Hyperband"])
def test_each_combination_is_tried_once(strategy):
    found = taken(Search([LETTERS, DIGITS], strategy, seed=1, resources=(1, 9)))
    assert len(found) == len({*found}) == 6


@pytest.mark.parametrize("strategy", ["Random", "Bayesian"])
def test_one_seed_gives_the_same_choices(strategy):
    searched = [LETTERS, Range("x", "Continuous", 0, 1)]
    seeds = (7, 7, 2**62)  # AWS names no largest one
    first, again, other = (taken(Search(searched, strategy, seed=n), 8) for n in seeds)
    assert first == again != other


@pytest.mark.parametrize(
    ("one", "middle"),
    [
        (Range("x", "Continuous", 0, 1, "Linear"), 0.5),
        (Range("x", "Continuous", 0, 1, "Auto"), 0.5),
        (Range("x", "Continuous", 0.0001, 1, "Logarithmic"), 0.01),
        (Range("x", "Integer", 1, 100_000_000, "Logarithmic"), 10_000),
        (Range("x", "Continuous", 0, 0.9999, "ReverseLogarithmic"), 0.99),
    ],
)
def test_a_scale_has_as_many_values_on_both_sides_of_its_middle(one, middle):
    values = [float(text) for (text,) in taken(Search([one], "Random", seed=3), 400)]
    assert all(one.low <= value <= one.high for value in values)
    assert 0.4 < sum(value < middle for value in values) / len(values) < 0.6


def test_a_range_of_one_value_has_that_value():
    search = Search([Range("x", "Continuous", 0.5, 0.5)], "Random", seed=1)
    assert taken(search) == [("0.5",)]


def best(search: Search, number: int) -> float:
    """Look for the least of a valley; a training job fails now and then."""
    found = []
    for count in range(number):
        choice = search.ask()
        x, y = (float(choice.values[name]) for name in "xy")
        value = (x - 0.3) ** 2 + (y - 0.7) ** 2
        search.tell(choice, None if count % 7 == 3 else value)
        found.append(value)
    return min(found)


VALLEY = [Range("x", "Continuous", 0, 1), Range("y", "Continuous", 0, 1)]


def test_bayesian_search_learns():
    seeds = range(6)
    learned = sum(best(Search(VALLEY, "Bayesian", seed=n), 40) for n in seeds)
    by_chance = sum(best(Search(VALLEY, "Random", seed=n), 40) for n in seeds)
    assert learned < by_chance


def test_it_learns_from_parents_what_fits_its_ranges():
    """A value outside is passed over, and so is a hyperparameter that is static now."""
    search = Search([Range("x", "Continuous", 0, 1), DIGITS], "Bayesian", seed=1)
    for number in range(30):
        search.learn({"x": str(number / 30), "digit": "2", "static": "3"}, abs(number / 30 - 0.9))
    search.learn({"x": "7", "digit": "2"}, -100.0)
    search.learn({"x": "0.1", "digit": "many"}, -100.0)
    chosen = [float(values[0]) for values in taken(search, 5)]
    assert sum(chosen) / 5 > 0.6


def test_hyperband_stops_what_is_worse_than_others_and_what_runs_on():
    search = Search([Range("x", "Continuous", 0, 1)], "Hyperband", seed=1, resources=(1, 9))
    stopped = []
    for number in range(9):
        choice, values = search.ask(), []
        for epoch in range(9):
            values.append(number + 1 / (epoch + 1))  # the first is the best
            if search.wants_stopped(choice, values):
                break
        stopped.append(len(values) < 9)
        search.tell(choice, values[-1])
    assert not stopped[0] and sum(stopped) > 3
    assert search.wants_stopped(search.ask(), [0.0] * 10), "MaxResource is 9"
    assert not Search(VALLEY, "Random").wants_stopped(choice, [9.0] * 20)


@pytest.mark.parametrize(
    ("values", "maximize", "expected"),
    [
        ([5.0], False, True),
        ([5.0], True, False),
        ([1.0], False, False),
        ([9.0, 2.4], False, False),  # the newest counts; the averages are 2, 2.5 and 3
        ([0.0, 2.6], False, True),
        ([1.0, 1.0, 9.0], False, False),  # none has come so far
        ([], False, False),
    ],
)
def test_early_stopping_compares_with_the_median_of_running_averages(values, maximize, expected):
    others = [[2.0, 2.0], [3.0, 2.0], [4.0, 2.0]]
    assert worse_than_others(values, others, maximize) is expected


def test_nothing_is_stopped_before_some_have_ended():
    assert not worse_than_others([9.0], [[1.0], [1.0]], maximize=False)
