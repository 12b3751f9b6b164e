"""One worker's edge: what it runs, whom it serves, and its once-a-moment chores."""

import asyncio
import json
import logging
from itertools import count
from secrets import token_hex
from time import monotonic_ns, time

from pool.bus import HealthStatus
from pool.snapshot import Snapshot, TlsPolicy
from proxy.core.backend import Backend
from proxy.core.clock import Clock
from proxy.core.configuration import Configuration
from proxy.core.debug import DebugKey
from proxy.core.head.request import RequestHead
from proxy.core.queue import Queue
from proxy.core.rate_limit import RateLimit, fields_of
from proxy.core.secret import derive_key
from proxy.core.steps import Steps, at_once
from proxy.core.sticky import KEY_PURPOSE, is_sticky
from proxy.engine.access_log import AccessLog
from proxy.engine.changeover import Changeover
from proxy.engine.circuits import Circuits
from proxy.engine.connections import IDLE, ConnectionPool
from proxy.engine.counters import Counters
from proxy.engine.downstream import ClientConnection
from proxy.engine.ends import Ends
from proxy.engine.explained import ExplainedTransaction
from proxy.engine.known_heads import KnownHeads
from proxy.engine.live import LiveBoard
from proxy.engine.log_file import LogFile
from proxy.engine.outbox import Outbox
from proxy.engine.outliers import Outliers
from proxy.engine.prepared import Prepared, PreparedHeads
from proxy.engine.rates import Rates
from proxy.engine.request_log import RequestLog
from proxy.engine.resolver import Resolver
from proxy.engine.settings import EdgeSettings
from proxy.engine.transaction import Transaction
from proxy.engine.waiting import Waiting
from proxy.errors import RateLimited

log = logging.getLogger("lbsite.edge")

SWEEP_INTERVAL = 0.25  # seconds; a time-out may be noticed two of them late


