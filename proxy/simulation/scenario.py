"""What is simulated: a pool, its backends' behaviour, and the load."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pool.snapshot import BackendSpec, HealthPolicy, PoolSpec
from proxy.simulation.fault import Fault
from proxy.simulation.service_time import ServiceTime, Uniform

CLIENTS = 1000  # told apart by hash keys, where the load does not say who they are


@dataclass(frozen=True)
class ClosedLoop:
    """So many clients; each sends its next request when the last one was answered."""

    concurrency: int


@dataclass(frozen=True)
class OpenLoop:
    """Requests a second on average, at random instants (Poisson), however slow the answers."""

    rate: float


@dataclass(frozen=True)
class RecordedLoad:
    """`arrivals`: nanoseconds since the first; `keys`: what the pool's hash key says of each."""

    arrivals: Sequence[int]
    keys: Sequence[bytes | None]


Load = ClosedLoop | OpenLoop | RecordedLoad


@dataclass(frozen=True)
class Scenario:
    """`capacity` and `faults` by id, of those backends that have any."""

    pool: PoolSpec
    service_times: Mapping[int, ServiceTime]
    load: Load
    requests: int
    capacity: Mapping[int, int] = field(default_factory=dict)
    faults: Mapping[int, Sequence[Fault]] = field(default_factory=dict)
    workers: int = 1


# The endpoints' longest times in tower-rs' balance demo when it got Peak EWMA.
_TOWER = (1, 10, 10, 10, 10, 100, 100, 100, 100, 1000)


def tower() -> Scenario:
    """Endpoints of very different speed: round robin lets the slowest one set the pace."""
    backends = tuple(
        BackendSpec(id=number, name=f"{number}-max-{longest}ms", url=f"http://10.0.0.{number}")
        for number, longest in enumerate(_TOWER, 1)
    )
    return Scenario(
        pool=PoolSpec(id=1, name="tower", health=HealthPolicy(enabled=False), backends=backends),
        service_times={
            backend.id: Uniform(longest * 1e6)
            for backend, longest in zip(backends, _TOWER, strict=True)
        },
        load=ClosedLoop(50),
        requests=50_000,
    )
