"""From a real backend's answers through the prober to where an edge sends its requests."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec
import pytest

from pool import bus
from pool import models as rows
from pool.bus import HealthStatus
from pool.choices import HealthState, ProbeKind
from pool.health.prober import Prober
from pool.snapshot import BackendSpec, HealthOverrides, HealthPolicy
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.client import Client
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]

# With patience: a busy machine is no failure of a backend.
FAST = HealthPolicy(interval=1.0, timeout=1.0, fast_interval=0.2, down_interval=0.2, rise=2, fall=2)


class Probed:
    """An edge, and the prober that Celery runs, ticked while the test waits."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self.prober = Prober(edge.redis, 8)
        edge.redis.delete(bus.PANIC_KEY, bus.PANIC_ALARMS)

    def serve(self, *specs: BackendSpec, health: HealthPolicy) -> None:
        pool = rows.Pool.objects.create(pk=1, name="shop")
        for spec in specs:
            rows.Backend.objects.create(pk=spec.id, pool=pool, name=spec.name, url=spec.url)
        self.edge.serve(*specs, health=health)

    def until(self, spec: BackendSpec, state: HealthState) -> str:
        """The reason why it is in that state, once it is."""

        def reached() -> object:
            self.prober.tick()
            status = self.status(spec)
            return status is not None and status.state is state

        wait_until(f"{spec.name} is {state}", reached, patience=30)
        status = self.status(spec)
        assert status is not None
        return status.reason

    def until_told(self, *kinds: str) -> None:
        """Until the timeline tells just this of the pool."""

        def told() -> bool:
            self.prober.tick()
            events = rows.Event.objects.filter(pool=1, backend=None).order_by("at")
            return list(events.values_list("kind", flat=True)) == list(kinds)

        wait_until(f"{kinds} are told", told, patience=30)

    def status(self, spec: BackendSpec) -> HealthStatus | None:
        raw = self.edge.redis.hget(bus.HEALTH_KEY, str(spec.id))
        return msgspec.json.decode(raw, type=HealthStatus) if raw else None

    def shares(self, count: int) -> Counter[str]:
        with Client(self.edge.port) as client:
            return Counter(client.get().backend for _ in range(count))

    def until_shares(self, count: int, expected: dict[str, int]) -> None:
        wait_until(f"shares are {expected}", lambda: self.shares(count) == expected)


@pytest.fixture
def probed(edge: Edge, db: None) -> Iterator[Probed]:
    probed = Probed(edge)
    yield probed
    probed.prober.close()


class Condition:
    """How a backend answers to probes of /up; traffic gets its echo."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.body = b"ready"
        self.late = 0.0
        backend.script = self._answer

    def _answer(self, call: Call) -> None:
        if call.target != "/up":
            self.backend.echo(call)
            return
        time.sleep(self.late)  # being slow is what it is asked for
        call.answer(self.body)


def test_a_verdict_by_the_body_acts_and_so_does_the_recovery(
    probed: Probed, backend: MakeBackend
) -> None:
    a, b = backend("a"), backend("b")
    condition, _ = Condition(a), Condition(b)
    health = msgspec.structs.replace(FAST, path="/up", body="^ready$")
    probed.serve(a.spec(), b.spec(), health=health)
    probed.until(a.spec(), HealthState.HEALTHY)
    condition.body = b"migrating"
    reason = probed.until(a.spec(), HealthState.UNHEALTHY)
    assert reason == "status 200, but the body does not contain ^ready$"
    probed.until_shares(8, {"b": 8})
    condition.body = b"ready"
    probed.until(a.spec(), HealthState.HEALTHY)
    probed.until_shares(8, {"a": 4, "b": 4})


def test_a_slow_backend_is_degraded_and_has_its_part_until_it_is_fast_again(
    probed: Probed, backend: MakeBackend
) -> None:
    a, b = backend("a"), backend("b")
    condition, _ = Condition(a), Condition(b)
    health = msgspec.structs.replace(FAST, path="/up", degraded_latency=0.4, degraded_weight=25)
    probed.serve(a.spec(), b.spec(), health=health)
    probed.until(a.spec(), HealthState.HEALTHY)
    condition.late = 0.5
    reason = probed.until(a.spec(), HealthState.DEGRADED)
    assert re.search(r"but only after \d+\.\d+ s \(limit 0\.4 s\)", reason)
    probed.until_shares(10, {"a": 2, "b": 8})
    condition.late = 0.0
    probed.until(a.spec(), HealthState.HEALTHY)
    probed.until_shares(10, {"a": 5, "b": 5})


def test_a_backend_is_judged_by_its_own_checks(probed: Probed, backend: MakeBackend) -> None:
    a, b, sidecar = backend("a"), backend("b"), backend("sidecar")
    own = HealthOverrides(url=sidecar.url, kind=ProbeKind.TCP)
    a_spec = a.spec(health=own)
    probed.serve(a_spec, b.spec(), health=FAST)
    assert probed.until(a_spec, HealthState.HEALTHY) == "connected"
    sidecar.stop()
    assert probed.until(a_spec, HealthState.UNHEALTHY) == "connection refused"
    probed.until_shares(4, {"b": 4})
    assert not [call for call in a.calls if call.headers.get("user-agent") == "lbsite-health"]


def test_panic_is_told_when_it_begins_and_when_it_is_over(
    probed: Probed, backend: MakeBackend
) -> None:
    a, b, c = (backend(name) for name in "abc")
    probed.serve(a.spec(), b.spec(), c.spec(), health=FAST)
    probed.until(c.spec(), HealthState.HEALTHY)
    b.stop()
    c.stop()
    probed.until_told("panic")
    assert probed.shares(30) == {"a": 30}  # the dead are asked too, and their share comes back
    b.start()
    probed.until_told("panic", "pool_recovered")
