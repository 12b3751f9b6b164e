"""Does a request cost the same with 1,000 backends, and with 10,000 routes?"""

from collections.abc import Iterator
from functools import partial
from statistics import median

from pool.snapshot import PoolSpec, RouteSpec, Snapshot, build
from tests.bench import load
from tests.bench.cores import share_out
from tests.bench.load import Wrk
from tests.bench.measure import Sample, Samples, weigh
from tests.bench.processes import memory
from tests.bench.scaling.finding import Finding
from tests.bench.scaling.stage import Stage, worker_pid
from tests.bench.scenarios import BY_NAME
from tests.bench.systems.base import System
from tests.bench.systems.edge import POOL_ID, Edge, backend_specs
from tests.bench.systems.haproxy import HAProxy

MANY_BACKENDS = 1_000
MANY_ROUTES = 10_000
HOSTS = 1_000  # different ones asked for in turn, so that remembering the last does not help
CONNECTIONS = 64
MAX_RATIO = 1.10
MAX_MEMORY_MIB = 80

_BASE, _BACKENDS, _ROUTES = "base", "backends", "routes"


def measure(stage: Stage, rounds: int, seconds: int) -> Iterator[Finding]:
    edges = {
        _BASE: stage.edge(_BASE, snapshot(stage, 3, 1)),
        _BACKENDS: stage.edge(_BACKENDS, snapshot(stage, MANY_BACKENDS, 1)),
        _ROUTES: stage.edge(_ROUTES, snapshot(stage, 3, MANY_ROUTES)),
    }
    samples = Samples(tuple(_samples(stage, [*edges.items(), *_controls(stage)], rounds, seconds)))
    backends, routes = f"CPU, {MANY_BACKENDS:,} backends to 3", f"CPU, {MANY_ROUTES:,} routes to 1"
    yield _bounded(samples, backends, _BACKENDS)
    if control := _ratios(samples, HAProxy, _BACKENDS):
        value = f"{median(control):.2f} times"
        yield Finding.seen(f"{backends}, the same for HAProxy", value, _rounds(control))
    yield _bounded(samples, routes, _ROUTES)
    resident = memory([worker_pid(edges[_BACKENDS])]) / 2**20
    yield Finding.at_most(
        f"memory of a worker with {MANY_BACKENDS:,} backends",
        resident,
        MAX_MEMORY_MIB,
        "MiB",
        f"resident, after the load; with 3: {memory([worker_pid(edges[_BASE])]) / 2**20:.1f} MiB",
    )


class _Unchecked(HAProxy):
    """Its checks of 1,000 backends would be in its CPU time; the edge's are in Celery's."""

    checks = ""


def _controls(stage: Stage) -> list[tuple[str, System]]:
    """What 1,000 backends cost a proxy anyway: that many more sockets in the kernel."""
    if HAProxy.missing():
        return []
    return [
        (name, stage.system(_Unchecked, f"control-{name}", stage.backend.addresses(count)))
        for name, count in ((_BASE, 3), (_BACKENDS, MANY_BACKENDS))
    ]


def snapshot(stage: Stage, backends: int, routes: int, number: int = 1) -> Snapshot:
    """One pool. With several routes: one for each host, the last one for everything."""
    specs = backend_specs(stage.backend.addresses(backends))
    named = (RouteSpec(id=route, pool_id=POOL_ID, host=host(route)) for route in range(1, routes))
    everything = RouteSpec(id=routes, pool_id=POOL_ID)
    pool = PoolSpec(id=POOL_ID, name="bench", backends=specs)
    return build(number, (pool,), (*named, everything))


def host(number: int) -> str:
    return f"site-{number}.example.com"


def _samples(
    stage: Stage, systems: list[tuple[str, System]], rounds: int, seconds: int
) -> Iterator[Sample]:
    step = MANY_ROUTES // HOSTS
    hosts = tuple(host(number) for number in range(1, MANY_ROUTES, step))
    text = load.script(BY_NAME["small"], hosts)
    wrk = Wrk(stage.folder, share_out(1).load, CONNECTIONS)
    for _, system in systems:
        wrk.run(system.port, text, 2)  # until each backend has its connections
    for number in range(rounds):
        for name, system in systems:
            yield weigh(system, name, number, partial(wrk.run, system.port, text, seconds))


def _bounded(samples: Samples, what: str, name: str) -> Finding:
    if failed := [str(sample.errors) for sample in samples.with_errors()]:
        return Finding.failed(what, f"errors under load: {'; '.join(failed)}")
    ratios = _ratios(samples, Edge, name)
    return Finding.at_most(what, median(ratios), MAX_RATIO, "times", _rounds(ratios))


def _ratios(samples: Samples, system: type[System], name: str) -> list[float]:
    base = {sample.round: sample.cpu for sample in samples.of(system.name, _BASE)}
    return [run.cpu / base[run.round] for run in samples.of(system.name, name)]


def _rounds(ratios: list[float]) -> str:
    return f"{len(ratios)} rounds, {min(ratios):.2f} to {max(ratios):.2f}"
