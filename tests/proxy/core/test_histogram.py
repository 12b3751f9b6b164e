"""The latency histogram: layout, error bound, merging and percentiles."""

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core import histogram
from proxy.core.histogram import BUCKETS, LIMIT, bucket_bounds, bucket_index, merge, percentiles

latencies = st.integers(min_value=0, max_value=LIMIT - 1)


def _counts(values: list[int]) -> dict[int, int]:
    return merge({bucket_index(value): 1} for value in values)


def test_buckets_tile_the_range_without_gap_or_overlap():
    edge = 0
    for index in range(BUCKETS):
        low, high = bucket_bounds(index)
        assert low == edge
        assert high > low
        edge = high
    assert edge == LIMIT


def test_at_least_a_thousand_seconds_are_covered():
    assert LIMIT >= 1_000 * 1_000_000


def test_both_ends_of_each_bucket_fall_into_it():
    for index in range(BUCKETS):
        low, high = bucket_bounds(index)
        assert bucket_index(low) == bucket_index(high - 1) == index


def test_small_values_fall_between_the_bounds_of_their_bucket():
    for us in range(4096):
        low, high = bucket_bounds(bucket_index(us))
        assert low <= us < high


@given(latencies)
def test_every_value_falls_between_the_bounds_of_its_bucket(us):
    low, high = bucket_bounds(bucket_index(us))
    assert low <= us < high


@given(latencies)
def test_midpoint_is_within_five_percent_of_the_value(us):
    assert abs(histogram.midpoint(bucket_index(us)) - us) <= 0.05 * us


@given(latencies, latencies)
def test_order_of_values_is_kept(one, other):
    low, high = sorted((one, other))
    assert bucket_index(low) <= bucket_index(high)


def test_below_32_us_every_value_has_its_own_bucket():
    assert [bucket_index(us) for us in range(32)] == list(range(32))


def test_each_power_of_two_has_sixteen_buckets():
    for bits in range(4, 30):
        assert bucket_index(1 << bits) == (bits - 3) * 16


@pytest.mark.parametrize("us", [LIMIT, LIMIT + 1, 10**12])
def test_values_beyond_the_range_are_counted_in_the_last_bucket(us):
    assert bucket_index(us) == BUCKETS - 1


@pytest.mark.parametrize("us", [-1, -17, -(10**9)])
def test_a_negative_latency_counts_as_zero(us):
    assert bucket_index(us) == 0


@pytest.mark.parametrize("index", [-1, BUCKETS])
def test_bounds_of_a_bucket_that_does_not_exist_are_refused(index):
    with pytest.raises(ValueError, match="outside"):
        bucket_bounds(index)


def test_merging_nothing_is_empty():
    assert merge([]) == {}


def test_merging_leaves_its_inputs_alone():
    one, other = {1: 2}, {1: 3, 5: 1}
    assert merge([one, other]) == {1: 5, 5: 1}
    assert (one, other) == ({1: 2}, {1: 3, 5: 1})


@given(st.lists(latencies), st.lists(latencies))
def test_merged_parts_equal_the_whole(one, other):
    assert merge([_counts(one), _counts(other)]) == _counts(one + other)


def test_of_nothing_there_are_no_percentiles():
    assert percentiles({}, [0.5]) == []
    assert percentiles({3: 0}, [0.5]) == []


@pytest.mark.parametrize("q", [-0.01, 1.01])
def test_percentile_outside_of_its_range_is_refused(q):
    with pytest.raises(ValueError, match="from 0 to 1"):
        percentiles({1: 1}, [0.5, q])


@pytest.mark.parametrize(
    ("q", "expected"), [(0, 1), (0.01, 1), (0.5, 10), (0.95, 19), (0.99, 20), (1, 20)]
)
def test_percentile_takes_the_nearest_rank(q, expected):
    assert percentiles(_counts(list(range(1, 21))), [q]) == [expected]


def test_rank_is_not_pushed_up_by_a_rounding_error():
    hundred = dict.fromkeys(range(100), 1)
    assert 0.07 * 100 > 7
    assert percentiles(hundred, [0.07]) == [6]  # the seventh value, counted from 0


@given(st.lists(latencies, min_size=1), st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999, 1.0]))
def test_percentile_is_within_five_percent_of_the_sorted_sample(values, q):
    exact = sorted(values)[max(1, ceil(round(q * len(values), 6))) - 1]
    [estimate] = percentiles(_counts(values), [q])
    assert abs(estimate - exact) <= 0.05 * exact


def test_percentiles_never_fall_as_q_rises():
    counts = {index: index % 7 for index in range(BUCKETS)}
    estimates = percentiles(counts, [step / 100 for step in range(101)])
    assert len(estimates) == 101
    assert estimates == sorted(estimates)