class Edge:
    """Shared by all connections of a worker. `now` is the loop's time at the last sweep."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        counters: Counters,
        settings: EdgeSettings,
        live: LiveBoard,
        *,
        offset: int = 0,
    ) -> None:
        self.loop = loop
        self.counters = counters
        self.settings = settings
        self._live = live
        self.head_limits = settings.head_limits
        secret = settings.secret_key
        self._sticky_key = derive_key(secret, KEY_PURPOSE) if secret else None
        self.heads = PreparedHeads(self.head_limits, settings.trusts)
        self.now = loop.time()
        self.clock = Clock(monotonic_ns())
        self.configuration = Configuration(offset=offset, clock=self.clock)
        self.connections: dict[Backend, ConnectionPool] = {}
        self.clients: set[ClientConnection] = set()
        self.outbox = Outbox(loop)
        self.waiting: dict[Queue, Waiting] = {}
        self._timed: list[tuple[float, Transaction]] = []  # with the time when each has to be done
        self.draining = False
        self._working = False  # algorithms are making their tables
        self.access_log: AccessLog | None = None
        self._debug_key = DebugKey(settings.secret_key) if settings.secret_key else None
        if settings.access_log:
            self.access_log = AccessLog(LogFile(settings.access_log), settings.access_log_sample)
        self.request_log = RequestLog(
            settings.request_log_per_second, settings.request_log_errors_per_second
        )
        self.ends = Ends(self.access_log, self.request_log)
        self.circuits = Circuits()
        self.rates = Rates(counters.board.path.with_name("rates"))
        self.outliers = Outliers(self.circuits.wake)
        self._offset = offset
        self._resolver = Resolver(loop)
        self._response_heads = KnownHeads()
        self._id_prefix = token_hex(10).encode("ascii")
        self._ids = count()

    # --- configuration and health ---

    def apply(self, snapshot: Snapshot) -> None:
        """As `steps()`, while there are no requests to be kept waiting."""
        at_once(self.steps(snapshot))

    def steps(self, snapshot: Snapshot) -> Steps[None]:
        """Run `snapshot` from one of the steps on; requests under way then keep the old one.

        Raises `UnknownAlgorithm`, and then nothing has changed. One snapshot after another.
        """
        configuration = Configuration(
            snapshot,
            self.configuration,
            self._offset,
            self.clock,
            self._sticky_key,
            in_steps=True,
        )
        yield from Changeover(self, configuration, self._live).steps()
        self._start_work()

    def shortcoming(self) -> str:
        """What of the configuration does not work here, for the operator; empty: nothing."""
        pools = self.configuration.snapshot.pools
        names = ", ".join(spec.name for spec in pools if is_sticky(spec))
        if not names or self._sticky_key is not None:
            return ""
        return f"No stickiness in {names}: this edge needs the LB_SECRET_KEY of the others."

    def make_connections(self, backend: Backend, tls: TlsPolicy) -> ConnectionPool:
        return ConnectionPool(
            backend, tls, self.loop, self._resolver, self.clock, self._response_heads
        )

    def update_health(self, changes: dict[int, HealthStatus]) -> None:
        """Take verdicts that have come together: a pool is worked out anew once for all of them."""
        self.clock.now = monotonic_ns()
        concerned = {self.configuration.pool_of_backend.get(number) for number in changes}
        for pool in concerned:
            if pool is not None:
                pool.update_health(changes)

    def set_all_health(self, statuses: dict[int, HealthStatus]) -> Steps[None]:
        """`statuses` of all backends; one that is missing has not been probed.

        In steps, of which the last takes up all that is new in a pool together.
        """
        for pool in self.configuration.pools.values():
            news = yield from pool.news_in(statuses)
            self.clock.now = monotonic_ns()
            pool.update_health(news)
            yield

    def set_floor(self, pool_id: int, floor: int) -> None:
        pool = self.configuration.pools.get(pool_id)
        if pool is not None:
            pool.set_floor(floor)

    def connections_to(self, backend: Backend, tls: TlsPolicy) -> ConnectionPool:
        """The connections to `backend`; such as are not kept if it was removed meanwhile."""
        connections = self.connections.get(backend)
        if connections is None:
            connections = self.make_connections(backend, tls)
            connections.close()
        return connections

    # --- requests ---

    @property
    def has_room(self) -> bool:
        """Whether no more clients are connected than may be."""
        return len(self.clients) <= self.settings.max_connections

    def transaction_for(self, head: RequestHead) -> "type[Transaction]":
        """What serves a request with this head."""
        return ExplainedTransaction if self.may_explain(head) else Transaction

    def may_explain(self, head: RequestHead) -> bool:
        """Whether its debug header is one that this installation has signed and is not over."""
        key = self._debug_key
        return bool(head.debug) and key is not None and key.expiry(head.debug) > time()

    def limit(self, transaction: Transaction, seconds: float) -> None:
        """Give `transaction` so many seconds for all that it does."""
        self._timed.append((self.now + seconds, transaction))

    def next_request_id(self) -> bytes:
        return b"%b%012x" % (self._id_prefix, next(self._ids))

    def reject(self, limit: RateLimit, prepared: Prepared) -> RateLimited:
        """A request more than its route takes."""
        verdict = limit.look(prepared.rate_tag, monotonic_ns())
        return RateLimited(fields=fields_of(limit, verdict))

    def health(self) -> tuple[int, bytes]:
        """Status and JSON body for the health path: 200 while this worker can serve."""
        number = self.configuration.snapshot.number
        if self.draining:
            status, word = 503, "draining"
        elif not number:
            status, word = 503, "no configuration yet"
        else:
            status, word = 200, "ok"
        return status, json.dumps({"status": word, "snapshot": number}).encode() + b"\n"

    # --- chores ---

    def start_sweeping(self) -> None:
        # First: no defect in what follows may leave the worker without time-outs.
        self.loop.call_later(SWEEP_INTERVAL, self.start_sweeping)
        # `now` was up to a sweep old when a deadline was set by it: what was over at
        # the last sweep is over by any clock, and nobody gets less than was promised.
        last_sweep, self.now = self.now, self.loop.time()
        self.ends.refill(self.now - last_sweep)
        for client in [client for client in self.clients if client.deadline < last_sweep]:
            try:
                client.timed_out()
            except Exception:
                log.exception("a time-out could not be acted upon")
                client.transport.abort()
        if self._timed:
            self._sweep_timed(last_sweep)
        self._go_on_starting()
        self._start_work()
        before = self.clock.now - IDLE
        for connections in self.connections.values():
            connections.close_idle(before)
        self._follow_names()

    def _follow_names(self) -> None:
        """Let go of connections to addresses that a backend's name no longer has."""
        for backend, connections in list(self.connections.items()):
            if connections.named and connections.has_moved():
                connections.close()
                self.connections[backend] = self.make_connections(backend, connections.tls)

    def _go_on_starting(self) -> None:
        """Slow starts: give more to backends that have become healthy lately."""
        self.clock.now = monotonic_ns()
        for pool in self.configuration.pools.values():
            if pool.starting:
                pool.refresh()

    def _start_work(self) -> None:
        if not self._working:
            self._work()

    def _work(self) -> None:
        """What algorithms have left to do, a slice at a time: requests are served in between."""
        self._working = any(
            tier.work()
            for pool in self.configuration.pools.values()
            for tier in pool.tiers.values()
        )
        if self._working:
            self.loop.call_soon(self._work)

    def _sweep_timed(self, now: float) -> None:
        # Those that are done are dropped here: finding each when it ends would cost more.
        timed = [one for one in self._timed if not one[1].untimed]
        self._timed = [one for one in timed if one[0] >= now]
        for ends_at, transaction in timed:
            if ends_at >= now:
                continue
            try:
                transaction.deadline_passed()
            except Exception:
                log.exception("a request could not be ended in time")

    def start_draining(self) -> None:
        """From now on each response says that its connection closes, unless its head is out."""
        self.draining = True

    def close_idle_clients(self) -> None:
        for client in list(self.clients):
            client.close_idle()

    def end_clients(self) -> None:
        """Answer or cut what is still under way, so that nothing cut short looks complete."""
        for client in list(self.clients):
            client.end()
