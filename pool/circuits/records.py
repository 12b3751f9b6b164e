"""A backend's circuit as all workers share it, and what can be done to it. No Django in here.

In Redis each circuit is one JSON text, which the script beside this file moves
on; `proxy.core.circuit` holds the same rules in Python. Times are Unix seconds.
"""

import math

import msgspec

from pool.choices import CircuitEvent, CircuitState, EventKind
from pool.snapshot import CircuitPolicy, PoolSpec

BUCKETS = 10  # that a sliding window consists of: it moves on by a tenth of its length
PERMIT_EXPIRY = 30.0  # seconds after which the holder of a permit counts as dead

SHUT = (CircuitState.OPEN, CircuitState.FORCED_OPEN)

Calls = tuple[int, int, int]  # calls, of these failed, of these slow
Window = dict[str, Calls]  # by the bucket's number: Unix time in tenths of the window


class Circuit(msgspec.Struct, kw_only=True):
    """One circuit. `generation` goes up with each change of the state.

    `wait`: for how long it was open last, or is. `permits`: of a half-open one,
    each with its expiry. `watched`: until then all workers tell of their calls.
    `held`: until then nobody is told again that it stays closed for `max_open`.
    """

    state: CircuitState = CircuitState.CLOSED
    generation: int = 0
    since: float = 0.0
    until: float = 0.0  # when an open one is tried; 0: not by itself
    wait: float = 0.0
    cause: str = ""
    failures: int = 0  # in a row, while closed
    successes: int = 0  # in a row, while half-open
    watched: float = 0.0
    held: float = 0.0
    window: Window = {}
    permits: dict[str, float] = {}

    @property
    def out(self) -> bool:
        """Whether its backend is kept from its full share: what `max_open` limits."""
        return self.state is not CircuitState.CLOSED

    @property
    def shut(self) -> bool:
        """Whether nothing at all may go through."""
        return self.state in SHUT


class Report(msgspec.Struct, frozen=True, kw_only=True, tag="report"):
    """How the calls of one worker have ended that began in `generation`.

    `leading`: failures before the first success, `trailing`: after the last one,
    `longest`: in a row. `slow` calls are no `successes`. `window`: the same calls, and
    ones before them that nobody has been told of, by time; for the ratios only.
    """

    generation: int
    successes: int = 0
    failures: int = 0
    slow: int = 0
    leading: int = 0
    trailing: int = 0
    longest: int = 0
    window: Window = {}
    returned: tuple[str, ...] = ()  # permits


class Lease(msgspec.Struct, frozen=True, kw_only=True, tag="lease"):
    """Asks for these permits, under names of the worker's choice, or to keep them."""

    permits: tuple[str, ...]


class Order(msgspec.Struct, frozen=True, kw_only=True, tag="order"):
    """Not what calls say: an operator's OPEN, RELEASE or RESET, or the probes' PROBED."""

    event: CircuitEvent
    cause: str
    actor: str = ""  # the user's name


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What the timeline is told. `failures` in a row, or of `calls` in the window."""

    kind: EventKind
    at: float
    before: CircuitState
    after: CircuitState
    generation: int
    cause: str
    until: float
    failures: int = 0
    calls: int = 0


class LoneChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change that was made without Redis, and laid before the others later."""

    backend_id: int
    told: Told


class Merge(msgspec.Struct, frozen=True, kw_only=True, tag="merge"):
    """What a worker knows that was without Redis, or whose Redis has lost the circuit.

    `untold`: the changes that the worker has made by itself, of which no event told.
    """

    circuit: Circuit
    untold: tuple[Told, ...] = ()


Operation = Report | Lease | Order | Merge


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What all circuits of a pool go by. `limit`: so many may be out at once."""

    pool_id: int
    limit: int
    policy: CircuitPolicy


def terms_of(pool: PoolSpec) -> Terms:
    """`max_open` is rounded up: a part of a circuit cannot be open, and 0 stays 0."""
    limit = math.ceil(pool.circuit.max_open * len(pool.backends) / 100)
    return Terms(pool_id=pool.id, limit=limit, policy=pool.circuit)


class CircuitChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is announced: the whole of a circuit that others have to know of."""

    backend_id: int
    circuit: Circuit
