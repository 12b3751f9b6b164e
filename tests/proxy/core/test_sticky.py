"""Marks, where clients carry them, and what becomes of the fields around them."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.choices import AdminState, CookieSecure, HeaderAction, HealthState, SameSite, StickyMode
from pool.snapshot import BackendSpec, HeaderRule, PoolSpec, Snapshot, StickyPolicy
from proxy.core.backend import Backend
from proxy.core.balancing.round_robin import RoundRobin
from proxy.core.configuration import Configuration
from proxy.core.exchange import Exchange
from proxy.core.head.message import Headers
from proxy.core.marks import Marks
from proxy.core.pool import Pool
from proxy.core.rules import HeaderRules
from proxy.core.sticky import Stickiness, build_stickiness
from proxy.core.succession import build_pool
from proxy.errors import ConnectFailed, NoBackend

KEY = b"k" * 32
SPECS = tuple(
    BackendSpec(id=number, name=name, url=f"http://10.0.0.{number}")
    for number, name in enumerate("abc", 1)
)
NO_RULES = HeaderRules(())

PoolOf = Callable[..., Pool]
HealthOf = Callable[..., Any]


@pytest.fixture
def pool(pool_of: PoolOf) -> Pool:
    return pool_of(SPECS)


@pytest.fixture
def a(pool: Pool) -> Backend:
    return pool.backends[1]


@pytest.fixture
def b(pool: Pool) -> Backend:
    return pool.backends[2]


@pytest.fixture
def marks(pool: Pool) -> Marks:
    return Marks(KEY, 1, pool.backends.values())


@pytest.fixture
def sticky(pool_of: PoolOf, pool: Pool) -> Callable[..., Stickiness]:
    """`sticky("cookie", name=…)`: over the backends of `pool`."""

    def build(mode: str, key: bytes = KEY, **fields: Any) -> Stickiness:
        policy = StickyPolicy(mode=StickyMode(mode), **({"name": "lb"} | fields))
        after = pool_of(SPECS, pool, sticky=policy)
        return build_stickiness(after, Marks(key, 1, after.backends.values()))

    return build


StickyOf = Callable[..., Stickiness]


def cookies(*values: bytes) -> Headers:
    return [(b"Accept", b"*/*"), *((b"Cookie", value) for value in values)]


def answered(
    sticky: Stickiness,
    backend: Backend,
    *headers: tuple[bytes, bytes],
    preferred: Backend | None = None,
    rules: HeaderRules = NO_RULES,
    https: bool = False,
) -> Headers:
    return sticky.response_rules(rules, backend, preferred, https=https).apply(list(headers))


# --- marks ---


def test_a_mark_leads_to_its_backend(marks: Marks, pool: Pool) -> None:
    for backend in pool.backends.values():
        mark = marks.of(backend)
        assert re.fullmatch(rb"[A-Za-z0-9_-]{24}", mark)
        assert marks.backend(mark) is backend


def test_marks_are_the_same_wherever_the_key_is(marks: Marks, pool_of: PoolOf, a: Backend) -> None:
    elsewhere = pool_of(SPECS[:1])
    assert Marks(KEY, 1, elsewhere.backends.values()).of(elsewhere.backends[1]) == marks.of(a)
    # As it was given out: clients carry it through any change of this code.
    assert marks.of(a) == b"IRvpnv4gKiW4BfUOEOq1J9Wt"


def test_another_key_pool_or_backend_has_another_mark(marks: Marks, pool: Pool) -> None:
    backends = pool.backends.values()
    every = [
        m.of(x)
        for m in (marks, Marks(b"x", 1, backends), Marks(KEY, 2, backends))
        for x in backends
    ]
    assert len(set(every)) == len(every)


def test_the_key_is_not_shown(marks: Marks) -> None:
    assert repr(KEY)[2:-1] not in repr(marks)
    assert not hasattr(marks, "__dict__")


@given(value=st.binary(min_size=1))
def test_a_marked_value_comes_back_as_it_was(value: bytes) -> None:
    backend = Backend(SPECS[0])
    marks = Marks(KEY, 1, [backend])
    marked = marks.put_before(value, backend)
    if value in (b'"', b'""'):
        assert marked == value
    else:
        assert marks.take_off(marked) == (value, backend)


@given(value=st.binary())
def test_a_value_without_a_mark_is_left_alone(value: bytes) -> None:
    assert Marks(KEY, 1, [Backend(SPECS[0])]).take_off(value) == (value, None)


def test_a_mark_stands_inside_the_quotes(marks: Marks, a: Backend) -> None:
    assert marks.put_before(b'"x"', a) == b'"' + marks.of(a) + b'~x"'


@pytest.mark.parametrize("value", [b"", b'""'])
def test_nothing_is_not_marked(marks: Marks, a: Backend, value: bytes) -> None:
    assert marks.put_before(value, a) == value


@given(place=st.integers(0, 23), difference=st.integers(1, 255))
def test_a_changed_mark_is_none(place: int, difference: int) -> None:
    backend = Backend(SPECS[0])
    marks = Marks(KEY, 1, [backend])
    forged = bytearray(marks.of(backend))
    forged[place] ^= difference
    assert marks.backend(bytes(forged)) is None
    value = bytes(forged) + b"~value"
    assert marks.take_off(value)[1] is None


def test_the_mark_of_a_backend_that_is_gone_or_elsewhere_is_taken_off(
    marks: Marks, a: Backend, b: Backend
) -> None:
    without_b = Marks(KEY, 1, [a])
    assert without_b.take_off(marks.put_before(b"s", b)) == (b"s", None)
    other_pool = Marks(KEY, 2, [a])
    assert marks.take_off(other_pool.put_before(b"s", a)) == (b"s", None)


def test_another_installations_mark_is_none(marks: Marks, a: Backend) -> None:
    value = Marks(b"another key", 1, [a]).put_before(b"s", a)
    assert marks.take_off(value) == (value, None)


# --- a cookie of the edge's own ---


def test_its_cookie_names_the_backend_and_is_kept_from_it(
    sticky: StickyOf, marks: Marks, a: Backend
) -> None:
    read = sticky("cookie").read(cookies(b"x=1; lb=" + marks.of(a) + b"; y=2"))
    assert read == (cookies(b"x=1; y=2"), a)


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        ([b"lb=M"], []),
        ([b"lb=M;"], []),
        ([b"lb=M; x=1"], [b"x=1"]),
        ([b"x=1; lb=M"], [b"x=1"]),
        ([b"x=1;lb=M;y=2"], [b"x=1;y=2"]),
        ([b'lb="M"; x=1'], [b"x=1"]),
        ([b" lb = M ;x=1"], [b"x=1"]),
        ([b"x=1", b"lb=M", b"y=2"], [b"x=1", b"y=2"]),
        ([b"lb=forged; lb=M; lb="], []),
        ([b"lb=forged", b"lb=M"], []),
        ([b"x=lb=M; albl=M; LB=M; lb; =lb; lb=M"], [b"x=lb=M; albl=M; LB=M; lb; =lb"]),
        ([b'x="1; lb=M; 2"'], [b'x="1; 2"']),
    ],
)
def test_other_cookies_pass_untouched(
    sticky: StickyOf, marks: Marks, a: Backend, sent: list[bytes], left: list[bytes]
) -> None:
    sent = [value.replace(b"M", marks.of(a)) for value in sent]
    left = [value.replace(b"M", marks.of(a)) for value in left]
    assert sticky("cookie").read(cookies(*sent)) == (cookies(*left), a)


def test_of_two_marks_the_first_counts(
    sticky: StickyOf, marks: Marks, a: Backend, b: Backend
) -> None:
    # RFC 6265 §5.4: the cookie of the longer path comes first.
    read = sticky("cookie").read(cookies(b"lb=%b; lb=%b" % (marks.of(b), marks.of(a))))
    assert read == (cookies(), b)


@pytest.mark.parametrize("sent", [[], [b"x=1"], [b""], [b"x=1; y=lb"], [b";; ,"]])
def test_who_brings_no_cookie_asks_for_nobody(sticky: StickyOf, sent: list[bytes]) -> None:
    for mode in ("cookie", "app_cookie"):
        assert sticky(mode).read(cookies(*sent)) == (cookies(*sent), None)


def test_a_mark_that_leads_nowhere_asks_for_nobody(sticky: StickyOf, pool: Pool) -> None:
    backends = pool.backends.values()
    first = pool.backends[1]
    for mark in (
        b"",
        b"forged",
        b"A" * 24,
        Marks(b"another key", 1, backends).of(first),
        Marks(KEY, 2, backends).of(first),
        Marks(KEY, 1, [gone := Backend(BackendSpec(id=9, name="g", url="http://g"))]).of(gone),
    ):
        assert sticky("cookie").read(cookies(b"lb=" + mark)) == (cookies(), None)


@given(value=st.binary(max_size=60))
def test_no_cookie_breaks_the_reading(value: bytes) -> None:
    spec = PoolSpec(id=1, name="p", sticky=StickyPolicy(mode=StickyMode.COOKIE))
    pool = build_pool(spec, RoundRobin, None, 0)
    headers, preferred = build_stickiness(pool, Marks(KEY, 1)).read([(b"cookie", value)])
    assert preferred is None
    pairs = [pair for _, left in headers for pair in left.split(b";")]
    assert not any(re.match(rb"[ \t]*lb[ \t]*=", pair) for pair in pairs)


def set_cookie(headers: Headers) -> list[bytes]:
    return [value for name, value in headers if name == b"Set-Cookie"]


@pytest.mark.parametrize(
    ("fields", "https", "attributes"),
    [
        ({}, False, b"; Path=/; SameSite=Lax; HttpOnly"),
        ({}, True, b"; Path=/; SameSite=Lax; Secure; HttpOnly"),
        ({"lifetime": 60}, False, b"; Path=/; Max-Age=60; SameSite=Lax; HttpOnly"),
        ({"secure": CookieSecure.NEVER}, True, b"; Path=/; SameSite=Lax; HttpOnly"),
        ({"secure": CookieSecure.ALWAYS}, False, b"; Path=/; SameSite=Lax; Secure; HttpOnly"),
        ({"same_site": SameSite.STRICT, "http_only": False}, False, b"; Path=/; SameSite=Strict"),
        ({"same_site": SameSite.NONE}, True, b"; Path=/; SameSite=None; Secure; HttpOnly"),
        # A browser would refuse it with SameSite=None.
        ({"same_site": SameSite.NONE}, False, b"; Path=/; HttpOnly"),
    ],
)
def test_the_cookie_has_the_attributes_of_the_policy(
    sticky: StickyOf,
    marks: Marks,
    a: Backend,
    fields: dict[str, Any],
    https: bool,
    attributes: bytes,
) -> None:
    headers = answered(sticky("cookie", name="S", **fields), a, https=https)
    assert set_cookie(headers) == [b"S=" + marks.of(a) + attributes]


def test_the_cookie_is_set_once(sticky: StickyOf, a: Backend) -> None:
    assert answered(sticky("cookie"), a, (b"X", b"y"), preferred=a) == [(b"X", b"y")]


def test_the_cookie_is_set_anew_when_the_client_moves(
    sticky: StickyOf, marks: Marks, a: Backend, b: Backend
) -> None:
    [cookie] = set_cookie(answered(sticky("cookie"), b, preferred=a))
    assert cookie.startswith(b"lb=" + marks.of(b))


def test_a_lifetime_begins_again_with_each_response(sticky: StickyOf, a: Backend) -> None:
    assert set_cookie(answered(sticky("cookie", lifetime=60), a, preferred=a))


def test_no_backend_sets_the_edges_cookie(sticky: StickyOf, marks: Marks, a: Backend) -> None:
    foreign = [
        (b"set-cookie", b"lb=forged; Path=/"),
        (b"Set-Cookie", b" lb =x"),
        (b"Set-Cookie", b"lb2=stays"),
        (b"Set-Cookie", b"x=lb=1"),
    ]
    assert set_cookie(answered(sticky("cookie"), a, *foreign, preferred=a)) == [
        b"lb2=stays",
        b"x=lb=1",
    ]
    assert len(set_cookie(answered(sticky("cookie"), a, *foreign))) == 3


@pytest.mark.parametrize(
    ("said", "private"),
    [
        ([], True),
        ([b"public, max-age=60"], True),
        ([b'private="X-A"'], True),
        ([b"max-age=1, Private"], False),
        ([b"no-cache", b"no-store"], False),
    ],
)
def test_no_shared_cache_stores_the_cookie(
    sticky: StickyOf, a: Backend, said: list[bytes], private: bool
) -> None:
    headers = [(b"cache-control", value) for value in said]
    added = answered(sticky("cookie"), a, *headers)[len(headers) + 1 :]
    assert added == [(b"Cache-Control", b"private")] * private
    assert answered(sticky("cookie"), a, *headers, preferred=a) == headers


def test_an_operators_rules_come_first(sticky: StickyOf, a: Backend) -> None:
    rules = HeaderRules([HeaderRule(action=HeaderAction.REMOVE, name="Set-Cookie")])
    [cookie] = set_cookie(answered(sticky("cookie"), a, (b"Set-Cookie", b"x=1"), rules=rules))
    assert cookie.startswith(b"lb=")


@pytest.mark.parametrize("mode", ["cookie", "app_cookie", "header"])
def test_equal_changes_are_one_object(sticky: StickyOf, a: Backend, b: Backend, mode: str) -> None:
    one = sticky(mode)
    rules = one.response_rules(NO_RULES, a, None, https=False)
    assert one.response_rules(NO_RULES, a, None, https=False) is rules
    assert one.response_rules(NO_RULES, b, None, https=False) is not rules
    assert one.response_rules(HeaderRules(()), a, None, https=False) is not rules
    assert rules


# --- a cookie of the application's ---


def test_the_applications_cookie_is_marked_and_comes_back_bare(
    sticky: StickyOf, marks: Marks, a: Backend
) -> None:
    app = sticky("app_cookie", name="JSESSIONID")
    [(_, other), (name, cookie)] = answered(
        app, a, (b"Set-Cookie", b"x=1"), (b"set-cookie", b"JSESSIONID=abc=; Path=/app; Secure")
    )
    assert (other, name) == (b"x=1", b"set-cookie")
    assert cookie == b"JSESSIONID=" + marks.of(a) + b"~abc=; Path=/app; Secure"
    carried = b"x=1; " + cookie.partition(b";")[0] + b"; y=2"
    assert app.read(cookies(carried)) == (cookies(b"x=1; JSESSIONID=abc=; y=2"), a)


def test_each_cookie_of_that_name_is_marked_and_read(
    sticky: StickyOf, marks: Marks, a: Backend
) -> None:
    mark = marks.of(a)
    app = sticky("app_cookie")
    headers = answered(app, a, (b"Set-Cookie", b"lb=1"), (b"Set-Cookie", b"lb=2; Path=/x"))
    assert set_cookie(headers) == [b"lb=" + mark + b"~1", b"lb=" + mark + b"~2; Path=/x"]
    sent = cookies(b"lb=%b~1; lb=bare" % mark, b"lb=%b~2" % mark)
    assert app.read(sent) == (cookies(b"lb=1; lb=bare", b"lb=2"), a)


@pytest.mark.parametrize("deleted", [b"lb=; Max-Age=0", b'lb=""', b"lb", b"; lb=1"])
def test_a_deleted_or_broken_cookie_is_passed_on(
    sticky: StickyOf, a: Backend, deleted: bytes
) -> None:
    assert set_cookie(answered(sticky("app_cookie"), a, (b"Set-Cookie", deleted))) == [deleted]


@pytest.mark.parametrize("value", [b"bare", b"a~b", b"~", b"forged~x", b"A" * 24 + b"~x", b'"q"'])
def test_a_value_without_a_mark_passes_and_asks_for_nobody(sticky: StickyOf, value: bytes) -> None:
    sent = cookies(b"x=1; lb=" + value)
    assert sticky("app_cookie").read(sent) == (sent, None)
    field: Headers = [(b"LB", value)]
    assert sticky("header").read(field) == (field, None)


@pytest.mark.parametrize("key", [KEY, b"another" * 5])
def test_marks_are_the_same_whatever_the_configuration_follows(
    snapshot_of: Callable[..., Snapshot], key: bytes
) -> None:
    def snapshot(*specs: BackendSpec) -> Snapshot:
        policy = StickyPolicy(mode=StickyMode.COOKIE)
        return snapshot_of(PoolSpec(id=1, name="p", sticky=policy, backends=specs))

    first, second, _ = SPECS
    moved = BackendSpec(id=second.id, name="b", url="http://elsewhere")
    before = Configuration(snapshot(first, second), sticky_key=KEY)
    after = Configuration(snapshot(first, moved, SPECS[2]), before, sticky_key=key)
    backends = after.pools[1].backends
    marks = Marks(key, 1, backends.values())
    for backend in backends.values():
        read = after.sticky[1].read(cookies(b"lb=" + marks.of(backend)))
        assert read == (cookies(), backend)


def test_the_application_gets_its_value_when_its_backend_is_gone(
    sticky: StickyOf, marks: Marks, pool_of: PoolOf, b: Backend
) -> None:
    policy = StickyPolicy(mode=StickyMode.APP_COOKIE)
    pool = pool_of(SPECS[:1], sticky=policy)
    without_b = build_stickiness(pool, Marks(KEY, 1, pool.backends.values()))
    read = without_b.read(cookies(b"lb=" + marks.put_before(b"session", b)))
    assert read == (cookies(b"lb=session"), None)


# --- a header field ---


def test_the_field_is_marked_and_comes_back_bare(
    sticky: StickyOf, marks: Marks, a: Backend
) -> None:
    mcp = sticky("header", name="Mcp-Session-Id")
    headers = answered(mcp, a, (b"mcp-session-id", b"1868a90c"), (b"X-Other", b"1"))
    assert headers == [(b"mcp-session-id", marks.of(a) + b"~1868a90c"), (b"X-Other", b"1")]
    read = mcp.read([(b"MCP-SESSION-ID", headers[0][1]), (b"X-Other", b"1")])
    assert read == ([(b"MCP-SESSION-ID", b"1868a90c"), (b"X-Other", b"1")], a)


def test_without_the_field_nothing_changes(sticky: StickyOf, a: Backend) -> None:
    other: Headers = [(b"X-Other", b"1")]
    assert answered(sticky("header"), a, *other) == other
    assert sticky("header").read(other) == (other, None)


# --- whom the exchange takes ---


def chosen(pool: Pool, preferred: Backend) -> Backend:
    exchange = Exchange(pool, idempotent=True, preferred=preferred)
    backend = exchange.choose()
    exchange.finish()
    return backend


def test_a_client_keeps_its_backend(pool: Pool) -> None:
    for backend in pool.backends.values():
        assert {chosen(pool, backend) for _ in range(5)} == {backend}


@pytest.mark.parametrize(
    ("fields", "state", "keeps"),
    [
        ({}, HealthState.UNKNOWN, True),
        ({}, HealthState.DEGRADED, True),
        ({}, HealthState.UNHEALTHY, False),
        ({"admin_state": AdminState.DRAINING}, HealthState.HEALTHY, True),
        ({"admin_state": AdminState.DRAINING}, HealthState.UNHEALTHY, False),
        ({"admin_state": AdminState.MAINTENANCE}, HealthState.HEALTHY, False),
        ({"weight": 0}, HealthState.HEALTHY, True),
        ({"tier": 1}, HealthState.HEALTHY, True),
    ],
)
def test_who_keeps_clients(
    pool_of: PoolOf, health: HealthOf, fields: dict[str, Any], state: HealthState, keeps: bool
) -> None:
    first = BackendSpec(id=1, name="a", url="http://10.0.0.1", **fields)
    pool = pool_of([first, *SPECS[1:]])
    pool.set_health(1, health(state))
    assert (chosen(pool, pool.backends[1]) is pool.backends[1]) is keeps


def test_a_full_backend_lets_its_client_go_elsewhere(pool_of: PoolOf) -> None:
    first = BackendSpec(id=1, name="a", url="http://10.0.0.1", max_connections=1)
    pool = pool_of([first, *SPECS[1:]])
    a = pool.backends[1]
    busy = Exchange(pool, idempotent=True, preferred=a)
    assert busy.choose() is a
    assert chosen(pool, a) is not a
    busy.finish()
    assert chosen(pool, a) is a


def test_a_backend_that_has_failed_is_not_tried_again(pool_of: PoolOf) -> None:
    draining = BackendSpec(id=1, name="a", url="http://a", admin_state=AdminState.DRAINING)
    pool = pool_of([draining])
    exchange = Exchange(pool, idempotent=True, preferred=pool.backends[1])
    exchange.choose()
    assert exchange.failed(ConnectFailed(), replayable=True)
    with pytest.raises(NoBackend):
        exchange.choose()


# --- configurations ---


def test_only_sticky_pools_pay(snapshot_of: Callable[..., Snapshot]) -> None:
    policy = StickyPolicy(mode=StickyMode.COOKIE)
    pools = (
        PoolSpec(id=1, name="one", backends=SPECS[:1]),
        PoolSpec(id=2, name="two", backends=SPECS[1:], sticky=policy),
    )
    assert Configuration(snapshot_of(*pools), sticky_key=KEY).sticky.keys() == {2}
    assert Configuration(snapshot_of(*pools)).sticky == {}
