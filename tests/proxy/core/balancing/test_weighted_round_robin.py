"""Smooth weighted round robin: nginx's sequence, its shares, and what it costs."""

from bisect import insort
from collections import Counter, deque
from collections.abc import Callable, Container, Sequence, Set
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.snapshot import BackendSpec
from proxy.core.backend import Backend
from proxy.core.balancing.base import NOTHING
from proxy.core.balancing.weighted_round_robin import WeightedRoundRobin

Backends = Callable[..., list[Backend]]


class Naive:
    """ngx_http_upstream_get_peer and its free_peer, step by step, with max_fails=1.

    A set that has changed is brought back to currents that add up to nothing, as
    they always do in nginx, where a peer that is down keeps its own. Peers that
    cannot be taken gain nothing if they recover, or if it would have been their turn.
    """

    def __init__(self, backends: Sequence[Backend]) -> None:
        self.current: dict[Backend, float] = {}
        self.effective: dict[Backend, float] = {}
        self.weight: dict[Backend, float] = {}
        self.update(backends)

    def update(self, backends: Sequence[Backend]) -> None:
        kept = {peer: self.current[peer] for peer in backends if peer in self.current}
        mean = sum(kept.values()) // len(kept) if kept else 0
        self.current = {peer: kept[peer] - mean if peer in kept else 0 for peer in backends}
        lowered = {peer: has for peer, has in self.effective.items() if has < self.weight[peer]}
        self.weight = {peer: peer.weight for peer in backends}
        self.effective = {peer: min(lowered.get(peer, w), w) for peer, w in self.weight.items()}

    def failed(self, backend: Backend) -> None:
        if backend in self.effective:
            self.effective[backend] = max(0, self.effective[backend] - self.weight[backend] / 1)

    def pick(self, out: Set[Backend] = NOTHING) -> Backend | None:
        gained: dict[Backend, float] = {}
        for peer, effective in self.effective.items():
            recovers = effective < self.weight[peer]
            if not (recovers and peer in out):
                self.current[peer] += effective
                gained[peer] = effective
                self.effective[peer] = min(effective + 1, self.weight[peer])
        left = list(self.current)
        while left:
            best = max(left, key=lambda peer: self.current[peer])  # the first of equals
            if best not in out:
                self.current[best] -= sum(gained.values())
                return best
            self.current[best] -= gained.pop(best, 0)
            left.remove(best)
        return None


def make(place: int, weight: int) -> Backend:
    return Backend(
        BackendSpec(id=place + 1, name=f"b{place}", url="http://10.0.0.1", weight=weight)
    )


def reweigh(backend: Backend, weight: int) -> None:
    spec = backend.spec
    backend.configure(BackendSpec(id=spec.id, name=spec.name, url=spec.url, weight=weight))


def names(balancer: WeightedRoundRobin, count: int, excluded: Container[Backend] = NOTHING) -> str:
    picks = [balancer.pick(excluded) for _ in range(count)]
    return "".join(pick.spec.name if pick is not None else "-" for pick in picks)


weights = st.lists(st.integers(1, 1000), min_size=1, max_size=12)


def test_weights_5_1_1_give_nginx_s_sequence_again_and_again(backends: Backends) -> None:
    assert names(WeightedRoundRobin(backends(5, 1, 1)), 21) == "aabacaa" * 3


def test_equal_weights_go_in_order(backends: Backends) -> None:
    assert names(WeightedRoundRobin(backends(7, 7, 7)), 9) == "abcabcabc"


@given(weights=weights, count=st.integers(1, 3000))
def test_the_sequence_is_nginx_s_to_the_letter(weights: list[int], count: int) -> None:
    peers = [make(place, weight) for place, weight in enumerate(weights)]
    balancer, naive = WeightedRoundRobin(peers), Naive(peers)
    for _ in range(count):
        assert balancer.pick() is naive.pick()


