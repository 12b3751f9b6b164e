"""One worker's edge: what it runs, and whom it serves."""

import asyncio
import json
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
from proxy.engine.connections import ConnectionPool
from proxy.engine.counters import Counters
from proxy.engine.descriptors import REFUSED
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
from proxy.engine.sweep import Sweep
from proxy.engine.transaction import Transaction
from proxy.engine.waiting import Waiting
from proxy.errors import RateLimited


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
        self.settings = settings
        self.now = loop.time()
        self.clock = Clock(monotonic_ns())
        self.sweep = Sweep(self)
        self._offset = offset
        # What it runs.
        self.configuration = Configuration(offset=offset, clock=self.clock)
        self.circuits = Circuits()
        self.outliers = Outliers(self.circuits.wake)
        self.rates = Rates(counters.board.path.with_name("rates"))
        self.waiting: dict[Queue, Waiting] = {}
        self._live = live
        self._working = False  # algorithms are making their tables
        self._sticky_key: bytes | None = None
        self._debug_key: DebugKey | None = None
        if settings.secret_key:
            self._sticky_key = derive_key(settings.secret_key, KEY_PURPOSE)
            self._debug_key = DebugKey(settings.secret_key)
        # Backends.
        self.connections: dict[Backend, ConnectionPool] = {}
        self._resolver = Resolver(loop)
        self._response_heads = KnownHeads()
        # Clients.
        self.clients: set[ClientConnection] = set()
        self.shaking_hands: dict[ClientConnection, asyncio.Task[None]] = {}  # over TLS, as yet
        self.draining = False
        self.outbox = Outbox(loop)
        self.head_limits = settings.head_limits
        self.heads = PreparedHeads(self.head_limits, settings.trusts)
        self._id_prefix = token_hex(10).encode("ascii")
        self._ids = count()
        # What it tells.
        self.counters = counters
        self.access_log: AccessLog | None = None
        if settings.access_log:
            self.access_log = AccessLog(LogFile(settings.access_log), settings.access_log_sample)
        self.request_log = RequestLog(
            settings.request_log_per_second, settings.request_log_errors_per_second
        )
        self.ends = Ends(self.access_log, self.request_log)

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
        self.start_work()

    def start_work(self) -> None:
        """Let algorithms do what a change has left them to do."""
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
        return self._connected <= self.settings.max_connections

    @property
    def is_crowded(self) -> bool:
        """Whether there are so many too many that no more of them can be told."""
        return self._connected >= self.settings.max_connections + REFUSED

    @property
    def _connected(self) -> int:
        return len(self.clients) + len(self.shaking_hands)

    def transaction_for(self, head: RequestHead) -> "type[Transaction]":
        """What serves a request with this head."""
        return ExplainedTransaction if self.may_explain(head) else Transaction

    def may_explain(self, head: RequestHead) -> bool:
        """Whether its debug header is one that this installation has signed and is not over."""
        key = self._debug_key
        return bool(head.debug) and key is not None and key.expiry(head.debug) > time()

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

    # --- its end ---

    def start_draining(self) -> None:
        """From now on each response says that its connection closes, unless its head is out."""
        self.draining = True

    def close_idle_clients(self) -> None:
        for client in list(self.clients):
            client.close_idle()
        for client, handshake in self.shaking_hands.items():
            if client.is_quiet:
                handshake.cancel()

    def end_clients(self) -> None:
        """Answer or cut what is still under way, so that nothing cut short looks complete."""
        for handshake in self.shaking_hands.values():
            handshake.cancel()
        for client in list(self.clients):
            client.end()
