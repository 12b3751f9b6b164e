"""Response heads are parsed once for all connections, and rendered once for all equal rules."""

import pytest

from pool.choices import HeaderAction
from pool.snapshot import HeaderRule, PoolSpec, RouteSpec, build
from proxy.core.configuration import Configuration
from proxy.core.rules import HeaderRules, made_ready
from proxy.engine.known_heads import MAX_KNOWN, MAX_KNOWN_BYTES, MAX_SENT, KnownHeads
from proxy.errors import BadResponse

SET_X = HeaderRule(action=HeaderAction.SET, name="X-Pool", value="shop")


def raw(number: int = 0, length: int = 20) -> bytes:
    field = b"X: %0*d\r\n" % (length, number)
    return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n%b\r\n" % field


@pytest.fixture
def heads() -> KnownHeads:
    return KnownHeads()


def test_connections_share_what_an_equal_head_means(heads: KnownHeads) -> None:
    assert heads.parse(raw(1)) is heads.parse(raw(1))
    assert heads.parse(raw(1)) is not heads.parse(raw(2))


def test_each_set_of_rules_has_a_rendering_of_its_own(heads: KnownHeads) -> None:
    known = heads.parse(raw())
    plain, marked = HeaderRules(()), HeaderRules((SET_X,))
    assert b"X-Pool" not in known.render(plain)
    assert b"X-Pool: shop\r\n" in known.render(marked)
    assert known.sent == {plain: known.render(plain), marked: known.render(marked)}


def test_what_is_malformed_is_refused_each_time_and_not_kept(heads: KnownHeads) -> None:
    for _ in range(2):
        with pytest.raises(BadResponse):
            heads.parse(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n")


def test_what_is_kept_is_bounded(heads: KnownHeads) -> None:
    first = heads.parse(raw(0))
    for number in range(1, MAX_KNOWN + 1):
        heads.parse(raw(number))
    assert heads.parse(raw(0)) is not first
    large = raw(length=MAX_KNOWN_BYTES)
    assert heads.parse(large) is not heads.parse(large)
    for _ in range(3 * MAX_SENT):
        first.render(HeaderRules(()))
        assert len(first.sent) <= MAX_SENT


def test_routes_with_the_same_rules_share_them() -> None:
    routes = [RouteSpec(id=n, pool_id=1, host=f"{n}.test") for n in (1, 2, 3)]
    routes += [RouteSpec(id=4, pool_id=1, host="4.test", response_rules=(SET_X,))]
    pool = PoolSpec(id=1, name="shop")
    configuration = Configuration(build(1, (pool,), tuple(routes)))
    first, second, third, other = (route.response_rules for route in configuration.routes)
    assert first is second is third
    assert first is not other
    assert other is made_ready((SET_X,))
