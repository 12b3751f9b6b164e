"""One run of load against one system, weighed; and what several runs say together."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from tests.bench.load import Errors, LoadResult
from tests.bench.processes import busy_time, cpu_time, peak_memory, reset_peak_memory
from tests.bench.systems.base import System


@dataclass(frozen=True)
class Sample:
    """Microseconds of CPU per request, milliseconds of latency, bytes of memory."""

    system: str
    scenario: str
    round: int
    requests: int
    rate: float
    cpu: float
    cpu_user: float
    cpu_system: float
    cpu_apart: float  # of processes it needs but does not own (Redis)
    busy: float  # share of its cores that it used; far below 1: the load was the limit
    others: float  # share of its cores that something else used
    p50: float
    p99: float
    memory: int
    errors: Errors

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def weigh(system: System, scenario: str, number: int, load: Callable[[], LoadResult]) -> Sample:
    """Run `load` and put its requests and the CPU time of the whole process tree together."""
    pids = system.pids
    reset_peak_memory(pids)
    apart_before = cpu_time(system.apart)
    cores = system.site.cores
    busy_before = busy_time(cores)
    before = cpu_time(pids)
    result = load()
    spent = cpu_time(system.pids) - before
    apart = cpu_time(system.apart) - apart_before
    others = busy_time(cores) - busy_before - spent.total
    per_request = 1e6 / max(result.requests, 1)
    return Sample(
        system=system.name,
        scenario=scenario,
        round=number,
        requests=result.requests,
        rate=result.rate,
        cpu=spent.total * per_request,
        cpu_user=spent.user * per_request,
        cpu_system=spent.system * per_request,
        cpu_apart=apart.total * per_request,
        busy=spent.total / result.seconds / min(system.site.workers, len(system.site.cores)),
        others=max(0.0, others) / result.seconds / len(cores),
        p50=result.p50,
        p99=result.p99,
        memory=peak_memory(system.pids),
        errors=result.errors,
    )


@dataclass(frozen=True)
class Spread:
    """The median of some runs, the lowest and the highest."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True)
class Samples:
    """All runs of a comparison."""

    all: tuple[Sample, ...]

    def of(self, system: str, scenario: str) -> tuple[Sample, ...]:
        return tuple(
            sample for sample in self.all if sample.system == system and sample.scenario == scenario
        )

    def spread(self, system: str, scenario: str, figure: str) -> Spread | None:
        """Of one figure (a field of Sample) over the rounds; None if it was not measured."""
        runs = self.of(system, scenario)
        return Spread.of([getattr(run, figure) for run in runs]) if runs else None

    def ratio(self, system: str, base: str, scenario: str, figure: str = "cpu") -> Spread | None:
        """`system` / `base`, round by round: what slows a whole round down drops out of it."""
        bases = {run.round: getattr(run, figure) for run in self.of(base, scenario)}
        ratios = [
            getattr(run, figure) / bases[run.round]
            for run in self.of(system, scenario)
            if bases.get(run.round)
        ]
        return Spread.of(ratios) if ratios else None

    def with_errors(self) -> tuple[Sample, ...]:
        return tuple(sample for sample in self.all if sample.errors)
