"""What an operator asks for, made into a scenario."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from pool.snapshot import PoolSpec
from proxy.simulation.fault import Fault
from proxy.simulation.recording import Recording
from proxy.simulation.scenario import ClosedLoop, Load, Scenario
from proxy.simulation.service_time import ServiceTime, parse_service_time

MAX_REQUESTS = 5_000_000  # a minute or so, and 40 MB of latencies, for each algorithm
DEFAULT_REQUESTS = 50_000
DEFAULT_CONCURRENCY = 50
DEFAULT_LATENCY = "lognormal:20ms:0.5"

T = TypeVar("T")
Named = tuple[str, T]  # a backend's name, "" for all, and what is said of it


class PlanError(ValueError):
    """A scenario that cannot be; says what to change."""


@dataclass(frozen=True)
class Wishes:
    """None and nothing: as the scenario has it already."""

    service_times: Sequence[Named[ServiceTime]] = ()
    capacity: Sequence[Named[int]] = ()
    faults: Sequence[Named[Fault]] = ()
    load: Load | None = None
    requests: int | None = None
    workers: int = 1
    recording: Recording | None = None


def parse_named(text: str, separator: str, parse: Callable[[str], T]) -> Named[T]:
    """`a=10ms`, or `10ms` for all backends; ValueError with the fix."""
    name, found, value = text.rpartition(separator)
    if found and not name:
        raise ValueError(f"{text!r} has no backend's name before {separator!r}")
    return name, parse(value)


def default_scenario(pool: PoolSpec) -> Scenario:
    usual = parse_service_time(DEFAULT_LATENCY)
    return Scenario(
        pool=pool,
        service_times={backend.id: usual for backend in pool.backends},
        load=ClosedLoop(DEFAULT_CONCURRENCY),
        requests=DEFAULT_REQUESTS,
    )


def plan(scenario: Scenario, wishes: Wishes) -> Scenario:
    """`scenario` as it is wished for; what is said of a backend wins over what was recorded."""
    pool = scenario.pool
    if not pool.backends:
        raise PlanError(f"the pool {pool.name!r} has no backend")
    times, load = dict(scenario.service_times), wishes.load or scenario.load
    requests = wishes.requests or scenario.requests
    if wishes.recording is not None:
        recorded, everybody = wishes.recording.times, wishes.recording.everybody
        times = {backend.id: recorded.get(backend.name, everybody) for backend in pool.backends}
        if wishes.load is None:
            load = wishes.recording.load
            requests = len(wishes.recording.load.arrivals)
    faults: defaultdict[int, list[Fault]] = defaultdict(list)
    for backend_id, fault in _by_id(pool, wishes.faults):
        faults[backend_id].append(fault)
    return replace(
        scenario,
        service_times=times | dict(_by_id(pool, wishes.service_times)),
        capacity=dict(_by_id(pool, wishes.capacity)),
        faults=faults,
        load=load,
        requests=requests,
        workers=wishes.workers,
    )


def _by_id(pool: PoolSpec, named: Sequence[Named[T]]) -> Iterable[tuple[int, T]]:
    """What is said of all comes first, so that what is said of one wins."""
    ids = {backend.name: backend.id for backend in pool.backends}
    for name, value in sorted(named, key=lambda pair: bool(pair[0])):
        if name and name not in ids:
            known = ", ".join(list(ids)[:20])
            raise PlanError(f"the pool {pool.name!r} has no backend {name!r}, but {known}")
        for backend_id in [ids[name]] if name else ids.values():
            yield backend_id, value
