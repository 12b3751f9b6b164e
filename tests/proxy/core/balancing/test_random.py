"""Random, and the draws on which all that goes by chance is built."""

from collections import Counter
from collections.abc import Callable
from random import Random as Rng

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.backend import Backend
from proxy.core.balancing.random import Random
from proxy.testing.balancers import make_backends

Backends = Callable[..., list[Backend]]
DRAWS = 40_000


def shares(counts: Counter[int], total: int) -> list[float]:
    return [counts[place] / total for place in sorted(counts)]


def test_shares_go_by_weight() -> None:
    peers = make_backends(5, 3, 1.5, 0.5)
    balancer = Random(peers, rng=Rng(1))
    picked = Counter(pick.id for _ in range(DRAWS) if (pick := balancer.pick()))
    assert shares(picked, DRAWS) == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.01)


def test_the_others_keep_their_proportions_while_one_is_out() -> None:
    a, b, c = peers = make_backends(4, 3, 1)
    balancer = Random(peers, rng=Rng(2))
    picked = Counter(pick.id for _ in range(DRAWS) if (pick := balancer.pick({a})))
    assert shares(picked, DRAWS) == pytest.approx([0.75, 0.25], abs=0.01)
    assert set(picked) == {b.id, c.id}


def test_a_second_draw_is_by_weight_among_the_others() -> None:
    """Moving a repetition on to the next one would give all of it to the heavy one's neighbour."""
    balancer = Random(make_backends(6, 2, 1, 1), rng=Rng(3))
    seconds = Counter(balancer.draw_another(0, frozenset()) for _ in range(DRAWS))
    assert shares(seconds, DRAWS) == pytest.approx([0.5, 0.25, 0.25], abs=0.01)


@given(st.lists(st.floats(0.01, 1000), min_size=2, max_size=8), st.integers(0, 2**32))
def test_two_draws_are_always_distinct(weights: list[float], seed: int) -> None:
    balancer = Random(make_backends(*weights), rng=Rng(seed))
    for _ in range(50):
        first = balancer.draw(frozenset())
        second = balancer.draw_another(first, frozenset())
        assert {first, second} <= set(range(len(weights)))
        assert first != second


def test_the_last_one_with_room_is_found_among_a_thousand() -> None:
    peers = make_backends(*[1] * 1000, max_connections=1)
    for peer in peers[1:]:
        peer.in_flight = 1
    balancer = Random(peers, rng=Rng(4))
    assert {balancer.pick() for _ in range(20)} == {peers[0]}
    assert balancer.draw_another(0, frozenset()) == -1


def test_a_draw_does_not_look_at_the_peers_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    available = Backend.available

    def counting(backend: Backend) -> bool:
        nonlocal asked
        asked += 1
        return available(backend)

    monkeypatch.setattr(Backend, "available", counting)
    balancer = Random(make_backends(*[1] * 1000), rng=Rng(5))
    for _ in range(100):
        balancer.pick()
    assert asked == 100
