"""A pool as one worker runs it: its live backends, their tiers, and who serves now."""

from collections.abc import Callable, Container, Mapping
from random import random
from typing import NamedTuple
from zlib import crc32

from pool.addresses import statuses_in
from pool.bus import HealthStatus
from pool.choices import HealthState
from pool.snapshot import BackendSpec, PoolSpec
from pool.tiers import Place, Share, places_of, share_out
from proxy.core.backend import Backend, Weight
from proxy.core.balancing.base import NOTHING
from proxy.core.budget import RetryBudget
from proxy.core.clock import Clock
from proxy.core.line_up import LineUp
from proxy.core.queue import Queue
from proxy.core.slow_start import grown
from proxy.core.steps import Steps, at_once, in_parts
from proxy.core.tier import Algorithm, Tier

_WELL = (HealthState.HEALTHY, HealthState.DEGRADED)


class Arrangement(NamedTuple):
    """Who serves, worked out and not told to anybody yet. `members` by their tiers' numbers."""

    shares: list[Share]
    members: dict[int, list[tuple[Backend, float]]]
    starting: dict[Backend, int]


class Pool:
    """`backends` by id. `refresh()` must follow each change of a backend's eligibility.

    `shares`: what each tier has of the traffic. `queue`: None where nothing limits what
    the backends have at once. `selective`: whether a try may be over before its end,
    by its time or by its status, which `unwanted` tells. `changes`: how often it was worked
    out anew who serves.
    """

    def __init__(
        self,
        spec: PoolSpec,
        algorithm: Algorithm,
        offset: int,
        clock: Clock,
        previous: "Pool | None" = None,
    ) -> None:
        """Not to be used before its `Succession` to `previous`, which gives it backends."""
        self.spec = spec
        self.backends: dict[int, Backend] = {}
        self.algorithm = algorithm
        self.floor = 0
        self.changes = 0
        self.tiers: dict[int, Tier] = {}
        self._offset = offset
        self.clock = clock
        self.chance: Callable[[], float] = random  # which is seeded anew in each worker
        self._starting: dict[Backend, int] = {}  # when each became healthy
        self.budget: RetryBudget = RetryBudget() if previous is None else previous.budget
        self.queue: Queue | None = self._queue(previous)
        retry = spec.retry
        self.unwanted = statuses_in(retry.on_statuses)
        self.selective = bool(retry.on_statuses or retry.try_timeout or retry.hedge_after)
        if previous is not None and previous.algorithm == algorithm:
            self.tiers = previous.tiers

    # --- choosing ---

    def choose(
        self, excluded: Container[Backend] = NOTHING, key: bytes | None = None
    ) -> Backend | None:
        """A backend for the next try; `key`: what the pool's hash key says of the request."""
        line_up = self.line_up
        tier = line_up.whole
        if tier is not None:
            backend = tier.pick(excluded, key)
            if backend is not None:
                return backend
        if not line_up.order:
            return None
        if key is not None and self.algorithm.main.needs_key:
            point = crc32(key) % 100  # equal keys stay in their tier
        else:
            point = int(self.chance() * 100)
        return line_up.pick(point, excluded, key)

    @property
    def hopeless(self) -> bool:
        """Whether nobody is well, so that who is chosen nevertheless, in panic, may well fail."""
        return self.line_up.hopeless

    def failed(self, backend: Backend) -> None:
        """A try at this backend has failed by its own fault."""
        for tier in self.line_up.order:
            tier.failed(backend)

    def has_another(self, tried: Container[Backend]) -> bool:
        """Whether a try could go to one that is not among `tried` now."""
        return any(backend.available() for backend in self.line_up.others(tried))

    def full_for(self, tried: Container[Backend]) -> bool:
        """Whether there is one for it that has no room only for the moment."""
        return any(backend.full for backend in self.line_up.others(tried))

    def active(self) -> int:
        """Tries of this worker that are under way."""
        return sum(backend.in_flight for backend in self.backends.values())

    def _queue(self, previous: "Pool | None") -> Queue | None:
        spec = self.spec
        if not spec.limits.max_in_flight and not any(one.max_connections for one in spec.backends):
            return None
        queue = previous.queue if previous is not None else None
        return Queue(spec.limits) if queue is None else queue

    # --- who serves ---

    def refresh(self) -> None:
        """Work out anew who serves, and tell the tiers' algorithms."""
        self.serve(at_once(self.arranged({})))

    def arranged(self, changed: Mapping[Backend, BackendSpec]) -> Steps[Arrangement]:
        """Who serves as things are now, worked out without a change to anything.

        `changed`: what backends are to be configured with before it is served so.
        """
        out = {backend.id for backend in self.backends.values() if backend.out}
        yield
        places = places_of(self.spec.backends, out)
        yield
        shares = share_out(places, self.spec.tiers, self.floor)
        starting = self._still_starting()
        yield
        members: dict[int, list[tuple[Backend, float]]] = {}
        for share in shares:
            if share.places:
                members[share.tier] = [
                    self._member(place, starting, changed) for place in share.places
                ]
        return Arrangement(shares, members, starting)

    def serve(self, arrangement: Arrangement) -> None:
        """Go by `arrangement` from now on."""
        self.changes += 1
        self.shares, members, self._starting = arrangement
        for number, tier in self.tiers.items():
            if number not in members:
                tier.update([])
        for number, those in members.items():
            self._tier(number).update(those)
        self.line_up = LineUp(self.shares, self.tiers)

    def follow(self, previous: "Pool") -> None:
        """Go on from where `previous` is now."""
        self.floor, self._starting = previous.floor, previous._starting

    def make_way(self, successor: "Pool") -> None:
        """Leave the tiers to `successor`, which serves in the place of this one."""
        self._starting = {}  # or it would go on refreshing them
        if self.tiers is successor.tiers:
            # For requests that wait, or are tried again: the tiers that it knew may be empty.
            self.line_up = successor.line_up

    def _tier(self, number: int) -> Tier:
        tier = self.tiers.get(number)
        if tier is None:
            tier = self.tiers[number] = Tier(self.algorithm, self._offset, self.clock)
        return tier

    def _member(
        self,
        place: Place,
        starting: Container[Backend],
        changed: Mapping[Backend, BackendSpec],
    ) -> tuple[Backend, Weight]:
        backend = self.backends[place.holder]
        weight: Weight = place.weight if self.algorithm.main.weighted else 1
        if backend.degraded:
            own = changed.get(backend, backend.spec).health.degraded_weight
            weight *= (self.spec.health.degraded_weight if own is None else own) / 100
        if backend in starting:
            weight *= grown(self.spec.balancing, self.clock.now - self._starting[backend]) / 100
        return backend, weight

    # --- news ---

    def set_health(self, backend_id: int, status: HealthStatus | None) -> None:
        self.update_health({backend_id: status})

    def set_all_health(self, statuses: Mapping[int, HealthStatus]) -> None:
        """Take what is known of the backends."""
        self.update_health(at_once(self.news_in(statuses)))

    def news_in(
        self, statuses: Mapping[int, HealthStatus]
    ) -> Steps[dict[int, HealthStatus | None]]:
        """What of all that is known of the backends is to be taken up.

        Of one that is missing nothing is known any more if it is not probed. If it
        is, Redis has lost it: the last verdict holds until the probes have spoken
        again, or an outage of Redis would bring dead backends back.
        """
        forget = not self.spec.health.enabled
        news = {}
        for part in in_parts(self.backends.items()):
            for backend_id, backend in part:
                status = statuses.get(backend_id)
                if status != backend.health and (forget or status is not None):
                    news[backend_id] = status
            yield
        return news

    def update_health(self, changes: Mapping[int, HealthStatus | None]) -> None:
        """Take several verdicts at the cost of one `refresh()`; other pools' are passed over."""
        changed = [
            self._take(backend, status)
            for backend_id, status in changes.items()
            if (backend := self.backends.get(backend_id)) is not None
        ]
        if any(changed):
            self.refresh()

    def set_floor(self, floor: int) -> None:
        """Serve from this tier on, for as long as anybody there is well."""
        if floor != self.floor:
            self.floor = floor
            self.refresh()

    def _take(self, backend: Backend, status: HealthStatus | None) -> bool:
        """Take a backend's health up; whether that changes who may serve, or how much."""
        before = backend.eligible
        changed = backend.set_health(status)
        if backend.eligible is not before:
            self._starting.pop(backend, None)
            # From unhealthy: what was never known to be ill, as at the start of this
            # process, has nothing to recover from.
            if backend.eligible and status is not None and status.state in _WELL:
                self._starting[backend] = self.clock.now
                # Its last times are those of the one that was failing: algorithms that go by
                # them would leave the one that is back without a request to show its own.
                backend.latency.forget()
        return changed

    # --- slow start ---

    @property
    def starting(self) -> bool:
        """Whether anybody grows into its share: `refresh()` a few times a second."""
        return bool(self._starting)

    def _still_starting(self) -> dict[Backend, int]:
        """Without those that have their whole weight, and those that have left."""
        policy, now = self.spec.balancing, self.clock.now
        return {
            backend: since
            for backend, since in self._starting.items()
            if self.backends.get(backend.id) is backend and grown(policy, now - since) < 100
        }
