"""Explanations against what the core really does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pool.bus import HealthStatus
from pool.choices import AdminState, HealthState, TierMode
from pool.obstacles import Obstacle
from pool.snapshot import BackendSpec, PoolSpec, RouteSpec, TierPolicy
from proxy.core.balancing import balancer_class
from proxy.core.explain import explain_pool, explain_routes, rehearse
from proxy.core.pool import Pool
from proxy.core.routing import Route, Router
from proxy.core.succession import build_pool

UNHEALTHY = HealthStatus(state=HealthState.UNHEALTHY, since=0, reason="HTTP 503")


def by_name(pool, **question):
    return {backend.name: backend for backend in explain_pool(pool, **question).backends}


def reasons(pool, **question):
    return {name: backend.passed_over for name, backend in by_name(pool, **question).items()}


def lost_by(router, host, path):
    return [(route.id, route.lost_by) for route in explain_routes(router, host, path)]


def test_the_winner_comes_first_and_the_others_say_what_they_lost_by(router_of):
    router = router_of(
        {},
        {"host": "*.shop.test"},
        {"host": "a.shop.test"},
        {"host": "a.shop.test", "path_prefix": "/api"},
        {"path_prefix": "/api", "priority": -1},
        {"host": "other.test"},
    )
    assert lost_by(router, b"a.shop.test", b"/api/x") == [
        (4, ""),
        (3, "prefix / is shorter than /api"),
        (2, "*.shop.test is less specific than a.shop.test"),
        (1, "any host is less specific than a.shop.test"),
        (5, "priority -1 is below 0"),
    ]


def test_a_higher_priority_wins_over_what_is_more_specific(router_of):
    router = router_of({"priority": 3}, {"host": "a.test", "path_prefix": "/api"})
    assert lost_by(router, b"a.test", b"/api") == [(1, ""), (2, "priority 0 is below 3")]


def test_nothing_matches_nothing(router_of):
    assert explain_routes(router_of({"host": "a.test"}), b"b.test", b"/") == []


routes = st.lists(
    st.fixed_dictionaries(
        {
            "host": st.sampled_from(["", "a.b.test", "*.b.test", "*.test"]),
            "path_prefix": st.sampled_from(["/", "/x", "/x/y"]),
            "priority": st.integers(-1, 1),
        }
    ),
    max_size=8,
    unique_by=lambda route: (route["host"], route["path_prefix"]),
)


@given(routes)
def test_the_explained_winner_is_the_router_s(router_of_any, routes):
    router = router_of_any(*routes)
    match = router.match(b"a.b.test", b"/x/y/z")
    explained = explain_routes(router, b"a.b.test", b"/x/y/z")
    assert [one.id for one in explained if not one.lost_by] == ([match.id] if match else [])
    assert len(explained) == sum(route["host"] != "c.test" for route in routes)


@pytest.fixture(scope="module")
def router_of_any():
    spec = PoolSpec(id=1, name="web")
    pool = build_pool(spec, balancer_class(spec.algorithm), None, 0)
    return lambda *specs: Router(
        Route(RouteSpec(id=number, pool_id=1, **fields), pool)
        for number, fields in enumerate(specs, 1)
    )


def test_each_backend_that_is_not_chosen_from_has_its_reason(pool_of, backend_spec):
    pool = pool_of(
        [
            backend_spec(1, name="serves"),
            backend_spec(2, name="ill"),
            backend_spec(3, name="drained", admin_state=AdminState.DRAINING),
            backend_spec(4, name="repaired", admin_state=AdminState.MAINTENANCE),
            backend_spec(5, name="weightless", weight=0),
            backend_spec(6, name="full", max_connections=1),
            backend_spec(7, name="lower", tier=1),
            backend_spec(8, name="second", backup_of=1),
            backend_spec(9, name="tried"),
        ],
        tiers=TierPolicy(overprovisioning=200),
    )
    pool.set_health(2, UNHEALTHY)
    pool.backends[6].take()
    explained = by_name(pool, tried={pool.backends[9]})
    assert {name: backend.passed_over for name, backend in explained.items()} == {
        "serves": None,
        "ill": Obstacle.UNHEALTHY,
        "drained": Obstacle.DRAINING,
        "repaired": Obstacle.MAINTENANCE,
        "weightless": Obstacle.NO_WEIGHT,
        "full": Obstacle.FULL,
        "lower": Obstacle.LOWER_TIER,
        "second": Obstacle.STAND_IN,
        "tried": Obstacle.TRIED,
    }
    assert explained["ill"].detail == "HTTP 503"
    assert explained["full"].detail == "1 of 1 in flight."
    assert explained["lower"].detail == "Tier 0 serves."
    assert explained["second"].detail == "It takes the place of serves while that one is out."


def test_a_stand_in_has_the_place_of_the_one_that_is_out(pool_of, backend_spec):
    pool = pool_of([backend_spec(1, name="a", weight=5), backend_spec(2, name="b", backup_of=1)])
    pool.set_health(1, UNHEALTHY)
    explained = by_name(pool)
    assert explained["a"].passed_over is Obstacle.UNHEALTHY
    assert (explained["b"].passed_over, explained["b"].weight) == (None, 5)


def test_in_panic_the_unhealthy_are_chosen_from_and_it_is_said(pool_of, backend_spec):
    pool = pool_of([backend_spec(number) for number in (1, 2, 3)])
    for number in (1, 2):
        pool.set_health(number, UNHEALTHY)
    assert set(reasons(pool).values()) == {None}
    assert "panic" in by_name(pool)["b1"].detail
    assert explain_pool(pool).tiers[0].panic


def test_spill_over_is_told_in_percent(pool_of, backend_spec):
    specs = [backend_spec(number, tier=number > 2) for number in (1, 2, 3, 4)]
    pool = pool_of(specs, tiers=TierPolicy(mode=TierMode.SPILL_OVER))
    pool.set_health(1, UNHEALTHY)
    assert [(tier.tier, tier.percent) for tier in explain_pool(pool).tiers] == [(0, 70), (1, 30)]


def test_scores_are_the_algorithm_s(pool_of, backend_spec):
    pool = pool_of([backend_spec(1, name="a"), backend_spec(2, name="b")])
    assert {backend.score for backend in by_name(pool).values()} == {None}
    pool = pool_of(
        [backend_spec(1, name="a", weight=2), backend_spec(2, name="b")],
        algorithm="least_connections",
    )
    for number in (1, 1, 1, 2):
        pool.backends[number].take()
    assert [backend.score for backend in explain_pool(pool).backends] == [1.5, 1.0]


def test_a_rehearsal_tells_the_next_and_the_long_run(pool_of, backend_spec):
    pool = pool_of([backend_spec(1, name="a", weight=5), backend_spec(2, name="b")])
    rehearsal = rehearse(pool, None, 600)
    assert rehearsal.first == "a"
    assert rehearsal.shares == {"a": 83.3, "b": 16.7}


def test_a_rehearsal_with_nobody_there_chooses_nobody(pool_of):
    rehearsal = rehearse(pool_of([]), None, 10)
    assert (rehearsal.first, rehearsal.shares) == (None, {})


specs = st.lists(
    st.fixed_dictionaries(
        {
            "weight": st.integers(0, 2),
            "tier": st.integers(0, 2),
            "admin_state": st.sampled_from(AdminState),
            "max_connections": st.integers(0, 1),
        }
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=150)
@given(specs, st.data())
def test_who_has_no_reason_is_who_gets_requests(specs, data):
    """The reasons and the choice never part, whatever the pool is like."""
    ids = range(1, len(specs) + 1)
    stood_in_for = {n: data.draw(st.sampled_from([0, 0, *(i for i in ids if i != n)])) for n in ids}
    # A stand-in has none itself.
    backup_of = {n: m if m and not stood_in_for[m] else 0 for n, m in stood_in_for.items()}
    backends = tuple(
        BackendSpec(id=n, name=f"b{n}", url=f"http://b{n}", backup_of=backup_of[n], **spec)
        for n, spec in zip(ids, specs, strict=True)
    )
    policy = TierPolicy(
        mode=data.draw(st.sampled_from(TierMode)),
        panic_threshold=data.draw(st.sampled_from([0, 50])),
    )
    spec = PoolSpec(id=1, name="web", backends=backends, tiers=policy)
    pool: Pool = build_pool(spec, balancer_class("weighted_round_robin"), None, 0)
    for number in ids:
        if data.draw(st.booleans()):
            pool.set_health(number, UNHEALTHY)
        if data.draw(st.booleans()):
            pool.backends[number].take()
    chosen_from = {name for name, reason in reasons(pool).items() if reason is None}
    shares = rehearse(pool, None, 400).shares
    if chosen_from:
        assert set(shares) >= chosen_from
    # Where a tier with a share is full, others serve in its place.
    others = set(shares) - chosen_from
    assert {reasons(pool)[name] for name in others} <= {Obstacle.LOWER_TIER}
