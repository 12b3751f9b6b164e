"""Where a pool's traffic goes now, worked out as edges do, for a screen or an answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from redis import RedisError

from pool.bus import FailoverState
from pool.choices import HealthState
from pool.connection import redis_client
from pool.failover.store import FailoverStore, read_state
from pool.live import LiveHealth
from pool.models import Pool
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
    states: Mapping[int, bytes] = field(default_factory=dict)
    error: str = ""

    @classmethod
    def read(cls, health: LiveHealth) -> "LiveTraffic":
        try:
            return cls(health, FailoverStore(redis_client()).read_all(), health.error)
        except RedisError as error:
            return cls(health, error=f"Redis cannot be reached: {error}")

    def of(self, pool: Pool) -> Traffic:
        backends = sorted(pool.backends.all(), key=lambda backend: backend.pk)
        spec = pool.compile(backend.compile() for backend in backends)
        out = {
            backend.id
            for backend in spec.backends
            if spec.health.enabled and self.health.of(backend.id).state is HealthState.UNHEALTHY
        }
        state = read_state(self.states.get(pool.pk))
        return Traffic(share_out(places_of(spec.backends, out), spec.tiers, state.floor), state)
