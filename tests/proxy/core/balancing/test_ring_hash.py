"""Ring hash: where keys go, which ones move, and how much a popular one may take."""

from collections import Counter
from collections.abc import Sequence
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.snapshot import BalancingPolicy
from proxy.core.backend import Backend
from proxy.core.balancing.hashing import stable_hash
from proxy.core.balancing.ring import SEGMENTS, Ring
from proxy.core.balancing.ring_hash import RingHash
from proxy.testing.balancers import make_backends

KEYS = [b"client %d" % number for number in range(2000)]

PINNED = [3, 4, 4, 1, 4, 3, 4, 3, 2, 2, 4, 3, 1, 4, 2, 3]


def placed(backends: Sequence[Backend], keys: Sequence[bytes] = KEYS) -> list[int]:
    """Where each key goes, by the backend's id."""
    balancer = RingHash(backends)
    return [pick.id for key in keys if (pick := balancer.pick(key=key))]


def test_where_keys_go_is_the_same_in_every_process_and_version() -> None:
    """Pinned: another result would move every client's session at an upgrade."""
    assert placed(make_backends(1, 1, 2, 5), KEYS[:16]) == PINNED


@given(st.lists(st.integers(1, 4), min_size=2, max_size=8), st.data())
def test_only_the_keys_of_one_that_goes_are_moved(weights: list[int], data: st.DataObject) -> None:
    peers = make_backends(*weights)
    gone = data.draw(st.sampled_from(peers))
    before = placed(peers, KEYS[:200])
    after = placed([peer for peer in peers if peer is not gone], KEYS[:200])
    for key_before, key_after in zip(before, after, strict=True):
        assert key_after == key_before or key_before == gone.id


@given(st.lists(st.integers(1, 4), min_size=2, max_size=6), st.data())
def test_more_weight_only_draws_keys_and_less_only_gives_them_away(
    weights: list[int], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(weights) - 1))
    heavier = [*weights]
    heavier[place] += data.draw(st.integers(1, 3))
    before = placed(make_backends(*weights), KEYS[:200])
    after = placed(make_backends(*heavier), KEYS[:200])
    for key_before, key_after in zip(before, after, strict=True):
        assert key_after in (key_before, place + 1)


@given(st.data())
def test_how_the_set_came_about_does_not_matter(data: st.DataObject) -> None:
    """One worker has seen backends come and go and grow, another one starts with what is left."""
    everybody = make_backends(1, 2, 1, 3, 1, 2)
    old = RingHash([])
    for _ in range(data.draw(st.integers(1, 5))):
        peers = data.draw(st.lists(st.sampled_from(everybody), unique=True, min_size=1))
        for peer in peers:
            peer.weight = data.draw(st.sampled_from([0.1, 0.55, 1, 2, 3.5]))
        old.update(peers)
        old.pick(key=b"any")
    new = RingHash(peers[::-1])
    for key in KEYS[:100]:
        assert old.pick(key=key) is new.pick(key=key)


@pytest.mark.parametrize("weights", [(1, 1, 1, 1), (5, 3, 1, 1), (100, 50, 25), (0.5, 1, 2)])
def test_shares_go_by_weight(weights: Sequence[float]) -> None:
    counts = Counter(placed(make_backends(*weights)))
    for place, weight in enumerate(weights, 1):
        assert counts[place] / len(KEYS) == pytest.approx(weight / sum(weights), rel=0.25)


def test_there_are_160_points_a_unit_of_weight() -> None:
    ring = Ring()
    ring.update(make_backends(1, 3))
    segments = [ring._make(number) for number in range(SEGMENTS)]
    assert sum(map(len, segments)) == 160 * (1 + 3)


def test_a_recovering_backend_gets_its_own_keys_back_bit_by_bit() -> None:
    a, b = make_backends(1, 1)
    whole = placed([a, b])
    b.weight = 0.25
    partly = placed([a, b])
    assert 0 < partly.count(b.id) < whole.count(b.id) / 2
    for now, at_last in zip(partly, whole, strict=True):
        assert now == at_last or now == a.id


def test_health_that_comes_and_goes_moves_no_point() -> None:
    peers = make_backends(1, 1, 1)
    ring = Ring()
    ring.update(peers)
    segments = [ring._make(number) for number in range(SEGMENTS)]
    ring.update(peers[1:])
    ring.update(peers)
    assert all(one is other for one, other in zip(ring._segments, segments, strict=True))


def test_every_backend_is_named_once_in_the_ring_s_order() -> None:
    peers = make_backends(1, 200, 0.01, 3)
    ring = Ring()
    ring.update(peers)
    for point in (0, 2**63, 2**64 - 1):
        order = list(ring.successors(point))
        assert len(order) == 4
        assert set(order) == set(peers)
    ring.update([])
    assert list(ring.successors(5)) == []


# --- bounded load ---


def test_a_popular_key_overflows_to_the_next_on_the_ring() -> None:
    peers = make_backends(1, 1, 1, 1)
    balancer = RingHash(peers)
    order = list(balancer._ring.successors(stable_hash(b"popular")))
    for number in range(40):
        pick = balancer.pick(key=b"popular")
        assert pick is not None
        allowed = max(1, ceil((number + 1) * 1.25 / 4))
        before = order[: order.index(pick)]
        assert all(peer.in_flight >= allowed for peer in before)
        pick.take()
        assert pick.in_flight <= allowed
    assert sum(peer.in_flight for peer in peers) == 40


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.sampled_from([1.0, 1.25, 2.0]))
def test_nobody_has_more_than_the_bound(weights: list[int], factor: float) -> None:
    peers = make_backends(*weights)
    balancer = RingHash(peers, policy=BalancingPolicy(bounded_load=factor))
    for number in range(60):
        pick = balancer.pick(key=KEYS[number % 3])
        assert pick is not None
        pick.take()
        bound = ceil((number + 1) * factor * pick.weight / sum(weights) - 1e-9)
        assert pick.in_flight <= max(1, bound)


def test_without_a_bound_equal_keys_stay_together_whatever_the_load() -> None:
    peers = make_backends(1, 1, 1)
    balancer = RingHash(peers, policy=BalancingPolicy(bounded_load=0))
    owner = balancer.pick(key=b"popular")
    assert owner is not None
    owner.in_flight = 1000
    assert balancer.pick(key=b"popular") is owner


def test_if_all_that_may_serve_are_at_their_bound_the_first_of_them_serves() -> None:
    a, b = make_backends(1, 1)
    a.in_flight = 10
    assert RingHash([a, b]).pick({b}, b"key") is a
