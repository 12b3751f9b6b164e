"""Circuits beside probes, over two workers: who is tried, and where traffic goes."""

from collections.abc import Callable, Iterator

import msgspec
import pytest
from redis import Redis

from pool import bus
from pool import models as rows
from pool import publish as publishing
from pool.choices import CircuitState
from pool.circuits import script
from pool.circuits.records import Circuit
from pool.connection import redis_client
from pool.health.prober import Prober
from pool.snapshot import CircuitPolicy, HealthPolicy
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.client import Client
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.waiting import wait_until

pytestmark = pytest.mark.django_db

MakeBackend = Callable[..., Backend]
StartEdge = Callable[..., Edge]

LASTING = CircuitPolicy(threshold=3, open_time=600.0, max_open_time=600.0, successes=2)
PROBES = HealthPolicy(
    path="/health",
    interval=1.0,
    timeout=1.0,
    fast_interval=0.2,
    down_interval=0.2,
    rise=2,
    fall=2,
)


def fail_unless_probed(call: Call) -> None:
    if call.target == PROBES.path:
        call.answer(b"well")
    else:
        call.answer(b"no", status="500 Internal Server Error")


class Site:
    """An edge of two workers, and the prober that Celery runs, ticked while a test waits."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self.prober = Prober(edge.redis, 4)

    def serve(self, *backends: Backend, **policies: object) -> None:
        specs = (backend.spec() for backend in backends)
        self.edge.serve(*specs, workers=2, **{"circuit": LASTING, "health": PROBES} | policies)

    def ask(self) -> str:
        """Who answers, on a connection of its own: any worker may get it."""
        with Client(self.edge.port) as client:
            return client.get().backend

    def each_answers(self) -> set[str]:
        """Who answers when each worker is asked."""
        with self.edge.client_of_each_worker() as clients:
            return {client.get().backend for client in clients for _ in range(5)}

    def circuit_of(self, backend: Backend) -> Circuit:
        redis: Redis = self.edge.redis
        record = redis.hget(bus.CIRCUITS_KEY, str(backend.id))
        return script.read_circuit(record) if record else Circuit()  # type: ignore[arg-type]

    def is_healthy(self, backend: Backend) -> bool:
        return b'"healthy"' in (self.edge.redis.hget(bus.HEALTH_KEY, str(backend.id)) or b"")  # type: ignore[operator]

    def until(self, what: str, met: Callable[[], object]) -> None:
        def tick() -> object:
            self.prober.tick()
            self.ask()
            return met()

        wait_until(what, tick)


@pytest.fixture
def site(start_edge: StartEdge) -> Iterator[Site]:
    site = Site(start_edge("--workers", "2"))
    yield site
    site.prober.close()


@pytest.fixture
def published(site: Site, settings: object) -> Iterator[Callable[..., None]]:
    """Publishes these backends as the admin does, the first one with another URL."""
    settings.LB_REDIS_URL = site.edge.redis_server.url  # type: ignore[attr-defined]
    redis_client.cache_clear()
    columns = {f"circuit_{name}": getattr(LASTING, name) for name in ("threshold", "open_time")}
    pool = rows.Pool.objects.create(
        name="shop", health_enabled=False, circuit_max_open_time=600.0, **columns
    )
    rows.Route.objects.create(pool=pool)

    def publish(first: Backend, other: Backend, url: str) -> None:
        for one, at in ((first, url), (other, other.url)):
            rows.Backend.objects.update_or_create(
                pk=one.id, defaults={"pool": pool, "name": one.name, "url": at}
            )
        site.edge.wait_for(publishing.publish().number, workers=2)

    yield publish
    redis_client.cache_clear()


def test_a_backend_that_its_probes_find_well_again_serves_before_its_circuits_time(
    site: Site, backend: MakeBackend
) -> None:
    a, b = backend("a"), backend("b")
    site.serve(a, b)
    site.until("the probes pass", lambda: site.is_healthy(a))
    a.script = fail_unless_probed
    site.until("its circuit opens", lambda: site.circuit_of(a).state is CircuitState.OPEN)
    a.stop()
    site.until("the probes fail", lambda: not site.is_healthy(a))
    a.script = a.echo
    a.start()
    site.until("its circuit closes", lambda: site.circuit_of(a).state is CircuitState.CLOSED)
    wait_until("both serve", lambda: site.each_answers() == {"a", "b"})
    told = [entry[bus.EVENTS_FIELD] for _, entry in site.edge.redis.xrange(bus.EVENTS_STREAM)]
    assert sum(b"probes pass again" in one for one in told) == 1


def test_probes_that_pass_all_along_do_not_shorten_the_circuits_time(
    site: Site, backend: MakeBackend
) -> None:
    a, b = backend("a", fail_unless_probed), backend("b")
    site.serve(a, b)
    site.until("its circuit opens", lambda: site.circuit_of(a).state is CircuitState.OPEN)
    probed = len(a.calls)
    site.until("it is probed again", lambda: len(a.calls) > probed + 2)
    assert site.circuit_of(a).generation == 1
    assert site.each_answers() == {"b"}


def test_a_backend_whose_url_is_changed_serves_at_once(
    site: Site, backend: MakeBackend, published: Callable[..., None]
) -> None:
    old, b, new = backend("old", fail_unless_probed), backend("b"), backend("new")
    published(old, b, url=old.url)
    site.until("its circuit opens", lambda: site.circuit_of(old).state is CircuitState.OPEN)
    published(old, b, url=new.url)
    wait_until("the new one serves", lambda: site.each_answers() == {"new", "b"})
    assert site.circuit_of(old).state is CircuitState.CLOSED


def test_a_tier_lost_to_circuits_is_told_as_a_failover(
    site: Site, backend: MakeBackend, db: None
) -> None:
    a, backup = backend("a", fail_unless_probed), backend("backup")
    pool = rows.Pool.objects.create(pk=1, name="shop")
    for one in (a, backup):
        rows.Backend.objects.create(pk=one.id, pool=pool, name=one.name, url=one.url)
    circuit = msgspec.structs.replace(LASTING, max_open=100)
    specs = a.spec(), backup.spec(tier=1)
    site.edge.serve(*specs, workers=2, health=PROBES, circuit=circuit)
    told = rows.Event.objects.filter(kind="failover")
    site.until("the failover is told", told.exists)
    assert told.get().data["cause"] == "tier 0: 0 of 1 backends well, 1 circuit open"
    assert site.is_healthy(a)
    wait_until("both workers know", lambda: site.each_answers() == {"backup"})
