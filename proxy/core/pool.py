"""A pool as one worker runs it: its live backends, their tiers, and who serves now."""

from bisect import bisect_right
from collections.abc import Callable, Container, Iterator, Mapping
from itertools import accumulate
from random import random
from typing import NamedTuple
from zlib import crc32

from pool.addresses import statuses_in
from pool.bus import HealthStatus
from pool.choices import HealthState
from pool.snapshot import BackendSpec, PoolSpec
from pool.tiers import Place, Share, places_of, share_out
from proxy.core.backend import Backend, Weight
from proxy.core.balancing import Balancer
from proxy.core.balancing.base import NOTHING
from proxy.core.budget import RetryBudget
from proxy.core.clock import Clock
from proxy.core.queue import Queue
from proxy.core.slow_start import grown
from proxy.core.steps import Steps, at_once, in_parts
from proxy.core.tier import Algorithm, Tier

_WELL = (HealthState.HEALTHY, HealthState.DEGRADED)


class _Arrangement(NamedTuple):
    """Who serves, worked out and not told to anybody yet. `members` by their tiers' numbers."""

    shares: list[Share]
    members: dict[int, list[tuple[Backend, float]]]
    starting: dict[Backend, int]


class Pool:
    """`backends` by id. `refresh()` must follow each change of a backend's eligibility.

    `shares`: what each tier has of the traffic. `hopeless`: nobody is well, and who is
    chosen nevertheless, in panic, may well fail. `queue`: None where nothing limits what
    the backends have at once. `selective`: whether a try may be over before its end,
    by its time or by its status, which `unwanted` tells. `changes`: how often it was worked
    out anew who serves. `ready`: whether it has taken over.
    """

    def __init__(
        self,
        spec: PoolSpec,
        algorithm: Algorithm,
        offset: int,
        clock: Clock,
        previous: "Pool | None" = None,
    ) -> None:
        """To be used after `make_backends()` and `take_over()`; `previous` is, until then."""
        self.spec = spec
        self.backends: dict[int, Backend] = {}
        self.algorithm = algorithm
        self.floor = 0
        self.changes = 0
        self.ready = False
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
        self._previous = previous
        self._changed: dict[Backend, BackendSpec] = {}  # those that stay, and what they shall be
        self._arrangement: _Arrangement | None = None
        self._as_of = 0  # `changes` of the previous one that are in it

    # --- succession ---

    def make_backends(self) -> Steps[None]:
        """Make those that are new; those that stay remain for now as `previous` has them."""
        known = self._previous.backends if self._previous is not None else {}
        for part in in_parts(self.spec.backends):
            for spec in part:
                backend = known.get(spec.id)
                # Another URL is another server: nothing that is known of the old one holds for it.
                if backend is None or backend.spec.url != spec.url:
                    backend = Backend(spec)
                elif backend.spec != spec:
                    self._changed[backend] = spec
                self.backends[spec.id] = backend
            yield

    def arrange(self) -> Steps[None]:
        """Work out who will serve, as things are now, so that `take_over()` has less to do."""
        previous = self._previous
        if previous is not None:
            self.floor, self._starting = previous.floor, previous._starting
            self._as_of = previous.changes
        self._arrangement = yield from self._arranged()

    def take_over(self) -> None:
        """Serve from now on in the place of `previous`, with which it shares what has state.

        Nobody may see some of this and not the rest of it. The second time it does nothing.
        """
        if self.ready:
            return
        previous = self._previous
        later = previous is not None and previous.changes != self._as_of
        if later or self._arrangement is None:
            at_once(self.arrange())  # somebody has gone down meanwhile, or has come up
        self.ready = True
        for backend, spec in self._changed.items():
            backend.configure(spec)
        if self.queue is not None:
            self.queue.configure(self.spec.limits)
        if previous is not None:
            previous._starting = {}  # which would make it refresh the tiers: they are others' now
        arrangement, self._arrangement = self._arrangement, None
        self._previous, self._changed = None, {}
        if arrangement is not None:
            self._serve(arrangement)
        if previous is not None and previous.tiers is self.tiers:
            # Its requests that wait, or are tried again: the tiers that it knew may be empty.
            previous._order, previous._ends = self._order, self._ends
            previous._whole, previous.hopeless = self._whole, self.hopeless

    # --- choosing ---

    def choose(
        self, excluded: Container[Backend] = NOTHING, key: bytes | None = None
    ) -> Backend | None:
        """A backend for the next try; `key`: what the pool's hash key says of the request."""
        tier = self._whole
        if tier is not None:
            backend = tier.pick(excluded, key)
            if backend is not None:
                return backend
        return self._choose_among_tiers(excluded, key)

    def _choose_among_tiers(
        self, excluded: Container[Backend], key: bytes | None
    ) -> Backend | None:
        """From the tier whose turn it is, or else from the first that has anybody left."""
        tiers = self._order
        if not tiers:
            return None
        if key is not None and self.algorithm.main.needs_key:
            point = crc32(key) % 100  # equal keys stay in their tier
        else:
            point = int(self.chance() * 100)
        turn = bisect_right(self._ends, point)
        for tier in (tiers[turn], *tiers[:turn], *tiers[turn + 1 :]):
            backend = tier.pick(excluded, key)
            if backend is not None:
                return backend
        return None

    def failed(self, backend: Backend) -> None:
        """A try at this backend has failed by its own fault."""
        for tier in self._order:
            tier.failed(backend)

    def has_another(self, tried: Container[Backend]) -> bool:
        """Whether a try could go to one that is not among `tried` now."""
        return any(backend.available() for backend in self._others(tried))

    def full_for(self, tried: Container[Backend]) -> bool:
        """Whether there is one for it that has no room only for the moment."""
        return any(backend.full for backend in self._others(tried))

    def _others(self, tried: Container[Backend]) -> Iterator[Backend]:
        for tier in self._order:
            for backend in tier.balancer.backends:
                if backend not in tried:
                    yield backend

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
        if self.ready:
            self._serve(at_once(self._arranged()))
        else:  # `previous` is told what `backends` do as well: it serves no more
            self._arrangement = None
            self.take_over()

    def _arranged(self) -> Steps[_Arrangement]:
        """Who serves as things are now, worked out without a change to anything."""
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
                members[share.tier] = [self._member(place, starting) for place in share.places]
        return _Arrangement(shares, members, starting)

    def _serve(self, arrangement: _Arrangement) -> None:
        self.changes += 1
        self.shares, members, self._starting = arrangement
        self.hopeless = not any(share.healthy for share in self.shares)
        for number, tier in self.tiers.items():
            if number not in members:
                tier.update([])
        for number, those in members.items():
            self._tier(number).update(those)
        taking_part = [share for share in self.shares if share.places]
        self._order = tuple(self.tiers[share.tier] for share in taking_part)
        self._ends = list(accumulate(share.percent for share in taking_part))
        whole = (self.tiers[one.tier] for one in taking_part if one.percent == 100)
        self._whole = next(whole, None)

    def _tier(self, number: int) -> Tier:
        tier = self.tiers.get(number)
        if tier is None:
            tier = self.tiers[number] = Tier(self.algorithm, self._offset, self.clock)
        return tier

    def _member(self, place: Place, starting: Container[Backend]) -> tuple[Backend, Weight]:
        backend = self.backends[place.holder]
        weight: Weight = place.weight if self.algorithm.main.weighted else 1
        if backend.degraded:
            own = self._changed.get(backend, backend.spec).health.degraded_weight
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


def build_pool(
    spec: PoolSpec,
    algorithm: type[Balancer],
    previous: Pool | None,
    offset: int,
    clock: Clock | None = None,
    fallback: type[Balancer] | None = None,
) -> Pool:
    """The pool of `spec`; backends and algorithms of `previous` live on where they fit."""
    parts = Algorithm(algorithm, fallback or algorithm, spec.balancing)
    pool = Pool(spec, parts, offset, clock or Clock(), previous)
    at_once(pool.make_backends())
    pool.take_over()
    return pool
