"""Intervals of time, checked second by second."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.choices import AdminState, HealthState
from pool.history.outages import (
    Cells,
    Change,
    Interval,
    Standing,
    common,
    intervals,
    is_down,
    is_out,
    seconds_in,
)

UP, DOWN, SLOW = HealthState.HEALTHY, HealthState.UNHEALTHY, HealthState.DEGRADED
ACTIVE, DRAINING, MAINTENANCE = AdminState.ACTIVE, AdminState.DRAINING, AdminState.MAINTENANCE
END = 60

changes = st.lists(
    st.builds(
        Change,
        st.integers(0, END - 1),
        st.sampled_from(["", UP, DOWN, SLOW]),
        st.sampled_from(["", ACTIVE, DRAINING, MAINTENANCE]),
    ),
    max_size=12,
).map(lambda found: sorted(found, key=lambda one: one.at))
lists = changes.map(lambda found: intervals(Standing(0, UP), found, END, is_down))


def at(second, first, found):
    """What it was then, by all changes so far."""
    health, admin = first.health, first.admin
    for change in found:
        if change.at <= second:
            health, admin = change.health or health, change.admin or admin
    return Standing(second, health, admin)


def held(found):
    return {second for second in range(END) if any(one.start <= second < one.end for one in found)}


@pytest.mark.parametrize("holds", [is_down, is_out])
@given(changes, st.sampled_from([UP, DOWN, ""]), st.sampled_from([ACTIVE, MAINTENANCE]))
def test_an_interval_is_when_it_held(holds, found, health, admin):
    first = Standing(0, health, admin)
    expected = {second for second in range(END) if holds(at(second, first, found))}
    assert held(intervals(first, found, END, holds)) == expected


@given(changes)
def test_intervals_do_not_touch(found):
    result = intervals(Standing(0, DOWN), found, END, is_down)
    assert all(one.end <= after.start for one, after in pairwise(result))


def test_an_outage_begins_when_it_began_and_may_not_be_over():
    found = intervals(Standing(-500, DOWN), [Change(10, UP), Change(50, DOWN)], END, is_down)
    assert found == [Interval(-500, 10, over=True), Interval(50, 60, over=False)]


def test_slow_is_not_down():
    assert intervals(Standing(0, SLOW), [], END, is_down) == []


def test_maintenance_ends_an_outage_and_what_is_still_down_after_it_is_one_again():
    found = [Change(10, admin=MAINTENANCE), Change(20, admin=ACTIVE)]
    assert intervals(Standing(0, DOWN), found, END, is_down) == [
        Interval(0, 10),
        Interval(20, 60, over=False),
    ]
    assert intervals(Standing(0, DOWN), found, END, is_out) == [Interval(0, 60, over=False)]


@given(st.lists(lists, min_size=1, max_size=4))
def test_common_is_when_all_of_them_held(several):
    expected = set.intersection(*map(held, several))
    assert held(common(several)) == expected


def test_what_is_common_is_over_when_the_first_of_them_is():
    assert common([[Interval(0, 60, over=False)], [Interval(10, 20)]]) == [Interval(10, 20)]
    both = [[Interval(0, 60, over=False)], [Interval(10, 60, over=False)]]
    assert common(both) == [Interval(10, 60, over=False)]


def test_nobody_has_nothing_in_common():
    assert common([]) == []


@given(lists, st.integers(0, END), st.integers(0, END))
def test_seconds_in_a_part_of_the_time(found, start, end):
    assert seconds_in(found, start, end) == len(held(found) & set(range(start, end)))


@given(lists, st.integers(1, 20), st.integers(1, 10), st.integers(-10, END))
def test_cells_have_their_part(found, width, size, start):
    cells = Cells(start, width, size)
    into = [0.0] * size
    for one in found:
        cells.add(into, one.start, one.end)
    for index, seconds in enumerate(into):
        begin = start + index * width
        assert seconds == len(held(found) & set(range(begin, begin + width)))


@given(st.floats(0, 1e10), st.floats(0.1, 1e6), st.integers(1, 200), st.floats(0, 1))
def test_all_of_a_time_lands_in_the_cells(start, width, size, share):
    into = [0.0] * size
    end = start + width * size
    Cells(start, width, size).add(into, start, end, share)
    assert sum(into) == pytest.approx((end - start) * share)
