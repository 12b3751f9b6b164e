"""What Redis has of the moment → gauges."""

from collections.abc import Iterable, Iterator
from statistics import fmean

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from analytics.metrics.live import Live
from pool.bus import EDGE_REPORT_EXPIRY, EdgeReport
from pool.choices import AdminState, CircuitMode, CircuitState, HealthState
from pool.snapshot import BackendSpec, PoolSpec

_BACKEND = ("pool", "backend")
_EDGE = ("edge", "worker")
_CIRCUIT = {
    CircuitState.CLOSED: 0,
    CircuitState.HALF_OPEN: 1,
    CircuitState.OPEN: 2,
    CircuitState.FORCED_OPEN: 3,
}

_Rows = Iterable[tuple[tuple[str, ...], float]]


def state_metrics(live: Live) -> Iterator[Metric]:
    yield from _backends(live)
    yield from _edges(live)
    yield _gauge(
        "lb_snapshot_published",
        "Number of the configuration that edges are to run; 0: there is none.",
        (),
        [((), live.snapshot.number)],
    )
    yield _gauge(
        "lb_uncounted_batches",
        "Batches of traffic that edges have sent and nobody has counted yet.",
        (),
        [((), live.uncounted)],
    )


def _backends(live: Live) -> Iterator[Metric]:
    members = [(pool, backend) for pool in live.snapshot.pools for backend in pool.backends]
    yield _gauge(
        "lb_backend_up",
        "Whether the probes find it well enough to serve; 1 as well where none has told yet.",
        _BACKEND,
        ((_name(pool, one), _up(live, one)) for pool, one in members),
    )
    yield _gauge(
        "lb_backend_active",
        "Whether it is to serve: 0 while it is drained or in maintenance.",
        _BACKEND,
        ((_name(pool, one), one.admin_state is AdminState.ACTIVE) for pool, one in members),
    )
    yield _gauge(
        "lb_backend_weight",
        "Weight that the edges go by, averaged over their workers: less than what is "
        "configured during a slow start.",
        _BACKEND,
        ((_name(pool, one), _weight(live, one)) for pool, one in members),
    )
    yield _gauge(
        "lb_backend_in_flight",
        "Requests that all edges have under way with it.",
        _BACKEND,
        ((_name(pool, one), _in_flight(live, one)) for pool, one in members),
    )
    yield _gauge(
        "lb_circuit_state",
        "Of its circuit breaker: 0 closed, 1 half-open, 2 open, 3 held open by an operator.",
        _BACKEND,
        (
            (_name(pool, one), _circuit(live, one))
            for pool, one in members
            if pool.circuit.mode is not CircuitMode.OFF
        ),
    )
    yield _gauge(
        "lb_backend_ejected",
        "Whether outlier detection keeps it out.",
        _BACKEND,
        (
            (_name(pool, one), one.id in live.ejected)
            for pool, one in members
            if pool.outlier.enabled
        ),
    )


def _edges(live: Live) -> Iterator[Metric]:
    yield _gauge(
        "lb_edge_up",
        f"Whether this edge worker has told of itself in the last {EDGE_REPORT_EXPIRY:.0f} s.",
        _EDGE,
        ((_worker(one), live.now - one.seen_at <= EDGE_REPORT_EXPIRY) for one in live.edges),
    )
    yield _gauge(
        "lb_snapshot_version",
        "Number of the configuration that this edge worker runs.",
        _EDGE,
        ((_worker(one), one.snapshot_number) for one in live.edges),
    )
    yield _gauge(
        "lb_snapshot_last_reload_success",
        "Whether this edge worker could take the last configuration, all of it.",
        _EDGE,
        ((_worker(one), not one.error) for one in live.edges),
    )
    yield _gauge(
        "lb_snapshot_last_reload_timestamp_seconds",
        "When this edge worker began to run its configuration, in Unix time.",
        _EDGE,
        ((_worker(one), one.snapshot_since) for one in live.edges),
    )


def _gauge(name: str, words: str, labels: tuple[str, ...], rows: _Rows) -> Metric:
    family = GaugeMetricFamily(name, words, labels=labels)
    for values, number in rows:
        family.add_metric(values, float(number))
    return family


def _name(pool: PoolSpec, backend: BackendSpec) -> tuple[str, str]:
    return pool.name, backend.name


def _worker(edge: EdgeReport) -> tuple[str, str]:
    return edge.host, str(edge.pid)


def _up(live: Live, backend: BackendSpec) -> bool:
    status = live.health.get(backend.id)
    return status is None or status.state is not HealthState.UNHEALTHY


def _weight(live: Live, backend: BackendSpec) -> float:
    loads = live.loads.get(backend.id)
    return fmean(load.weight for load in loads) if loads else backend.weight


def _in_flight(live: Live, backend: BackendSpec) -> int:
    return sum(load.in_flight for load in live.loads.get(backend.id, ()))


def _circuit(live: Live, backend: BackendSpec) -> int:
    circuit = live.circuits.get(backend.id)
    return _CIRCUIT[circuit.state] if circuit is not None else _CIRCUIT[CircuitState.CLOSED]
