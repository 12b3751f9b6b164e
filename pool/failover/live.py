"""Where a pool's traffic goes now, worked out as edges do, for a screen or an answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from redis import RedisError

from pool.bus import FailoverState
from pool.circuits.live import LiveCircuits
from pool.connection import redis_client
from pool.failover.store import FailoverStore, read_state
from pool.live import LiveHealth
from pool.models import Pool
from pool.outage import Known
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
    """One reading, good for all pools of a page; `error` says why there is none."""

    health: LiveHealth
    circuits: LiveCircuits
    states: Mapping[int, bytes] = field(default_factory=dict)
    error: str = ""

    @classmethod
    def read(cls, health: LiveHealth) -> "LiveTraffic":
        circuits = LiveCircuits.read()
        try:
            states = FailoverStore(redis_client()).read_all()
        except RedisError as error:
            return cls(health, circuits, error=f"Redis cannot be reached: {error}")
        return cls(health, circuits, states, health.error or circuits.error)

    def of(self, pool: Pool) -> Traffic:
        backends = sorted(pool.backends.all(), key=lambda backend: backend.pk)
        spec = pool.compile(backend.compile() for backend in backends)
        out = {backend.id for backend in spec.backends if self._known(backend.id).why_out(spec)}
        state = read_state(self.states.get(pool.pk))
        return Traffic(share_out(places_of(spec.backends, out), spec.tiers, state.floor), state)

    def _known(self, backend_id: int) -> Known:
        key = str(backend_id).encode()
        return Known.read(self.health.records.get(key), self.circuits.records.get(key))