@given(data=st.data())
def test_the_sequence_stays_nginx_s_while_peers_come_go_and_change_weight(
    data: st.DataObject,
) -> None:
    everybody = [make(place, 1) for place in range(6)]
    balancer, naive = WeightedRoundRobin(everybody), Naive(everybody)
    for _ in range(data.draw(st.integers(1, 8))):
        peers = data.draw(st.lists(st.sampled_from(everybody), unique=True))
        for peer in peers:
            reweigh(peer, data.draw(st.integers(1, 20)))
        balancer.update(peers)
        naive.update(peers)
        for _ in range(data.draw(st.integers(0, 60))):
            assert balancer.pick() is naive.pick()


@given(weights=weights)
def test_an_update_that_changes_nothing_does_not_disturb_the_sequence(weights: list[int]) -> None:
    peers = [make(place, weight) for place, weight in enumerate(weights)]
    balancer, naive = WeightedRoundRobin(peers), Naive(peers)
    for _ in range(50):
        balancer.update(peers)
        assert balancer.pick() is naive.pick()


@given(weights=st.lists(st.integers(1, 60), min_size=1, max_size=10))
def test_each_cycle_gives_each_peer_exactly_its_weight(weights: list[int]) -> None:
    peers = [make(place, weight) for place, weight in enumerate(weights)]
    balancer = WeightedRoundRobin(peers)
    for _ in range(3):
        picked = Counter(balancer.pick() for _ in range(sum(weights)))
        assert [picked[peer] for peer in peers] == weights


@given(weights=st.lists(st.integers(1, 50), min_size=2, max_size=10))
def test_nobody_starves(weights: list[int]) -> None:
    """Smoothness: two turns of a peer are never further apart than twice its fair distance."""
    peers = [make(place, weight) for place, weight in enumerate(weights)]
    total = sum(weights)
    balancer = WeightedRoundRobin(peers)
    turns: dict[Backend | None, list[int]] = {peer: [] for peer in peers}
    for turn in range(3 * total):
        turns[balancer.pick()].append(turn)
    for peer, taken in turns.items():
        assert peer is not None
        fair = Fraction(total, peer.spec.weight)
        assert max(later - earlier for earlier, later in pairwise(taken)) <= 2 * fair


# --- peers that cannot be taken ---


@given(
    weights=weights,
    full=st.sets(st.integers(0, 11)),
    tried=st.sets(st.integers(0, 11)),
)
def test_never_a_full_or_an_excluded_peer(
    weights: list[int], full: set[int], tried: set[int]
) -> None:
    peers = [
        Backend(BackendSpec(id=place + 1, name="b", url="http://h", weight=w, max_connections=1))
        for place, w in enumerate(weights)
    ]
    for place in full & set(range(len(peers))):
        peers[place].in_flight = 1
    excluded = {peers[place] for place in tried if place < len(peers)}
    usable = {peer for peer in peers if peer.available()} - excluded
    balancer = WeightedRoundRobin(peers)
    for _ in range(30):
        pick = balancer.pick(excluded)
        assert (pick in usable) if usable else (pick is None)


def test_nobody_at_all_is_none(backends: Backends) -> None:
    balancer = WeightedRoundRobin([])
    assert balancer.pick() is None
    balancer.update(backends(1))
    assert names(balancer, 2) == "aa"


def test_turns_in_which_nobody_could_be_taken_leave_no_trace(backends: Backends) -> None:
    peers = backends(5, 1, 1)
    balancer = WeightedRoundRobin(peers)
    assert names(balancer, 100, excluded=set(peers)) == "-" * 100
    assert names(balancer, 7) == "aabacaa"


@pytest.mark.parametrize("how", ["excluded", "full", "removed"])
def test_the_others_keep_their_proportions_while_a_peer_is_out(
    backends: Backends, how: str
) -> None:
    """Caddy's weighted round robin indexes into the list that is left: the next one inherits."""
    a, b, c = backends(6, 3, 1, max_connections=1)
    balancer = WeightedRoundRobin([a, b, c])
    excluded: Container[Backend] = NOTHING
    match how:
        case "excluded":
            excluded = {a}
        case "full":
            a.in_flight = 1
        case "removed":
            balancer.update([b, c])
    picked = Counter(names(balancer, 400, excluded))
    assert picked["a"] == 0
    assert abs(picked["b"] - 300) <= 3


