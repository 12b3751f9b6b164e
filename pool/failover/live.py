"""Where a pool's traffic goes now, worked out as edges do, for a screen or an answer."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from redis import RedisError

from pool.bus import FailoverState
from pool.circuits.live import LiveCircuits
from pool.connection import redis_client
from pool.failover.store import FailoverStore, read_state
from pool.live import LiveHealth, why_away
from pool.models import Pool
from pool.outage import Known
from pool.outliers.live import LiveEjections
from pool.tiers import Share, places_of, serving, share_out


@dataclass(frozen=True)
class Traffic:
    """`shares` in the order in which the tiers serve; `state`: what is remembered of it."""

    shares: list[Share]
    state: FailoverState

    @property
    def serving(self) -> tuple[int, ...]:
        return serving(self.shares)

    @property
    def panic(self) -> bool:
        return any(share.panic and share.percent for share in self.shares)


@dataclass(frozen=True)
class LiveTraffic:
    """One reading of all that pools and backends are now, good for all rows of a page.

    `error` says why there is none, or only a part.
    """

    health: LiveHealth
    circuits: LiveCircuits
    ejections: LiveEjections
    states: Mapping[int, bytes] = field(default_factory=dict)
    error: str = ""
    _found: dict[int, Traffic] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls) -> "LiveTraffic":
        health, circuits, ejections = LiveHealth.read(), LiveCircuits.read(), LiveEjections.read()
        try:
            states = FailoverStore(redis_client()).read_all()
        except RedisError as error:
            return cls(health, circuits, ejections, error=why_away(error))
        unread = health.error or circuits.error or ejections.error
        return cls(health, circuits, ejections, states, unread)

    def of(self, pool: Pool) -> Traffic:
        """Worked out once: its traffic and its outlook are told side by side."""
        if pool.pk not in self._found:
            self._found[pool.pk] = self._work_out(pool)
        return self._found[pool.pk]

    def _work_out(self, pool: Pool) -> Traffic:
        backends = sorted(pool.backends.all(), key=lambda backend: backend.pk)
        spec = pool.compile(backend.compile() for backend in backends)
        ejected = self.ejections.of_pool(pool.pk)
        known = {backend.id: self._known(backend.id, ejected) for backend in spec.backends}
        out = {number for number, one in known.items() if one.why_out(spec)}
        state = read_state(self.states.get(pool.pk))
        return Traffic(share_out(places_of(spec.backends, out), spec.tiers, state.floor), state)

    def _known(self, backend_id: int, ejected: Container[int]) -> Known:
        key = str(backend_id).encode()
        health, circuit = self.health.records.get(key), self.circuits.records.get(key)
        return Known.read(health, circuit, ejected=backend_id in ejected)
