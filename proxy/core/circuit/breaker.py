"""A backend's circuit as one worker has it: what a request asks, and what the worker reports.

Requests meet it on the hot path: it lets them through or not, and hears how they
ended. What that means for the state is decided elsewhere, by all workers' reports
together (`machine`); `operations()` is what this worker has to say, and `take_up()`
what was decided. Results that lead to no other state, those of a healthy backend,
are not even counted, unless the policy goes by shares of all calls.
"""

from collections.abc import Callable
from math import floor

from pool.addresses import statuses_in
from pool.choices import CircuitMode, CircuitState
from pool.circuits.records import BUCKETS, Calls, Circuit, Lease, Operation, Report, Terms
from proxy.core.circuit.results import Results

LEASE = 2  # permits that a worker has ready for requests to come
RENEWAL = 10.0  # seconds after which a permit in use is asked for again: it expires after 30
IDLE_LEASE = 1.0  # seconds after which an unused permit goes back, where they are scarce
ASK_AGAIN = 0.05  # seconds, if requests wait for a permit that was not to be had
ASK_IDLY = 0.5  # and if none does
COUNT_INTERVAL = 0.25  # seconds between two reports of calls that have all succeeded


class Breaker:
    """Times are Unix seconds. `wake` is called when there is something to say.

    `failing`: the statuses that count as failures. `counts`: whether successes mean
    anything now. `trial`: whether a permit is needed. `close_watch`: whether the begin
    and the head of a call matter, and not only its end.
    """

    __slots__ = (
        "_ask_at",
        "_asked_at",
        "_busy",
        "_by_ratio",
        "_free",
        "_idle_from",
        "_name",
        "_names",
        "_recent",
        "_reported_at",
        "_results",
        "_returned",
        "_scarce",
        "_slow_after",
        "_tallies",
        "_used",
        "_wake",
        "_wanted",
        "backend_id",
        "circuit",
        "close_watch",
        "counts",
        "failing",
        "generation",
        "terms",
        "trial",
    )

    def __init__(
        self, backend_id: int, terms: Terms, name: str, wake: Callable[["Breaker"], None]
    ) -> None:
        """`name` of the worker: its permits are called after it."""
        self.backend_id = backend_id
        self._name = name
        self._names = 0
        self._wake = wake
        self._recent: dict[int, Calls] = {}  # calls that nobody was told of, by bucket
        self.circuit = Circuit()
        self._begin()
        self.configure(terms)

    def configure(self, terms: Terms) -> None:
        policy = terms.policy
        self.terms = terms
        self.failing = statuses_in(policy.statuses)
        self._by_ratio = policy.mode is not CircuitMode.CONSECUTIVE
        slow = policy.mode is CircuitMode.SLOW_RATIO
        self._slow_after = policy.slow_call * 1e9 if slow else 0.0  # nanoseconds; 0: never
        self._settle()

    def _begin(self) -> None:
        """A new generation: what was counted or held in the last one is void."""
        self.generation = self.circuit.generation
        self._results = Results()
        self._recent.clear()
        self._free: list[str] = []
        self._used: list[str] = []
        self._returned: list[str] = []
        self._wanted = self._scarce = self._busy = False
        self.forget_times()

    def forget_times(self) -> None:
        """The clock was set back: what was to wait for a time would wait for too long."""
        self._ask_at = self._asked_at = self._reported_at = self._idle_from = 0.0

    def _settle(self) -> None:
        circuit = self.circuit
        self.trial = circuit.state is CircuitState.HALF_OPEN
        self._tallies = self._by_ratio and not self.trial
        in_a_row = circuit.failures > 0 or self._results.failures > 0
        self.counts = self._by_ratio or self.trial or in_a_row
        self.close_watch = self.trial or self._slow_after > 0

    # --- requests ---

    @property
    def out(self) -> bool:
        """Whether nothing at all may go through."""
        return self.circuit.shut

    @property
    def guards(self) -> bool:
        """Whether a request has to ask `admits()`."""
        return self.circuit.out

    def admits(self) -> bool:
        """Whether one more call may begin now."""
        if not self.trial:
            return not self.out
        if self._free:
            return True
        if not self._wanted:
            self._wanted = True
            self._wake(self)
        return False

    def begin(self) -> None:
        """A call begins, under a close watch."""
        if self._free:
            self._used.append(self._free.pop())
            self._busy = True
            self._wake(self)

    def is_slow(self, nanoseconds: int) -> bool:
        return 0 < self._slow_after < nanoseconds

    def succeeded(self, generation: int, slow: bool = False) -> None:
        """A call that began in `generation` was answered, and not with a failing status."""
        if generation != self.generation:
            return
        if self._tallies and not slow:
            self._results.successes += 1  # most calls, while shares of them are what counts
            return
        if slow:
            self._results.slow_call()
        else:
            self._results.success()
        self._wake(self)
        self._end_trial()

    def failed(self, generation: int) -> None:
        if generation == self.generation and not self.out:
            self._results.failure()
            self.counts = True
            self._wake(self)
            self._end_trial()

    def excluded(self, generation: int) -> None:
        """It says nothing of the backend: the client went away, or was at fault."""
        if generation == self.generation:
            self._end_trial()

    def _end_trial(self) -> None:
        """Its permit is for the next call: through Redis, that one would be refused meanwhile."""
        if self._used:
            self._free.append(self._used.pop())

    # --- the worker's task ---

    def operations(self, now: float) -> list[Operation]:
        """What is to be done to the shared circuit; each is returned once."""
        operations: list[Operation] = []
        if self.trial:
            self._give_back_idle(now)
        report = self._report(now)
        if report is not None:
            operations.append(report)
        lease = self._lease(now)
        if lease is not None:
            operations.append(lease)
        return operations

    def due(self, now: float) -> bool:
        """Whether to ask for `operations()` although nothing has happened."""
        if self._by_ratio and self.circuit.state is CircuitState.CLOSED:
            return True
        return self.trial or (self.circuit.state is CircuitState.OPEN and now >= self._ask_at)

    def _report(self, now: float) -> Report | None:
        results = self._results
        if self._tallies:
            self._remember(now)
            watched = now < self.circuit.watched and now >= self._reported_at + COUNT_INTERVAL
            waits = bool(results.bad or (self._recent and watched))
        else:
            waits = bool(results.calls or self._returned)
        if not waits:
            self._results = Results()
            return None
        report = results.report(
            self.generation,
            window={str(bucket): calls for bucket, calls in self._recent.items()},
            returned=tuple(self._returned),
        )
        self._results = Results()
        self._recent.clear()
        self._returned.clear()
        self._reported_at = now
        return report

    def _remember(self, now: float) -> None:
        """Put the results with the others of their bucket; forget those before the window."""
        results, recent = self._results, self._recent
        bucket = floor(now / self.terms.policy.window * BUCKETS)
        if results.calls:
            calls, failed, slow = recent.get(bucket, (0, 0, 0))
            recent[bucket] = (
                calls + results.calls,
                failed + results.failures,
                slow + results.slow,
            )
        for old in [one for one in recent if abs(one - bucket) >= BUCKETS]:
            del recent[old]

    def _lease(self, now: float) -> Lease | None:
        state = self.circuit.state
        if state is not CircuitState.HALF_OPEN and state is not CircuitState.OPEN:
            return None
        if state is CircuitState.OPEN and now < self._ask_at:
            return None
        held = [*self._used, *self._free]
        lacking = LEASE - len(self._free) if now >= self._ask_at else 0
        if lacking <= 0 and (not held or now < self._asked_at + RENEWAL):
            return None
        self._asked_at = now
        # Until there is an answer, which sets it anew, or for as long as there is none.
        self._ask_at = now + ASK_IDLY
        return Lease(permits=(*held, *(self._next_name() for _ in range(lacking))))

    def _next_name(self) -> str:
        self._names += 1
        return f"{self._name}-{self._names}"

    def _give_back_idle(self, now: float) -> None:
        """Other workers may have requests for permits that are of no use here."""
        if self._busy or not self._free:
            self._idle_from, self._busy = now, False
        elif self._scarce and now >= self._idle_from + IDLE_LEASE:
            self._returned += self._free
            self._free.clear()
            self._ask_at = now + 2 * ASK_AGAIN

    def take_up(self, circuit: Circuit, now: float) -> None:
        """The circuit is now this."""
        self.circuit = circuit
        if circuit.generation != self.generation:
            self._begin()
            self._ask_at = min(circuit.until, now + circuit.wait)
        self._settle()
        if self.trial:
            self._take_permits(now)

    def _take_permits(self, now: float) -> None:
        """Those that were granted to this worker, and not what it has used or returned."""
        permits = self.circuit.permits
        prefix = f"{self._name}-"
        known = {*self._used, *self._returned}
        self._free = [one for one in permits if one.startswith(prefix) and one not in known]
        self._scarce = len(permits) >= self.terms.policy.permits
        if len(self._free) < LEASE:
            self._ask_at = now + (ASK_AGAIN if self._wanted or not self._scarce else ASK_IDLY)
        self._wanted = False
