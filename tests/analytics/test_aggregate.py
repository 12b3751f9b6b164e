"""Adding traffic up, and refusing what is no traffic."""

from collections import Counter, defaultdict
from typing import get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.aggregate import (
    KINDS,
    SUMMED,
    Counters,
    Key,
    PoolSeries,
    Series,
    Times,
    of_pools,
    roll_up,
    sum_of,
    sum_of_rows,
)
from analytics.batches import MalformedBatch, decode_batch
from analytics.histograms import counts_of
from analytics.levels import LEVELS
from analytics.tables import COUNTERS
from pool.bus import TrafficBatch, TrafficRow, TrafficSecond, TrafficTimes
from proxy.core.histogram import BUCKETS

A = Series(1, 1, "shop", 1, "a")
NOON = 1_700_006_400 // 86400 * 86400 + 43200

times = st.builds(
    TrafficTimes,
    sum=st.integers(0, 10_000),
    min=st.integers(0, 10_000),
    max=st.integers(0, 10_000),
    histogram=st.dictionaries(st.integers(0, BUCKETS - 1), st.integers(1, 100), max_size=5),
)
rows = st.builds(
    TrafficRow,
    route_id=st.integers(0, 2),
    pool_id=st.just(1),
    pool=st.just("shop"),
    backend_id=st.integers(0, 3),
    backend=st.sampled_from(["", "a", "b"]),
    **dict.fromkeys([*SUMMED, "in_flight_peak"], st.integers(0, 10_000)),
    **dict.fromkeys(KINDS, times),
)
seconds = st.builds(
    TrafficSecond, at=st.integers(NOON - 100_000, NOON + 100_000), rows=st.lists(rows, max_size=4)
)
batches = st.lists(
    st.builds(
        TrafficBatch,
        source=st.just("e"),
        seq=st.integers(1, 100),
        seconds=st.lists(seconds, max_size=4),
    ),
    max_size=4,
)


@given(batches)
def test_every_level_holds_all_of_the_traffic(given_batches):
    sent = [row for one in given_batches for second in one.seconds for row in second.rows]
    rollups = roll_up(given_batches)
    for step in LEVELS:
        held = [counters for key, counters in rollups.items() if key.step == step]
        for name in SUMMED:
            assert sum(getattr(one, name) for one in held) == sum(getattr(r, name) for r in sent)
        for kind in KINDS:
            assert everything(held, kind) == everything(sent, kind)
        assert max((one.in_flight_peak for one in held), default=0) == max(
            (row.in_flight_peak for row in sent), default=0
        )


def everything(counts, kind):
    """Sum, extremes and histogram of one kind of times, computed another way."""
    found = [getattr(one, kind) for one in counts]
    return (
        sum(one.sum for one in found),
        min((one.min for one in found if one.min), default=0),
        max((one.max for one in found), default=0),
        sum((Counter(_counts(one.histogram)) for one in found), Counter()),
    )


def _counts(histogram):
    """Of a row as of sums."""
    return histogram if isinstance(histogram, dict) else counts_of(histogram)


@given(st.lists(rows, max_size=6).flatmap(lambda found: st.tuples(*[st.permutations(found)] * 2)))
def test_the_order_in_which_rows_are_added_does_not_matter(orders):
    one, other = orders
    assert sum_of_rows(one) == sum_of_rows(other)


@given(st.lists(rows, max_size=4), st.lists(rows, max_size=4), st.lists(rows, max_size=4))
def test_sums_of_sums_are_those_of_all(first, second, third):
    a, b, c = sum_of_rows(first), sum_of_rows(second), sum_of_rows(third)
    assert sum_of([sum_of([a, b]), c]) == sum_of([a, sum_of([b, c])])
    assert sum_of([a, b, c]) == sum_of_rows(first + second + third)


@given(batches)
def test_pools_have_at_every_level_what_their_backends_have(given_batches):
    backends = roll_up(given_batches)
    pools = of_pools(backends)
    parts = defaultdict(list)
    for key, counters in backends.items():
        parts[Key(key.step, key.at, PoolSeries.of(key.series))].append(counters)
    assert pools == {key: sum_of(found) for key, found in parts.items()}


@given(batches)
def test_every_bucket_starts_at_a_multiple_of_its_width(given_batches):
    assert all(key.at % key.step == 0 for key in roll_up(given_batches))


