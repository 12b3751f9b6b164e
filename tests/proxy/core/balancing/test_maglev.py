"""Maglev: exact shares, few moves, and tables that are made a slice at a time."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.backend import Backend
from proxy.core.balancing.maglev import Maglev
from proxy.core.balancing.maglev_table import EMPTY, SIZE, MaglevTable
from proxy.testing.balancers import make_backends

KEYS = [b"client %d" % number for number in range(2000)]

PINNED = [1, 1, 4, 4, 4, 1, 4, 4, 4, 4, 3, 4, 1, 4, 3, 4]


def table(*weights: float) -> MaglevTable:
    made = MaglevTable(tuple(enumerate(weights, 1)))
    while made.work():
        pass
    return made


def ready(backends: Sequence[Backend]) -> Maglev:
    balancer = Maglev(backends)
    while balancer.work():
        pass
    return balancer


def placed(balancer: Maglev, keys: Sequence[bytes] = KEYS) -> list[int]:
    return [pick.id for key in keys if (pick := balancer.pick(key=key))]


def test_weights_1_and_2_have_21846_and_43691_slots() -> None:
    slots = table(1, 2).slots
    assert (slots.count(0), slots.count(1)) == (21_846, 43_691)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 100), min_size=1, max_size=12))
def test_every_slot_is_somebody_s_and_shares_are_exact(weights: list[int]) -> None:
    slots = table(*weights).slots
    for place, weight in enumerate(weights):
        fair = SIZE * weight / sum(weights)
        assert abs(slots.count(place) - fair) <= len(weights) + 1
    assert slots.count(EMPTY) == 0


def test_where_keys_go_is_the_same_in_every_process_and_version() -> None:
    assert placed(ready(make_backends(1, 1, 2, 5)), KEYS[:16]) == PINNED


def test_few_keys_move_that_need_not() -> None:
    peers = make_backends(*[1] * 10)
    before, after = placed(ready(peers)), placed(ready(peers[1:]))
    moved = sum(old not in (1, new) for old, new in zip(before, after, strict=True))
    assert before.count(1) == pytest.approx(len(KEYS) / 10, rel=0.2)
    assert moved <= len(KEYS) * 0.03


def test_the_keys_of_a_full_backend_spread_over_all_others() -> None:
    peers = make_backends(1, 1, 1, 1, max_connections=1)
    balancer = ready(peers)
    before = placed(balancer)
    peers[0].in_flight = 1
    after = placed(balancer)
    moved = Counter(new for old, new in zip(before, after, strict=True) if old == 1)
    assert all(new == old for old, new in zip(before, after, strict=True) if old != 1)
    assert set(moved) == {2, 3, 4}
    assert min(moved.values()) > len(KEYS) / 4 / 3 / 2


# --- while a table is made ---


def test_a_table_takes_many_slices() -> None:
    """One alone would keep an edge from serving for thirty milliseconds."""
    made = table()
    assert made.done
    made = MaglevTable(((1, 1), (2, 1)))
    slices = 1
    while made.work():
        slices += 1
    assert slices > 40


def test_until_its_table_is_done_a_first_set_is_served_all_the_same() -> None:
    peers = make_backends(*[1] * 1000)
    balancer = Maglev(peers)
    assert balancer.work(), "it is not done"
    picked = placed(balancer)
    assert len(picked) == len(KEYS)
    assert len(set(picked)) > 500


def test_while_the_next_table_is_made_keys_go_where_they_went_or_will_go() -> None:
    peers = make_backends(*[1] * 7)
    balancer = ready(peers)
    before = placed(balancer)
    balancer.update(peers[1:])
    during = [placed(balancer)]
    while balancer.work():
        during.append(placed(balancer, KEYS[:50]))
    after = placed(balancer)
    for snapshot in during:
        for old, now, new in zip(before, snapshot, after, strict=False):
            assert now in (old, new) or old == 1
            assert now != 1


def test_a_set_that_comes_back_finds_its_table_done() -> None:
    peers = make_backends(3, 3, 3)
    ready(peers)
    ready(peers[1:])
    assert not Maglev(peers).work()


def test_a_slow_start_takes_few_tables() -> None:
    slow, other = make_backends(1, 1)
    made = set()
    for percent in range(10, 100):
        slow.weight = percent / 100
        balancer = Maglev([slow, other])
        made.add(balancer._table.weights)
    assert len(made) == 8
