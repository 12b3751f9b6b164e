"""One step of a circuit: an operation comes in, and the circuit is what it made of it.

Rules only. Who keeps the circuit, in memory or in Redis, tells the time and
whether one more circuit of the pool may be open. A time that lies further ahead than it
can is from a clock that was wrong, and has come: nothing waits until it is right again.
"""

from collections.abc import Callable
from math import floor

import msgspec

from pool.choices import CircuitEvent, CircuitMode, CircuitState, EventKind
from pool.circuits.records import (
    BUCKETS,
    PERMIT_EXPIRY,
    Circuit,
    Lease,
    Merge,
    Operation,
    Order,
    Report,
    Terms,
    Told,
)
from proxy.core.circuit.table import is_possible, next_state

_KINDS = {
    CircuitState.CLOSED: EventKind.CIRCUIT_CLOSED,
    CircuitState.OPEN: EventKind.CIRCUIT_OPENED,
    CircuitState.HALF_OPEN: EventKind.CIRCUIT_HALF_OPENED,
    CircuitState.FORCED_OPEN: EventKind.CIRCUIT_OPENED,
}


class Step:
    """`room()`: whether one more circuit of the pool may be out. `now`: Unix seconds."""

    def __init__(
        self, circuit: Circuit, terms: Terms, now: float, room: Callable[[], bool]
    ) -> None:
        self.circuit = circuit
        self._limit = terms.limit
        self._policy = terms.policy
        self._now = now
        self._room = room

    def take(self, operation: Operation) -> list[Told]:
        """Change `circuit` by `operation`; returns what the timeline is told."""
        match operation:
            case Report():
                told = self._report(operation)
            case Lease():
                told = self._lease(operation)
            case Order():
                told = self._order(operation)
            case Merge():
                return self._merge(operation)
        return [] if told is None else [told]

    # --- what calls say ---

    def _report(self, report: Report) -> Told | None:
        circuit = self.circuit
        for permit in report.returned:
            circuit.permits.pop(permit, None)
        if report.generation != circuit.generation:
            return None  # these calls began before the last change: they say nothing about now
        if circuit.state is CircuitState.HALF_OPEN:
            return self._try(report)
        if circuit.state is not CircuitState.CLOSED:
            return None
        if self._policy.mode is CircuitMode.CONSECUTIVE:
            return self._count_in_a_row(report)
        return self._count_in_window(report)

    def _try(self, report: Report) -> Told | None:
        circuit = self.circuit
        if report.failures or report.slow:
            return self._open("a call that tried it failed", failures=1)
        circuit.successes += report.successes
        if circuit.successes < self._policy.successes:
            return None
        return self._move(CircuitEvent.RECOVERED, f"{circuit.successes} calls in a row succeeded")

    def _count_in_a_row(self, report: Report) -> Told | None:
        circuit = self.circuit
        most = max(circuit.failures + report.leading, report.longest)
        before = 0 if report.successes else circuit.failures
        circuit.failures = before + report.trailing
        if most < self._policy.threshold:
            return None
        return self._trip(f"{most} failures in a row", failures=most)

    def _count_in_window(self, report: Report) -> Told | None:
        policy, window = self._policy, self.circuit.window
        for bucket, more in report.window.items():
            had = window.get(bucket, (0, 0, 0))
            window[bucket] = (had[0] + more[0], had[1] + more[1], had[2] + more[2])
        newest = floor(self._now / policy.window * BUCKETS)
        for bucket in [bucket for bucket in window if abs(int(bucket) - newest) >= BUCKETS]:
            del window[bucket]
        if report.failures or report.slow:
            self.circuit.watched = self._now + policy.window
        calls = sum(counts[0] for counts in window.values())
        bad = sum(counts[1] + counts[2] for counts in window.values())
        if calls < policy.minimum_calls or 100 * bad < policy.ratio * calls:
            return None
        what = "failed" if policy.mode is CircuitMode.FAILURE_RATIO else "were slow or failed"
        cause = f"{bad} of {calls} calls {what} in {policy.window:g} s"
        return self._trip(cause, failures=bad, calls=calls)

    # --- what follows ---

    def _trip(self, cause: str, *, failures: int, calls: int = 0) -> Told | None:
        circuit = self.circuit
        if self._room():
            return self._open(cause, failures=failures, calls=calls)
        if self._now < circuit.held <= self._now + self._policy.open_time:
            return None
        return self._hold(cause, failures=failures, calls=calls)

    def _hold(self, cause: str, *, failures: int = 0, calls: int = 0) -> Told:
        circuit = self.circuit
        circuit.held = self._now + self._policy.open_time
        return Told(
            kind=EventKind.CIRCUIT_HELD,
            at=self._now,
            before=circuit.state,
            after=circuit.state,
            generation=circuit.generation,
            cause=f"{cause}, but no more than {self._limit} of the pool may be open",
            until=0.0,
            failures=failures,
            calls=calls,
        )

    def _open(self, cause: str, *, failures: int, calls: int = 0) -> Told | None:
        """For twice as long as the last time, unless it was closed for as long as that."""
        circuit, policy = self.circuit, self._policy
        recovered = circuit.state is CircuitState.CLOSED
        if recovered and self._now - circuit.since >= circuit.wait:
            wait = policy.open_time
        else:
            wait = max(policy.open_time, 2 * circuit.wait)
        circuit.wait = min(wait, policy.max_open_time)
        return self._move(CircuitEvent.TRIP, cause, failures=failures, calls=calls)

    def _move(
        self, event: CircuitEvent, cause: str, *, failures: int = 0, calls: int = 0
    ) -> Told | None:
        """The one place where the state changes; what was counted in the last one is gone."""
        circuit = self.circuit
        before = circuit.state
        circuit.state = next_state(before, event)
        circuit.generation += 1
        circuit.since = self._now
        circuit.until = self._now + circuit.wait if circuit.state is CircuitState.OPEN else 0.0
        circuit.cause = cause
        circuit.failures = circuit.successes = 0
        circuit.watched = circuit.held = 0.0
        circuit.window.clear()
        circuit.permits.clear()
        if circuit.state is before:
            return None
        return Told(
            kind=_KINDS[circuit.state],
            at=self._now,
            before=before,
            after=circuit.state,
            generation=circuit.generation,
            cause=circuit.cause,
            until=circuit.until,
            failures=failures,
            calls=calls,
        )

    # --- permits, operators, and workers that were alone ---

    def _lease(self, lease: Lease) -> Told | None:
        circuit, now = self.circuit, self._now
        told = None
        waited = now >= circuit.until or circuit.since - now >= circuit.wait
        if circuit.state is CircuitState.OPEN and waited:
            told = self._move(CircuitEvent.WAITED, f"it was open for {circuit.wait:g} s")
        if circuit.state is CircuitState.HALF_OPEN:
            permits = {
                permit: expiry
                for permit, expiry in circuit.permits.items()
                if now < expiry < now + 2 * PERMIT_EXPIRY
            }
            for permit in lease.permits:
                if permit in permits or len(permits) < self._policy.permits:
                    permits[permit] = now + PERMIT_EXPIRY
            circuit.permits = permits
        return told

    def _order(self, order: Order) -> Told | None:
        circuit = self.circuit
        if not is_possible(circuit.state, order.event):
            return None
        if order.event is CircuitEvent.RESET:
            circuit.wait = 0.0
        return self._move(order.event, order.cause)

    def _merge(self, merge: Merge) -> list[Told]:
        """The later change holds, but only an operator ends what an operator has ordered.

        Workers that were alone may have opened others each: all together they keep to the limit.
        """
        circuit, other = self.circuit, merge.circuit
        if (other.generation, other.since) <= (circuit.generation, circuit.since):
            return []
        # Workers that were alone at the same time have found the same: it is told once.
        news = [told for told in merge.untold if told.generation > circuit.generation]
        if circuit.state is CircuitState.FORCED_OPEN:
            circuit.generation = other.generation + 1  # so that the worker takes it up
            return news
        tripped = other.out and other.state is not CircuitState.FORCED_OPEN
        if tripped and not circuit.out and not self._room():
            circuit.generation, circuit.since = other.generation + 1, self._now
            held = self._hold("a worker has opened it by itself")
            circuit.cause = held.cause
            return [*news, held]
        self.circuit = msgspec.structs.replace(other, window={}, permits={})
        changed = other.state is not circuit.state
        return list(merge.untold[-1:]) if changed and not news else news
