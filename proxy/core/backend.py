"""A backend as one worker sees it: its configuration and what is happening to it now."""

from collections.abc import Sequence

from pool.bus import HealthStatus
from pool.choices import AdminState, HealthState
from pool.outliers.records import Ejection
from pool.snapshot import BackendSpec
from pool.tiers import accepts_new
from proxy.core.circuit.breaker import Breaker
from proxy.core.latency import Latency
from proxy.core.outlier import Monitor
from proxy.core.words import Words
from proxy.errors import ClientGone, ResponseTimeout

Weight = int | float  # an int where it is whole: then sums stay exact

_NO_ANSWER = ClientGone.status  # this, and all that are higher
_TIMED_OUT = ResponseTimeout.status


class Backend:
    """Live state of one backend. It outlives the snapshot that configured it.

    Policies ask `available()` and nothing else; everything that can take a
    backend out of the rotation for longer than a moment is in `eligible`.
    """

    __slots__ = (
        "_guarded",
        "_limit",
        "authority",
        "breaker",
        "cell",
        "ejection",
        "elsewhere",
        "health",
        "id",
        "in_flight",
        "in_flight_peak",
        "latency",
        "monitor",
        "place",
        "spec",
        "weight",
    )

    def __init__(self, spec: BackendSpec) -> None:
        self.id = spec.id
        self.authority = _authority(spec.url)
        self.in_flight = 0  # requests of this worker
        self.in_flight_peak = 0  # the most that there were at once, since this was last set
        # Where other workers see `in_flight`: in one map for all backends, as a map or a slice
        # for each would not stay in the processor's cache.
        self.cell: Words = [0]
        self.place = 0
        self.elsewhere: Sequence[Words] = ()  # where they show theirs, as the first one
        self.latency = Latency()
        self.health: HealthStatus | None = None  # None: no probe has spoken yet
        self.breaker: Breaker | None = None  # None: the pool's circuits are off
        self.monitor: Monitor | None = None  # None: outliers are not looked for
        self.ejection: Ejection | None = None  # as an outlier, if it is now
        self.configure(spec)

    def configure(self, spec: BackendSpec) -> None:
        """Take a new configuration of the same server: the URL stays."""
        self.spec = spec
        self.weight: Weight = spec.weight  # what algorithms go by; less while it starts slowly
        self._limit = spec.max_connections
        self.set_breaker(self.breaker)

    def set_breaker(self, breaker: Breaker | None) -> None:
        """Go by `breaker`; to be called whenever its circuit has changed."""
        self.breaker = breaker
        self._guarded = bool(self._limit) or (breaker is not None and breaker.guards)

    @property
    def out(self) -> bool:
        """Whether it cannot serve now, whatever the operator wants."""
        if self.ejection is not None or (self.breaker is not None and self.breaker.out):
            return True
        return self.health is not None and self.health.state is HealthState.UNHEALTHY

    @property
    def degraded(self) -> bool:
        """Whether it is well, but so slow that it should have less."""
        return self.health is not None and self.health.state is HealthState.DEGRADED

    @property
    def eligible(self) -> bool:
        """Whether it may serve clients that it did not serve before."""
        return accepts_new(self.spec) and not self.out

    @property
    def keeps_clients(self) -> bool:
        """Whether it may serve those that stick to it: also while it drains, or has no weight."""
        return self.spec.admin_state is not AdminState.MAINTENANCE and not self.out

    def set_health(self, status: HealthStatus | None) -> bool:
        """Take `status` up; whether that changes who may serve, or how much.

        Also of one that the operator leaves out: a configuration on its way may let it in.
        """
        before = self.out, self.degraded
        self.health = status
        return before != (self.out, self.degraded)

    def load(self) -> int:
        """Requests in flight from all workers of the machine."""
        load = self.in_flight
        for cell in self.elsewhere:
            load += cell[0]
        return load

    @property
    def full(self) -> bool:
        """Whether it could take a request if it had fewer."""
        if not self._limit or self.load() < self._limit:
            return False
        return self.breaker is None or self.breaker.admits()

    def available(self) -> bool:
        """Whether one more request fits now."""
        return not self._guarded or self._fits()

    def _fits(self) -> bool:
        """Below its limit, and let through by its circuit: also in panic, for it will fail."""
        if self._limit and self.load() >= self._limit:
            return False
        return self.breaker is None or self.breaker.admits()

    def observe_try(self, status: int, microseconds: float, now: int) -> None:
        """A try's wait is over, by a response of this status or by an error that has it.

        `now` is `Clock.now`.
        """
        if status < _NO_ANSWER or status == _TIMED_OUT:
            self.latency.observe(microseconds, now)
        else:
            self.latency.observe_at_least(microseconds, now)

    def take(self) -> None:
        """A request has been given to this backend."""
        count = self.in_flight = self.in_flight + 1
        if count > self.in_flight_peak:
            self.in_flight_peak = count
        self.cell[self.place] = count

    def give_back(self) -> None:
        """A request that it had has ended."""
        count = self.in_flight = self.in_flight - 1
        self.cell[self.place] = count

    def show_in(self, cell: Words, place: int) -> None:
        """Show there what is in flight, from now on."""
        self.cell, self.place = cell, place
        cell[place] = self.in_flight

    def __repr__(self) -> str:
        return f"<Backend {self.id} {self.spec.name}>"


def _authority(url: str) -> bytes:
    """What the Host field says when the backend is addressed by its own name."""
    scheme, separator, authority = url.partition("://")
    if not separator:
        return b"localhost"  # a unix socket has no name
    default = ":443" if scheme == "https" else ":80"
    return authority.removesuffix(default).encode("ascii")
