"""From probes to uptime: pure arithmetic over times and states.

A state holds from the probe that found it to the next one, but no longer than an
*allowance*: if probes stop coming, nobody knows how the backend is. Time that nobody
knows about is no part of an uptime. Times are Unix seconds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

from pool.choices import HealthState


class Probe(NamedTuple):
    """A row: one probe, and the passes before it that have no row. Latencies: milliseconds."""

    at: float
    state: str  # after it
    passed: bool
    latency: float | None = None
    omitted: int = 0
    omitted_latency_sum: float = 0.0
    omitted_latency_max: float = 0.0


@dataclass
class Tally:
    """What came about in a span of time. Latencies are those of passes, in milliseconds."""

    up: float = 0.0  # seconds, as are the next three
    degraded: float = 0.0
    down: float = 0.0
    unknown: float = 0.0
    probes: int = 0
    failures: int = 0
    flaps: int = 0  # how often it went down
    latency_sum: float = 0.0
    latency_max: float = 0.0

    @property
    def known(self) -> float:
        return self.up + self.degraded + self.down

    @property
    def uptime(self) -> float | None:
        """Percent of the time that is known of; degraded backends serve."""
        return 100 * (self.up + self.degraded) / self.known if self.known > 0 else None

    @property
    def latency(self) -> float | None:
        """The mean of all passes."""
        passes = self.probes - self.failures
        return self.latency_sum / passes if passes else None

    def add(self, other: "Tally") -> None:
        latency_max = max(self.latency_max, other.latency_max)
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))
        self.latency_max = latency_max

    def part(self, share: float) -> "Tally":
        """Of a share of the time, as if all had been spread over it evenly."""
        part = Tally(latency_max=self.latency_max)
        for name in ("up", "degraded", "down", "unknown", "latency_sum"):
            setattr(part, name, getattr(self, name) * share)
        for name in ("probes", "failures", "flaps"):
            setattr(part, name, round(getattr(self, name) * share))
        return part

    def count(self, probe: Probe) -> None:
        self.probes += 1 + probe.omitted
        self.failures += not probe.passed
        self.latency_sum += probe.omitted_latency_sum
        self.latency_max = max(self.latency_max, probe.omitted_latency_max)
        if probe.passed and probe.latency is not None:
            self.latency_sum += probe.latency
            self.latency_max = max(self.latency_max, probe.latency)


def total(tallies: Iterable[Tally]) -> Tally:
    whole = Tally()
    for one in tallies:
        whole.add(one)
    return whole


# Field of a tally that a state's time goes into; that of any other state is unknown.
_FIELD: dict[str, str] = {
    HealthState.HEALTHY: "up",
    HealthState.DEGRADED: "degraded",
    HealthState.UNHEALTHY: "down",
}


def fold(
    probes: Sequence[Probe], start: float, end: float, allowance: float, parts: int = 1
) -> list[Tally]:
    """The time from `start` to `end` in so many equal parts.

    `probes` by time; those in the `allowance` before `start` say how it began.
    """
    width = (end - start) / parts
    tallies = [Tally() for _ in range(parts)]
    before: Probe | None = None
    for index, probe in enumerate(probes):
        following = probes[index + 1].at if index + 1 < len(probes) else end
        until = min(following, probe.at + allowance, end)
        if probe.at < end:
            _spread(tallies, probe.state, probe.at - start, until - start, width)
        if start <= probe.at < end:
            tally = tallies[min(parts - 1, int((probe.at - start) / width))]
            tally.count(probe)
            tally.flaps += _goes_down(before, probe)
        before = probe
    for tally in tallies:
        tally.unknown = max(0.0, width - tally.known)
    return tallies


def _spread(tallies: list[Tally], state: str, since: float, until: float, width: float) -> None:
    """Add the time from `since` to `until`, both from the beginning of the first tally."""
    field = _FIELD.get(state)
    at = max(0.0, since)
    if field is None or until <= at:
        return
    for index in range(int(at / width), len(tallies)):
        edge = (index + 1) * width
        if edge > at:
            seconds = min(edge, until) - at
            setattr(tallies[index], field, getattr(tallies[index], field) + seconds)
            at = edge
        if until <= edge:
            return


def _goes_down(before: Probe | None, probe: Probe) -> bool:
    down = HealthState.UNHEALTHY
    return before is not None and probe.state == down and before.state != down
