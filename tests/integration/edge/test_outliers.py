"""Outliers through the edge: who answers worse than it should is left alone by all workers."""

import signal
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from pool import bus
from pool.bus import Happening
from pool.choices import CircuitMode
from pool.health.prober import Prober
from pool.outliers.records import Ejection, read_ejections
from pool.snapshot import CircuitPolicy, HealthPolicy, OutlierPolicy, RetryPolicy
from tests.integration.edge.harness.backend import Backend, Call
from tests.integration.edge.harness.client import Client, Response
from tests.integration.edge.harness.processes import Edge
from tests.integration.edge.harness.waiting import wait_until

MakeBackend = Callable[..., Backend]
StartEdge = Callable[..., Edge]

LASTING = OutlierPolicy(
    enabled=True, consecutive_5xx=3, base_time=600.0, max_time=600.0, max_ejected=50
)
SHORT = msgspec.structs.replace(LASTING, base_time=0.5, interval=60.0)
NO_CIRCUITS = CircuitPolicy(mode=CircuitMode.OFF)


def fail(call: Call) -> None:
    if call.target == "/health":
        call.answer(b"well")
    else:
        call.answer(b"no", status="500 Internal Server Error")


FAILURES: dict[str, Callable[[Backend], None]] = {
    "answers 500": lambda backend: setattr(backend, "script", fail),
    "refuses": Backend.stop,
    "resets requests": lambda backend: setattr(backend, "script", lambda call: call.reset()),
}


