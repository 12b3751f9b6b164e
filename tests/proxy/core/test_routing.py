"""Host and path → route: who wins, what is stripped, and how many look-ups it takes."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.snapshot import PoolSpec, RouteSpec
from proxy.core.balancing import balancer_class
from proxy.core.routing import Route, Router
from proxy.core.succession import build_pool

RouterOf = Callable[..., Router]
RouteOf = Callable[..., Route]


def winner(router: Router, host: str, path: str) -> int | None:
    route = router.match(host.encode(), path.encode())
    return None if route is None else route.id


@pytest.mark.parametrize(
    ("pattern", "host", "matches"),
    [
        ("", "shop.example.com", True),
        ("", "", True),
        ("shop.example.com", "shop.example.com", True),
        ("Shop.Example.COM", "shop.example.com", True),
        ("shop.example.com", "example.com", False),
        ("shop.example.com", "x.shop.example.com", False),
        ("shop.example.com", "", False),
        ("*.example.com", "shop.example.com", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.Example.com", "shop.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", ".example.com", False),
        ("*.example.com", "badexample.com", False),
        ("*.example.com", "shop.example.com.evil.org", False),
        ("::1", "[::1]", False),
        ("[::1]", "[::1]", True),
    ],
)
def test_hosts(router_of: RouterOf, pattern: str, host: str, matches: bool) -> None:
    assert winner(router_of({"host": pattern}), host, "/") == (1 if matches else None)


@pytest.mark.parametrize(
    ("prefix", "path", "matches"),
    [
        ("/", "/", True),
        ("/", "/anything/at/all", True),
        ("/", "*", True),
        ("/api", "/api", True),
        ("/api", "/api/", True),
        ("/api", "/api/x", True),
        ("/api/", "/api", True),
        ("/api", "/apix", False),
        ("/api", "/API", False),
        ("/api", "/", False),
        ("/api", "/x/api", False),
        ("/api", "//api", False),
        ("/api/v1", "/api", False),
        ("/api/v1", "/api/v1/x", True),
        ("/api/v1", "/api/v10", False),
    ],
)
def test_prefixes_are_whole_segments(
    router_of: RouterOf, prefix: str, path: str, matches: bool
) -> None:
    assert winner(router_of({"path_prefix": prefix}), "h", path) == (1 if matches else None)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/", 1), ("/a", 2), ("/a/b", 3), ("/a/b/c/d", 3), ("/a/bc", 2), ("/b", 1)],
)
def test_the_longest_prefix_wins(router_of: RouterOf, path: str, expected: int) -> None:
    router = router_of({"path_prefix": "/"}, {"path_prefix": "/a"}, {"path_prefix": "/a/b"})
    assert winner(router, "h", path) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("shop.eu.example.com", 4),
        ("pay.eu.example.com", 3),
        ("eu.example.com", 2),
        ("shop.example.com", 2),
        ("example.com", 1),
        ("", 1),
    ],
)
def test_the_more_specific_host_wins(router_of: RouterOf, host: str, expected: int) -> None:
    router = router_of(
        {"host": ""},
        {"host": "*.example.com"},
        {"host": "*.eu.example.com"},
        {"host": "shop.eu.example.com"},
    )
    assert winner(router, host, "/") == expected


def test_the_host_counts_for_more_than_the_prefix(router_of: RouterOf) -> None:
    router = router_of(
        {"host": "", "path_prefix": "/a/b"}, {"host": "shop.example.com", "path_prefix": "/"}
    )
    assert winner(router, "shop.example.com", "/a/b") == 2


def test_a_specific_host_without_a_fitting_prefix_leaves_it_to_the_others(
    router_of: RouterOf,
) -> None:
    router = router_of({"host": ""}, {"host": "shop.example.com", "path_prefix": "/a"})
    assert winner(router, "shop.example.com", "/b") == 1


@pytest.mark.parametrize(
    "preferred",
    [
        {"host": "", "path_prefix": "/"},
        {"host": "", "path_prefix": "/a"},
        {"host": "*.example.com", "path_prefix": "/"},
    ],
)
def test_priority_counts_for_more_than_anything(
    router_of: RouterOf, preferred: dict[str, Any]
) -> None:
    router = router_of(
        {"host": "shop.example.com", "path_prefix": "/a/b"}, preferred | {"priority": 1}
    )
    assert winner(router, "shop.example.com", "/a/b") == 2


def test_a_negative_priority_makes_a_last_resort(router_of: RouterOf) -> None:
    router = router_of({"host": "shop.example.com", "priority": -1}, {"host": ""})
    assert winner(router, "shop.example.com", "/") == 2


@pytest.mark.parametrize("priorities", [(1, 2), (2, 1)])
def test_of_two_spellings_of_one_route_the_higher_priority_wins(
    router_of: RouterOf, priorities: tuple[int, int]
) -> None:
    first, second = priorities
    router = router_of(
        {"path_prefix": "/api", "priority": first}, {"path_prefix": "/api/", "priority": second}
    )
    assert winner(router, "h", "/api/x") == (1 if first > second else 2)


@pytest.mark.parametrize(
    ("prefix", "path"),
    [
        ("/api", "/%61pi/x"),
        ("/api/v1", "/api/%761"),
        ("/caf%C3%A9", "/caf%c3%a9"),
        ("/%7Eanna", "/~anna/x"),
        ("/~anna", "/%7eanna"),
    ],
)
def test_a_prefix_is_found_however_it_is_encoded(
    router_of: RouterOf, prefix: str, path: str
) -> None:
    assert winner(router_of({"path_prefix": prefix}), "h", path) == 1


def test_an_encoded_slash_ends_no_segment(router_of: RouterOf) -> None:
    assert winner(router_of({"path_prefix": "/a/b"}), "h", "/a%2Fb") is None


def test_no_route_is_none(router_of: RouterOf) -> None:
    assert winner(router_of(), "h", "/") is None


@pytest.mark.parametrize(
    ("prefix", "target", "stripped"),
    [
        ("/api", b"/api", b"/"),
        ("/api", b"/api/", b"/"),
        ("/api", b"/api/x", b"/x"),
        ("/api", b"/api?q=/api", b"/?q=/api"),
        ("/api", b"/api/x?q=1&r=?", b"/x?q=1&r=?"),
        ("/api/", b"/api/x", b"/x"),
        ("/api/v1", b"/api/v1/x", b"/x"),
        ("/api", b"/api//x", b"//x"),
        ("/", b"/x?q", b"/x?q"),
        ("/", b"*", b"*"),
        ("/api", b"/%61p%69/x%2Fy?%61", b"/x%2Fy?%61"),
        ("/api", b"/a%70i", b"/"),
        ("/a/b", b"/%61/%62/c/d", b"/c/d"),
        ("/caf%C3%A9", b"/caf%c3%a9/x", b"/x"),
    ],
)
def test_the_prefix_is_stripped_and_a_path_is_left(
    route_of: RouteOf, prefix: str, target: bytes, stripped: bytes
) -> None:
    assert route_of(prefix, strip_prefix=True).stripped(target) == stripped


def test_without_strip_prefix_the_target_is_untouched(route_of: RouteOf) -> None:
    assert route_of("/api").stripped(b"/api/x?q") == b"/api/x?q"


class _Counting(dict[bytes, Any]):
    """A table that counts how often it was asked."""

    asked = 0

    def get(self, key: bytes, default: Any = None) -> Any:
        type(self).asked += 1
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        type(self).asked += 1
        return super().__contains__(key)


@pytest.mark.parametrize("count", [10, 5_000])
def test_thousands_of_routes_cost_no_more_than_ten(
    router_of: RouterOf, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    router = router_of(
        *({"host": f"h{n}.example.com", "path_prefix": f"/p{n}"} for n in range(count)),
        *({"host": f"*.w{n}.example.com", "path_prefix": f"/p{n}/q"} for n in range(count)),
        *({"host": "", "path_prefix": f"/p{n}"} for n in range(count)),
    )
    wildcard = {suffix: _Counting(table) for suffix, table in router._wildcard.items()}
    monkeypatch.setattr(router, "_wildcard", _Counting(wildcard))
    for table in ("_exact", "_any"):
        monkeypatch.setattr(router, table, _Counting(getattr(router, table)))
    monkeypatch.setattr(_Counting, "asked", 0)
    assert winner(router, "a.w7.example.com", "/p7/q/r/s") == count + 8
    assert _Counting.asked <= 12


def test_a_path_of_a_thousand_segments_costs_no_more_than_the_deepest_route(
    router_of: RouterOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = router_of({"path_prefix": "/"}, {"path_prefix": "/a/b"})
    monkeypatch.setattr(router, "_any", _Counting(router._any))
    monkeypatch.setattr(_Counting, "asked", 0)
    assert winner(router, "h", "/a" * 1000) == 1
    assert _Counting.asked <= 3


# --- the same, worked out by looking at each route ---

HOSTS = ("", "b", "a.b", "c.a.b", "*.b", "*.a.b")
PREFIXES = ("/", "/x", "/x/y", "/z")


def _fits(spec: RouteSpec, host: str, path: str) -> bool:
    suffix = spec.host[1:]
    host_fits = (
        not spec.host
        or spec.host == host
        or (spec.host.startswith("*") and host.endswith(suffix) and host != suffix)
    )
    return host_fits and (path + "/").startswith(spec.path_prefix.rstrip("/") + "/")


def _rank(spec: RouteSpec) -> tuple[int, bool, int, int, int]:
    exact = spec.host != "" and not spec.host.startswith("*")
    return spec.priority, exact, len(spec.host), len(spec.path_prefix), -spec.id


@given(
    st.lists(
        st.tuples(st.sampled_from(HOSTS), st.sampled_from(PREFIXES), st.integers(-2, 2)), max_size=8
    ),
    st.sampled_from(("", "b", "a.b", "c.a.b", "d", "x.c.a.b")),
    st.sampled_from(("/", "/x", "/x/y", "/x/yy", "/z/1/2")),
)
def test_the_winner_is_whom_the_rules_say(
    routes: list[tuple[str, str, int]], host: str, path: str
) -> None:
    specs = [
        RouteSpec(id=number, pool_id=1, host=host, path_prefix=prefix, priority=priority)
        for number, (host, prefix, priority) in enumerate(routes, 1)
    ]
    pool = build_pool(PoolSpec(id=1, name="p"), balancer_class("round_robin"), None, 0)
    router = Router(Route(spec, pool) for spec in specs)
    best = max((spec for spec in specs if _fits(spec, host, path)), key=_rank, default=None)
    assert winner(router, host, path) == (None if best is None else best.id)
