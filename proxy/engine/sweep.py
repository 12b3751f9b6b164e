"""What an edge looks at a few times a second: who has waited for too long, and what time changes.

One look for all takes the place of a timer for each.
"""

import logging
from time import monotonic_ns
from typing import TYPE_CHECKING

from proxy.engine.connections import IDLE

if TYPE_CHECKING:
    from proxy.engine.edge import Edge
    from proxy.engine.transaction import Transaction

INTERVAL = 0.25  # seconds; a time-out may be noticed two of them late

log = logging.getLogger("lbsite.edge")


class Sweep:
    """An edge's."""

    def __init__(self, edge: "Edge") -> None:
        self._edge = edge
        self._timed: list[tuple[float, Transaction]] = []  # with the time when each has to be done

    def limit(self, transaction: "Transaction", seconds: float) -> None:
        """Give `transaction` so many seconds for all that it does."""
        self._timed.append((self._edge.now + seconds, transaction))

    def start(self) -> None:
        """Sweep now, and again and again."""
        edge = self._edge
        # First: no defect in what follows may leave the worker without time-outs.
        edge.loop.call_later(INTERVAL, self.start)
        # `now` was up to a sweep old when a deadline was set by it: what was over at
        # the last sweep is over by any clock, and nobody gets less than was promised.
        last_sweep, edge.now = edge.now, edge.loop.time()
        edge.ends.refill(edge.now - last_sweep)
        self._end_waits(last_sweep)
        if self._timed:
            self._end_requests(last_sweep)
        self._go_on_starting()
        edge.start_work()
        before = edge.clock.now - IDLE
        for connections in edge.connections.values():
            connections.close_idle(before)
        self._follow_names()

    def _end_waits(self, before: float) -> None:
        for client in [client for client in self._edge.clients if client.deadline < before]:
            try:
                client.timed_out()
            except Exception:
                log.exception("a time-out could not be acted upon")
                client.transport.abort()

    def _end_requests(self, before: float) -> None:
        # Those that are done are dropped here: finding each when it ends would cost more.
        # A tunnel has a time of its own.
        timed = [one for one in self._timed if not (one[1].done or one[1].tunnel)]
        self._timed = [one for one in timed if one[0] >= before]
        for ends_at, transaction in timed:
            if ends_at >= before:
                continue
            try:
                transaction.tries.deadline_passed()
            except Exception:
                log.exception("a request could not be ended in time")

    def _go_on_starting(self) -> None:
        """Slow starts: give more to backends that have become healthy lately."""
        edge = self._edge
        edge.clock.now = monotonic_ns()
        for pool in edge.configuration.pools.values():
            if pool.starting:
                pool.refresh()

    def _follow_names(self) -> None:
        """Let go of connections to addresses that a backend's name no longer has."""
        edge = self._edge
        for backend, connections in list(edge.connections.items()):
            if connections.named and connections.has_moved():
                connections.close()
                edge.connections[backend] = edge.make_connections(backend, connections.tls)