@pytest.mark.parametrize("how", ["excluded", "full", "removed"])
def test_a_peer_that_comes_back_does_not_catch_up_in_a_burst(backends: Backends, how: str) -> None:
    """What a peer missed while it was full is lost to it: the others had to do that work."""
    a, b = backends(1, 1, max_connections=1)
    balancer = WeightedRoundRobin([a, b])
    match how:
        case "excluded":
            names(balancer, 10_000, excluded={a})
        case "full":
            a.in_flight = 1
            names(balancer, 10_000)
            a.in_flight = 0
        case "removed":
            balancer.update([b])
            names(balancer, 10_000)
            balancer.update([a, b])
    picked = Counter(names(balancer, 20))
    assert abs(picked["a"] - picked["b"]) <= 2


@pytest.mark.parametrize("leaves_after_its_turn", [True, False])
def test_a_peer_that_flaps_builds_up_neither_credit_nor_debt(
    backends: Backends, leaves_after_its_turn: bool
) -> None:
    """Health that goes up and down at the same point of the cycle must not let currents drift."""
    a, b, c = backends(1, 1, 1)
    balancer = WeightedRoundRobin([a, b, c])
    for _ in range(500):
        for _ in range(6):
            if (balancer.pick() is a) is leaves_after_its_turn:
                break
        balancer.update([b, c])
        balancer.pick()
        balancer.update([a, b, c])
    picked = Counter(names(balancer, 30))
    assert max(picked.values()) - min(picked[name] for name in "abc") <= 2


def test_max_connections_are_respected(backends: Backends) -> None:
    peers = backends(10, 1, max_connections=2)
    balancer = WeightedRoundRobin(peers)
    for _ in range(4):
        pick = balancer.pick()
        assert pick is not None
        pick.in_flight += 1
    assert [peer.in_flight for peer in peers] == [2, 2]
    assert balancer.pick() is None


# --- peers that fail ---

eighths = st.integers(1, 80).map(lambda eighth: eighth / 8)  # which floats hold exactly


@given(data=st.data(), some_weights=st.sampled_from([st.integers(1, 20), eighths]))
def test_the_sequence_is_nginx_s_while_peers_fail_and_are_full_and_come_and_go(
    data: st.DataObject, some_weights: st.SearchStrategy[float]
) -> None:
    everybody = [make(place, 1) for place in range(6)]
    some = st.sets(st.sampled_from(everybody), max_size=4)
    balancer, naive = WeightedRoundRobin([]), Naive([])
    for _ in range(data.draw(st.integers(1, 5))):
        peers = data.draw(st.lists(st.sampled_from(everybody), unique=True))
        for peer in peers:
            peer.weight = data.draw(some_weights)
        balancer.update(peers)
        naive.update(peers)
        for _ in range(data.draw(st.integers(0, 12))):
            for peer in data.draw(some):
                balancer.failed(peer)
                naive.failed(peer)
            out = data.draw(some)
            for _ in range(data.draw(st.integers(1, 8))):
                assert balancer.pick(out) is naive.pick(out)
    for _ in range(60):
        assert balancer.pick() is naive.pick()


@given(weights=weights, data=st.data())
def test_a_peer_that_always_fails_takes_the_turns_that_nginx_gives_it(
    weights: list[int], data: st.DataObject
) -> None:
    peers = [make(place, weight) for place, weight in enumerate(weights)]
    dead = data.draw(st.sets(st.sampled_from(peers)))
    balancer, naive = WeightedRoundRobin(peers), Naive(peers)
    for _ in range(200):
        pick = balancer.pick()
        assert pick is naive.pick()
        if pick in dead:
            balancer.failed(pick)
            naive.failed(pick)


def test_a_peer_that_has_failed_misses_turns_and_comes_back_to_its_share(
    backends: Backends,
) -> None:
    a, b, c = backends(5, 1, 1)
    balancer = WeightedRoundRobin([a, b, c])
    assert names(balancer, 1) == "a"
    balancer.failed(a)
    assert names(balancer, 7) == "bcbaaca", "instead of abacaaa"
    picked = Counter(names(balancer, 70))
    assert (picked["a"], picked["b"], picked["c"]) == (50, 10, 10)


