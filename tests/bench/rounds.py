"""The comparison itself: interleaved rounds over scenarios and systems."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import load
from tests.bench.backend import Backend
from tests.bench.cores import share_out
from tests.bench.load import LoadError, LoadResult, Wrk
from tests.bench.measure import Sample, Samples, weigh
from tests.bench.processes import StartError
from tests.bench.scenarios import BY_NAME, Scenario
from tests.bench.systems.base import Site, System

BACKENDS = 3
Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    systems: tuple[type[System], ...]
    scenarios: tuple[Scenario, ...]
    rounds: int
    seconds: int
    connections: int
    half_rate: float | None  # requests/s of the paced scenario; None: half of each one's highest


@dataclass
class Comparison:
    """Starts each system when it is first needed, and keeps it for all rounds.

    A system that does not come up, or whose load generator fails, is set aside
    with the reason; the others go on.
    """

    plan: Plan
    folder: Path
    backend: Backend
    say: Say
    _failures: dict[tuple[str, int], str] = field(default_factory=dict)
    _running: dict[tuple[str, int], System] = field(default_factory=dict)
    _warm: set[System] = field(default_factory=set)
    _highest: dict[str, float] = field(default_factory=dict)

    def run(self) -> Samples:
        return Samples(tuple(self._samples()))

    def stop(self) -> None:
        while self._running:
            self._running.popitem()[1].stop()

    @property
    def failures(self) -> dict[str, str]:
        return {
            f"{name} with {workers} worker(s)": reason
            for (name, workers), reason in self._failures.items()
        }

    def _samples(self) -> Iterator[Sample]:
        for number in range(self.plan.rounds):
            for scenario in self.plan.scenarios:
                for system in self._in_turn(number):
                    if sample := self._attempt(system, scenario, number):
                        self.say(_line(sample, self.plan.rounds))
                        yield sample

    def _in_turn(self, number: int) -> tuple[type[System], ...]:
        """Another one begins each round, so that no system always follows the same one."""
        start = number % len(self.plan.systems)
        return self.plan.systems[start:] + self.plan.systems[:start]

    def _attempt(self, kind: type[System], scenario: Scenario, number: int) -> Sample | None:
        if (kind.name, scenario.workers) in self._failures:
            return None
        try:
            system = self._instance(kind, scenario.workers)
            return self._measure(system, scenario, number)
        except (StartError, LoadError) as error:
            self._failures[kind.name, scenario.workers] = f"{scenario.name}: {error}"
            self.say(f"{kind.title} with {scenario.workers} worker(s) set aside: {error}")
            return None

    def _instance(self, kind: type[System], workers: int) -> System:
        key = (kind.name, workers)
        if key not in self._running:
            site = Site(
                folder=self.folder / f"{kind.name}{workers}",
                backends=self.backend.addresses(BACKENDS),
                workers=workers,
                cores=share_out(workers).proxy,
            )
            self._running[key] = kind(site)
            self._running[key].start()
        return self._running[key]

    def _measure(self, system: System, scenario: Scenario, number: int) -> Sample:
        wrk = Wrk(self.folder, share_out(scenario.workers).load, self.plan.connections)
        text = load.script(scenario)
        if system not in self._warm:
            self._warm.add(system)
            self._note(system, scenario, wrk.run(system.port, text, 1))

        def put_on() -> LoadResult:
            if scenario.paced:
                rate = self.plan.half_rate or self._highest[system.name] / 2
                return wrk.run_paced(system.port, text, self.plan.seconds, rate)
            result = wrk.run(system.port, text, self.plan.seconds)
            self._note(system, scenario, result)
            return result

        for path in system.growing:
            path.write_bytes(b"")
        return weigh(system, scenario.name, number, put_on)

    def _note(self, system: System, scenario: Scenario, result: LoadResult) -> None:
        """The newest full rate with small responses; half of it is the system's half load."""
        if scenario == BY_NAME["small"] or (
            scenario.paced and "small" not in [one.name for one in self.plan.scenarios]
        ):
            self._highest[system.name] = result.rate


def _line(sample: Sample, rounds: int) -> str:
    errors = f"  ERRORS: {sample.errors}" if sample.errors else ""
    return (
        f"[{sample.round + 1}/{rounds}] {sample.scenario:8} {sample.system:8} "
        f"{sample.cpu:8.1f} µs  {sample.rate:8.0f}/s  p99 {sample.p99:7.2f} ms  "
        f"{sample.busy:4.0%} busy{errors}"
    )
