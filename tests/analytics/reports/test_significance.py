"""Differences and chance."""

import random

import pytest

from analytics.reports.significance import (
    confidence_range,
    latencies_matter,
    percentiles_differ,
    proportions_differ,
    tolerance,
)
from proxy.core.histogram import bucket_index, merge


def histogram(values):
    return merge({bucket_index(int(value)): 1} for value in values)


@pytest.mark.parametrize(
    ("a", "b", "differ"),
    [
        ((10, 1000), (12, 1000), False),
        ((10, 1000), (40, 1000), True),
        ((0, 1000), (7, 1000), False),
        ((0, 100_000), (0, 5), None),
        ((0, 100_000), (0, 100_000), False),
        ((1000, 1000), (1000, 1000), False),
        ((1, 100_000), (20, 100), True),
        ((0, 0), (5, 10), None),
    ],
)
def test_two_proportions(a, b, differ):
    assert proportions_differ(*a, *b) is differ
    assert proportions_differ(*b, *a) is differ


def test_equal_proportions_seldom_seem_different():
    generator = random.Random(1)

    def draw():
        return sum(generator.random() < 0.1 for _ in range(500))

    false_alarms = sum(bool(proportions_differ(draw(), 500, draw(), 500)) for _ in range(500))
    assert false_alarms <= 15  # 1 % of them are to be expected


def test_a_percentile_is_nearly_always_in_its_range():
    generator = random.Random(2)
    missed = 0
    for _ in range(300):
        values = [generator.uniform(1000, 101_000) for _ in range(1500)]
        low, high = confidence_range(histogram(values), 0.95)
        missed += not low <= 96_000 <= high
    assert missed <= 9


def test_percentiles_differ_if_the_times_do():
    generator = random.Random(3)
    fast = histogram(generator.lognormvariate(9, 0.5) for _ in range(2000))
    alike = histogram(generator.lognormvariate(9, 0.5) for _ in range(2000))
    slow = histogram(generator.lognormvariate(9.5, 0.5) for _ in range(2000))
    for q in (0.5, 0.95, 0.99):
        assert percentiles_differ(fast, alike, q) is False
        assert percentiles_differ(fast, slow, q) is True


def test_few_requests_tell_nothing_of_a_percentile():
    few = histogram(range(1000, 1900))
    assert percentiles_differ(few, few, 0.99) is None
    assert percentiles_differ(few, few, 0.5) is False
    assert percentiles_differ({}, few, 0.5) is None


def test_more_requests_tolerate_less():
    assert tolerance(0.5, 0) == 1.0
    assert tolerance(0.5, 100) > tolerance(0.5, 10_000) > 0


@pytest.mark.parametrize(
    ("before", "after", "matters"),
    [
        (0.1, 1.0, False),
        (0.1, 1.2, True),
        (1.0, 1.06, False),
        (101.9, 104.1, False),
        (97.0, 106.0, True),
    ],
)
def test_latencies_have_to_differ_by_a_millisecond_and_more_than_a_bucket(before, after, matters):
    assert latencies_matter(before, after) is matters
    assert latencies_matter(after, before) is matters