@pytest.mark.parametrize("weight_of_a", [20, 12, 4, 1.5])
def test_an_update_does_not_make_up_for_a_failure(backends: Backends, weight_of_a: float) -> None:
    """As while a backend starts slowly, when there are several updates a second."""
    a, b = backends(20, 20)
    balancer, naive = WeightedRoundRobin([a, b]), Naive([a, b])
    for each in (balancer, naive):
        each.failed(a)
    for _ in range(5):
        assert balancer.pick() is naive.pick() is b
    a.weight = weight_of_a
    balancer.update([a, b])
    naive.update([a, b])
    for _ in range(40):
        assert balancer.pick() is naive.pick()


def test_a_peer_that_fails_at_each_try_gets_few_but_is_tried_again(backends: Backends) -> None:
    a, b = backends(20, 20)
    balancer = WeightedRoundRobin([a, b])
    picked: Counter[Backend | None] = Counter()
    for _ in range(1000):
        pick = balancer.pick()
        picked[pick] += 1
        if pick is a:
            balancer.failed(a)
    assert 20 <= picked[a] <= 200, "500 are its share"


def test_peers_that_all_fail_at_each_try_share_as_before(backends: Backends) -> None:
    peers = backends(6, 6, 6)
    balancer = WeightedRoundRobin(peers)
    picked: Counter[Backend] = Counter()
    for _ in range(300):
        pick = balancer.pick()
        assert pick is not None
        picked[pick] += 1
        balancer.failed(pick)
    assert max(picked.values()) - min(picked[peer] for peer in peers) <= 20


def test_the_only_peer_is_picked_although_it_fails(backends: Backends) -> None:
    (a,) = backends(3)
    balancer = WeightedRoundRobin([a])
    for _ in range(10):
        assert balancer.pick() is a
        balancer.failed(a)


def test_a_failure_of_a_peer_of_others_changes_nothing(backends: Backends) -> None:
    a, b, c, stranger = backends(5, 1, 1, 1)
    balancer = WeightedRoundRobin([a, b, c])
    balancer.failed(stranger)
    assert names(balancer, 14) == "aabacaa" * 2


# --- workers ---


def test_each_worker_starts_at_its_own_offset(backends: Backends) -> None:
    peers = backends(5, 1, 1)
    sequence = "aabacaa" * 2
    for offset in range(10):
        start = offset % 7
        assert names(WeightedRoundRobin(peers, offset), 7) == sequence[start : start + 7]


def test_the_offset_waits_for_the_first_peers(backends: Backends) -> None:
    balancer = WeightedRoundRobin([], offset=2)
    balancer.update([])
    peers = backends(5, 1, 1)
    balancer.update(peers)
    assert names(balancer, 3) == "bac"
    balancer.update(peers)
    assert names(balancer, 2) == "aa", "the offset is applied once"


# --- cost ---


@pytest.mark.parametrize("peers", [100, 5_000])
def test_a_pick_does_not_look_at_the_peers_one_by_one(
    peers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks one peer, and puts it behind its equals without looking for its place."""
    asked = 0
    sought = 0
    available = Backend.available

    def counting_available(backend: Backend) -> bool:
        nonlocal asked
        asked += 1
        return available(backend)

    def counting_insort(queue: deque[Any], entry: Any) -> None:
        nonlocal sought
        sought += 1
        insort(queue, entry)

    monkeypatch.setattr(Backend, "available", counting_available)
    monkeypatch.setattr(f"{WeightedRoundRobin.__module__}.insort", counting_insort)
    balancer = WeightedRoundRobin([make(place, 1 + place % 3) for place in range(peers)])
    for _ in range(1000):
        balancer.pick()
    assert (asked, sought) == (1000, 0)


def test_a_pick_looks_at_those_that_recover_and_only_until_they_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Backend] = []

    def available(backend: Backend) -> bool:
        asked.append(backend)
        return True

    monkeypatch.setattr(Backend, "available", available)
    peers = [make(place, 3) for place in range(1000)]
    balancer = WeightedRoundRobin(peers)
    for peer in peers[:5]:
        balancer.failed(peer)
    for _ in range(3):
        asked.clear()
        balancer.pick()
        assert set(peers[:5]) < set(asked)
        assert len(asked) == 6
    asked.clear()
    balancer.pick()
    assert len(asked) == 1