class Site:
    """An edge of two workers."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge

    def serve(self, *backends: Backend, policy: OutlierPolicy = LASTING, **more: Any) -> None:
        specs = (backend.spec() for backend in backends)
        policies = {"outlier": policy, "circuit": NO_CIRCUITS, "retry": RetryPolicy(attempts=1)}
        self.edge.serve(*specs, workers=2, **policies | more)

    def get(self) -> Response:
        """One request on a connection of its own: any worker may get it."""
        with Client(self.edge.port) as client:
            return client.get()

    def answering(self) -> set[str]:
        """Who answers when each worker is asked."""
        with self.edge.client_of_each_worker() as clients:
            return {client.get().backend for client in clients for _ in range(10)}

    def ejection_of(self, backend: Backend) -> Ejection | None:
        record: Any = self.edge.redis.hget(bus.EJECTIONS_KEY, "1")
        ejection = read_ejections(record).by_id.get(backend.id)
        return None if ejection is None or ejection.ended else ejection

    def until(self, what: str, met: Callable[[], object]) -> None:
        """Requests, one after the other, until it is so."""
        wait_until(what, lambda: (self.get(), met())[1])

    def told(self, backend: Backend) -> list[Happening]:
        entries = self.edge.redis.xrange(bus.EVENTS_STREAM)
        found = [msgspec.json.decode(one[bus.EVENTS_FIELD], type=Happening) for _, one in entries]
        return [one for one in found if one.backend_id == backend.id]

    def kinds(self, backend: Backend) -> list[str]:
        return [one.kind.value for one in self.told(backend)]


@pytest.fixture
def site(start_edge: StartEdge) -> Site:
    return Site(start_edge("--workers", "2"))


@pytest.mark.parametrize("failure", FAILURES)
def test_all_workers_leave_an_outlier_alone(site: Site, backend: MakeBackend, failure: str) -> None:
    bad, good = backend("bad"), backend("good")
    site.serve(bad, good)
    assert site.answering() == {"bad", "good"}
    FAILURES[failure](bad)
    site.until("it is ejected", lambda: site.ejection_of(bad))
    wait_until("both workers know", lambda: site.answering() == {"good"})
    calls, connections = len(bad.calls), bad.connections
    assert site.answering() == {"good"}
    assert (len(bad.calls), bad.connections) == (calls, connections)
    (event,) = site.told(bad)
    assert event.message == "ejected for 600 s (3 failures in a row)"
    assert site.ejection_of(good) is None


def test_it_comes_back_by_itself_and_is_out_for_longer_the_next_time(
    site: Site, backend: MakeBackend
) -> None:
    bad, good = backend("bad", fail), backend("good")
    site.serve(bad, good, policy=SHORT)
    site.until("it was ejected twice", lambda: len(site.told(bad)) >= 4)
    kinds = site.kinds(bad)
    assert kinds[:4] == ["ejected", "unejected"] * 2
    first, back, second = site.told(bad)[:3]
    assert (first.data["times"], second.data["times"]) == (1, 2)
    assert back.at >= first.data["until"]
    assert second.data["until"] - second.at == pytest.approx(2 * (first.data["until"] - first.at))
    bad.script = bad.echo
    wait_until("both serve", lambda: site.answering() == {"bad", "good"})


def test_no_more_than_the_share_are_ejected(site: Site, backend: MakeBackend) -> None:
    backends = [backend(name, fail) for name in "abc"]
    site.serve(*backends)  # 50 % of 3: one
    site.until("one is ejected", lambda: any(map(site.ejection_of, backends)))
    for _ in range(60):
        site.get()
    assert sum(site.ejection_of(one) is not None for one in backends) == 1
    assert sum(len(site.told(one)) for one in backends) == 1


def test_a_success_rate_far_below_the_others_ejects(site: Site, backend: MakeBackend) -> None:
    turns = iter(range(10**9))

    def every_other(call: Call) -> None:
        (fail if next(turns) % 2 else bad.echo)(call)

    bad = backend("bad")
    bad.script = every_other
    others = [backend(name) for name in "wxyz"]
    policy = msgspec.structs.replace(LASTING, interval=1.0, success_requests=10)
    site.serve(bad, *others, policy=policy, algorithm="round_robin")

    def ask() -> bool:
        for _ in range(2):
            with Client(site.edge.port) as client:
                for _ in range(50):
                    client.get()
        return site.ejection_of(bad) is not None

    wait_until("it is ejected", ask)
    assert [len(site.told(one)) for one in (bad, *others)] == [1, 0, 0, 0, 0]
    assert "requests succeeded, and it takes" in site.told(bad)[0].message


def test_turning_it_off_and_another_url_bring_it_back(site: Site, backend: MakeBackend) -> None:
    bad, good, new = backend("bad", fail), backend("good"), backend("new")
    site.serve(bad, good)
    site.until("it is ejected", lambda: site.ejection_of(bad))
    wait_until("both workers know", lambda: site.answering() == {"good"})
    policies = {"outlier": LASTING, "circuit": NO_CIRCUITS}
    site.edge.serve(bad.spec(url=new.url), good.spec(), workers=2, **policies)
    wait_until("the new server serves", lambda: site.answering() == {"new", "good"})
    assert site.told(bad)[-1].data["cause"] == "its URL was changed"
    assert site.kinds(bad) == ["ejected", "unejected"]


def test_what_is_off_ejects_nobody_any_more(site: Site, backend: MakeBackend) -> None:
    bad, good = backend("bad", fail), backend("good")
    site.serve(bad, good)
    site.until("it is ejected", lambda: site.ejection_of(bad))
    wait_until("both workers know", lambda: site.answering() == {"good"})
    bad.script = bad.echo
    site.serve(bad, good, policy=OutlierPolicy())
    assert site.answering() == {"bad", "good"}


def test_while_redis_hangs_each_worker_ejects_for_itself_and_agrees_later(
    site: Site, backend: MakeBackend
) -> None:
    bad, good = backend("bad", fail), backend("good")
    site.serve(bad, good)
    site.edge.redis_server.process.send_signal(signal.SIGSTOP)
    wait_until("each worker is alone", lambda: site.answering() == {"good"})
    assert site.edge.process.poll() is None
    site.edge.redis_server.process.send_signal(signal.SIGCONT)
    wait_until("it is shared", lambda: site.ejection_of(bad))
    wait_until("both workers know", lambda: site.answering() == {"good"})
    assert site.kinds(bad) == ["ejected"]


def test_two_edges_agree(start_edge: StartEdge, backend: MakeBackend) -> None:
    first = start_edge("--workers", "2")
    site, other = Site(first), Site(start_edge("--workers", "2", beside=first))
    bad, good = backend("bad", fail), backend("good")
    site.serve(bad, good)
    other.edge.wait_for(first.number, workers=2)
    site.until("it is ejected", lambda: site.ejection_of(bad))
    wait_until("the other edge knows", lambda: other.answering() == {"good"})
    assert site.kinds(bad) == ["ejected"]


@pytest.fixture
def prober(site: Site, db: None) -> Iterator[Prober]:
    prober = Prober(site.edge.redis, 4)
    yield prober
    prober.close()


@pytest.mark.parametrize("returns", [True, False])
def test_a_probe_that_passes_brings_it_back_where_it_may(
    site: Site, backend: MakeBackend, prober: Prober, returns: bool
) -> None:
    bad, good = backend("bad", fail), backend("good")
    policy = msgspec.structs.replace(LASTING, probes_return=returns)
    probes = HealthPolicy(path="/health", interval=1.0, timeout=1.0)
    site.serve(bad, good, policy=policy, health=probes)
    site.until("it is ejected", lambda: site.ejection_of(bad))
    bad.script = bad.echo
    wait_until("both workers know", lambda: site.answering() == {"good"})
    probed = len(bad.calls)
    wait_until("it is probed", lambda: (prober.tick(), len(bad.calls) > probed + 2)[1])
    prober.settle()
    expected = {"bad", "good"} if returns else {"good"}
    wait_until("it serves, or not", lambda: site.answering() == expected)
    assert site.kinds(bad) == (["ejected", "unejected"] if returns else ["ejected"])