def test_seconds_are_put_where_they_belong(batch, row):
    rollups = roll_up(
        [batch(row(), at=NOON + 9), batch(row(), at=NOON + 10), batch(row(), at=NOON - 1)]
    )
    assert rollups[Key(10, NOON, A)].requests == 1
    assert rollups[Key(10, NOON + 10, A)].requests == 1
    assert rollups[Key(60, NOON, A)].requests == 2
    assert rollups[Key(60, NOON - 60, A)].requests == 1
    assert rollups[Key(86400, NOON - 43200, A)].requests == 3


def test_a_batch_may_name_each_bucket_that_there_is_and_no_other():
    hint = get_type_hints(TrafficTimes, include_extras=True)["histogram"]
    assert hint.__args__[0].__metadata__[0] == msgspec.Meta(ge=0, lt=BUCKETS)


def test_series_are_told_apart(batch, row):
    others = [
        {"route_id": 2},
        {"pool_id": 2, "pool": "blog"},
        {"backend_id": 2},
        {"backend": "renamed"},
        {"backend_id": 0, "backend": ""},
    ]
    rollups = roll_up([batch(row(), *(row(**fields) for fields in others))])
    assert len(rollups) == len(LEVELS) * 6
    assert all(counters.requests == 1 for counters in rollups.values())


def test_counters_are_in_the_order_of_the_columns():
    names = [*SUMMED, "in_flight_peak"]
    names += [f"{kind}_{field}" for kind in KINDS for field in Times.__struct_fields__]
    assert tuple(names) == COUNTERS
    assert Counters.__struct_fields__ == (*SUMMED, "in_flight_peak", *KINDS)


def test_rows_are_not_changed_by_being_added(batch, row):
    one = row((5,))
    before = msgspec.to_builtins(one)
    roll_up([batch(one, one), batch(one)])
    assert msgspec.to_builtins(one) == before


def test_an_unknown_shortest_time_does_not_count_as_zero():
    pairs = [(0, 0), (7, 9), (0, 0), (5, 5)]
    sums = sum_of([Counters(total=Times(min=low, max=high)) for low, high in pairs])
    assert (sums.total.min, sums.total.max) == (5, 9)


@given(batches)
def test_a_batch_of_an_edge_is_accepted(given_batches):
    for one in given_batches:
        assert decode_batch(msgspec.msgpack.encode(one)) == one


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"hello",
        msgspec.msgpack.encode([]),
        msgspec.msgpack.encode(["edge", "one", []]),
        msgspec.msgpack.encode(["edge", 1, [[1, [[1, 2]]]]]),
        msgspec.msgpack.encode({"source": "edge"}),
        b"\x91" * 100_000,
    ],
)
def test_what_is_no_batch_is_refused(data):
    with pytest.raises(MalformedBatch, match="not a traffic batch"):
        decode_batch(data)


@pytest.mark.parametrize(
    "fields",
    [
        {"requests": -1},
        {"requests": 2**63},
        {"bytes_out": 2**64 - 1},
        {"backend_id": -1},
        {"total": TrafficTimes(min=-5)},
        {"pool": "x" * 261},
        {"backend": "x" * 261},
        {"backend": "a\0b"},
        {"pool": "\0"},
        *(
            {kind: TrafficTimes(histogram=histogram)}
            for kind in KINDS
            for histogram in ({BUCKETS: 1}, {-1: 1}, {1: -1})
        ),
    ],
)
def test_a_row_that_no_database_would_take_is_refused(batch, row, fields):
    with pytest.raises(MalformedBatch):
        decode_batch(msgspec.msgpack.encode(batch(row(**fields))))


@pytest.mark.parametrize("fields", [{"source": "x" * 261}, {"source": "\0"}, {"seq": 2**62}])
def test_a_batch_that_no_database_would_take_is_refused(batch, fields):
    with pytest.raises(MalformedBatch):
        decode_batch(msgspec.msgpack.encode(msgspec.structs.replace(batch(), **fields)))


@pytest.mark.parametrize("at", [-1, 2**40])
def test_a_second_that_no_calendar_has_is_refused(batch, at):
    with pytest.raises(MalformedBatch, match="Expected `int`"):
        decode_batch(msgspec.msgpack.encode(batch(at=at)))
