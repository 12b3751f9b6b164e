"""Which probes become rows: those that say something, and a sample of those that do not.

1,000 backends at 5 s are 17 million probes a day, nearly all of them passes like the one
before. A pass that changes nothing is left out while the last row is recent; the next row
counts it (`Omitted`), so that sums over rows are sums over probes. What was left out in
one hour is told within it: the hours are folded apart from each other.

No Django in here, and no clock: times are those of the findings.
"""

from collections.abc import Iterator

import msgspec

from pool.choices import HealthState, ProbeResult
from pool.health.probe import Outcome

_HOUR = 3600
# What confirms a state in which the backend serves.
_ROUTINE = frozenset(
    {(HealthState.HEALTHY, ProbeResult.PASS), (HealthState.DEGRADED, ProbeResult.SLOW)}
)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One probe and what it made of the backend."""

    backend_id: int
    at: float
    outcome: Outcome
    before: HealthState
    after: HealthState

    @property
    def changed(self) -> bool:
        return self.before is not self.after


class Omitted(msgspec.Struct, frozen=True):
    """Passes before a row that have none of their own. Latencies are milliseconds."""

    count: int = 0
    latency_sum: float = 0.0
    latency_max: float = 0.0

    def plus(self, outcome: Outcome) -> "Omitted":
        latency = outcome.latency_ms or 0.0
        return Omitted(self.count + 1, self.latency_sum + latency, max(self.latency_max, latency))


NONE_OMITTED = Omitted()


class Kept(msgspec.Struct, frozen=True):
    """A finding that becomes a row, and those that it speaks for."""

    finding: Finding
    omitted: Omitted = NONE_OMITTED


class Sampler:
    """`seconds` between two rows of a backend that goes on passing; 0 keeps every probe."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kept_at: dict[int, float] = {}
        self._waiting: dict[int, Kept] = {}  # the last pass that was left out, of each backend

    def take(self, finding: Finding) -> Iterator[Kept]:
        """What becomes rows now that this was found: one, none, or one that had waited, too."""
        waiting = self._waiting.pop(finding.backend_id, None)
        if waiting is not None and _hour(waiting.finding) != _hour(finding):
            yield self._keep(waiting)
            waiting = None
        omitted = waiting.omitted.plus(waiting.finding.outcome) if waiting else NONE_OMITTED
        kept = Kept(finding, omitted)
        if self._tells(finding):
            yield self._keep(kept)
        else:
            self._waiting[finding.backend_id] = kept

    def release(self, before: float) -> list[Kept]:
        """What was left out until `before` and nothing has followed: the backend is probed
        elsewhere now, or not at all.
        """
        late = [kept for kept in self._waiting.values() if kept.finding.at < before]
        for kept in late:
            del self._waiting[kept.finding.backend_id]
            self._kept_at.pop(kept.finding.backend_id, None)
        return late

    def _tells(self, finding: Finding) -> bool:
        kept_at = self._kept_at.get(finding.backend_id)
        return (
            finding.changed
            or (finding.after, finding.outcome.result) not in _ROUTINE
            or kept_at is None
            or not 0 <= finding.at - kept_at < self._seconds
        )

    def _keep(self, kept: Kept) -> Kept:
        self._kept_at[kept.finding.backend_id] = kept.finding.at
        return kept


def _hour(finding: Finding) -> int:
    return int(finding.at // _HOUR)
