"""First available: in order, up to what each can hold."""

from proxy.core.balancing.first_available import FirstAvailable
from proxy.testing.balancers import make_backends


def test_the_first_is_filled_before_the_second_gets_anything() -> None:
    peers = make_backends(1, 9, 1, max_connections=2)
    balancer = FirstAvailable(peers)
    taken = []
    while (pick := balancer.pick()) is not None:
        pick.take()
        taken.append(pick.id)
    assert taken == [1, 1, 2, 2, 3, 3]
    peers[0].give_back()
    assert balancer.pick() is peers[0]


def test_one_without_a_limit_takes_all() -> None:
    a, b = make_backends(1, 1)
    a.in_flight = 10_000
    assert FirstAvailable([a, b]).pick() is a
    assert FirstAvailable([a, b]).pick({a}) is b
