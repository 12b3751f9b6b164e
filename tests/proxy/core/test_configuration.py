"""A snapshot made ready to run, or refused without a trace."""

from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from pool.choices import algorithm_names
from pool.snapshot import BackendSpec, BalancingPolicy, PoolSpec, RouteSpec, Snapshot
from proxy.core import balancing
from proxy.core.balancing import UnknownAlgorithm, balancer_class
from proxy.core.configuration import Configuration
from proxy.core.exchange import Exchange

SnapshotOf = Callable[..., Snapshot]
SpecOf = Callable[..., BackendSpec]


@pytest.fixture
def pool_spec(backend_spec: SpecOf) -> Callable[..., PoolSpec]:
    def build(number: int, *backends: int, **fields: str) -> PoolSpec:
        specs = tuple(backend_spec(backend) for backend in backends)
        return PoolSpec(**{"id": number, "name": f"p{number}", "backends": specs, **fields})

    return build


PoolSpecOf = Callable[..., PoolSpec]


def test_routes_lead_to_their_pools(snapshot_of: SnapshotOf, pool_spec: PoolSpecOf) -> None:
    configuration = Configuration(
        snapshot_of(
            pool_spec(1, 1),
            pool_spec(2, 2),
            routes=[
                RouteSpec(id=1, pool_id=1),
                RouteSpec(id=2, pool_id=2, path_prefix="/two"),
                RouteSpec(id=3, pool_id=99, path_prefix="/gone"),
            ],
        )
    )
    route = configuration.router.match(b"h", b"/two/x")
    assert route is not None
    assert route.pool is configuration.pools[2]
    gone = configuration.router.match(b"h", b"/gone")
    assert gone is not None
    assert gone.id == 1
    assert configuration.pool_of_backend[2] is configuration.pools[2]


def test_the_empty_configuration_matches_nothing() -> None:
    assert Configuration().router.match(b"h", b"/") is None


def test_live_state_moves_over(snapshot_of: SnapshotOf, pool_spec: PoolSpecOf) -> None:
    old = Configuration(snapshot_of(pool_spec(1, 1, 2)))
    new = Configuration(snapshot_of(pool_spec(1, 2, 3)), old)
    assert new.pools[1].backends[2] is old.pools[1].backends[2]


@pytest.mark.parametrize("place", [0, 1])
def test_an_unknown_algorithm_leaves_what_runs_as_it_is(
    snapshot_of: SnapshotOf, pool_spec: PoolSpecOf, backend_spec: SpecOf, place: int
) -> None:
    running = Configuration(snapshot_of(pool_spec(1, 1, 2)))
    pool = running.pools[1]
    pools = [pool_spec(1, 2, 3), PoolSpec(id=2, name="p2", algorithm="astrology")]
    if place == 0:
        pools.reverse()
    with pytest.raises(UnknownAlgorithm, match="astrology"):
        Configuration(snapshot_of(*pools), running)
    picks = [pool.choose() for _ in range(10)]
    assert {pick.id for pick in picks if pick is not None} == {1, 2}


def test_a_fallback_that_needs_a_key_itself_is_refused(snapshot_of: SnapshotOf) -> None:
    """The control plane knows its own ones; of others' it knows the name alone."""
    pool = PoolSpec(id=1, name="shop", balancing=BalancingPolicy(fallback="maglev"))
    with pytest.raises(UnknownAlgorithm, match=r"'maglev' needs a key itself.*'shop'"):
        Configuration(snapshot_of(pool))


def test_each_algorithm_is_looked_up_once(
    snapshot_of: SnapshotOf, pool_spec: PoolSpecOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look-up searches all installed packages: a thousand of them would hold traffic up."""
    balancer_class.cache_clear()
    looked_up: list[str] = []
    entry_points = balancing.entry_points

    def counting(*, group: str, name: str) -> EntryPoints:
        looked_up.append(name)
        return entry_points(group=group, name=name)

    monkeypatch.setattr(balancing, "entry_points", counting)
    Configuration(snapshot_of(*(pool_spec(number) for number in range(1, 50))))
    assert looked_up == ["weighted_round_robin"]


@pytest.mark.parametrize("name", algorithm_names())
def test_each_installed_algorithm_can_be_loaded(name: str) -> None:
    assert balancer_class(name)([]).pick() is None


@pytest.mark.parametrize("value", ["no.such:Thing", "proxy.core.balancing:Nothing", "os:path"])
def test_an_entry_point_that_leads_nowhere_is_an_unknown_algorithm(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    entry = EntryPoint(name="x", value=value, group="lbsite.algorithms")
    monkeypatch.setattr(balancing, "entry_points", lambda **_: EntryPoints([entry]))
    with pytest.raises(UnknownAlgorithm, match=value):
        balancer_class("x")


def test_a_request_that_is_tried_again_finds_tiers_that_have_got_other_numbers(
    snapshot_of: SnapshotOf, backend_spec: SpecOf
) -> None:
    def of_tier(tier: int) -> Snapshot:
        backends = (backend_spec(1, tier=tier), backend_spec(2, tier=tier))
        return snapshot_of(PoolSpec(id=1, name="shop", backends=backends))

    old = Configuration(of_tier(0))
    under_way = Exchange(old.pools[1], True)
    Configuration(of_tier(1), old)
    assert under_way.choose().id in (1, 2)
