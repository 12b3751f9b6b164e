"""From one configuration to the next while requests are served.

First all that can fail, then what is new, made beside what runs: until then nothing
has changed, and it may be given up at any time. Then one step from which on requests go
by the new one; last what each pool and each backend can be told for itself, at whatever
time, a pool before its first request. Between two steps there are requests, sweeps, the
circuits' task and drains, but no other news of the control plane: one task takes them,
one after another.
"""

from typing import TYPE_CHECKING

from proxy.core.backend import Backend
from proxy.core.configuration import Configuration
from proxy.core.queue import Queue
from proxy.core.steps import PART, Steps, in_parts
from proxy.engine.connections import ConnectionPool
from proxy.engine.live import LiveBoard
from proxy.engine.waiting import Waiting

if TYPE_CHECKING:
    from proxy.engine.edge import Edge


class Changeover:
    """An edge's, to one configuration. `live`: where its backends are shown."""

    def __init__(self, edge: "Edge", configuration: Configuration, live: LiveBoard) -> None:
        self._edge = edge
        self._configuration = configuration
        self._live = live
        self._backends: set[Backend] = set()
        self._new: dict[Backend, ConnectionPool] = {}

    def steps(self) -> Steps[None]:
        """What is raised before requests have gone over has changed nothing."""
        edge, configuration = self._edge, self._configuration
        yield from configuration.prepare()
        circuits = yield from edge.circuits.prepare(configuration)
        yield from self._prepare_connections()
        yield from self._live.add(list(self._new))
        watches = yield from edge.outliers.prepare(configuration)
        shared = yield from edge.rates.prepare(configuration)
        yield from configuration.arrange()  # last: who is well now is likely to be so then

        previous = edge.configuration
        before = edge.circuits.take_over(circuits)
        watched = edge.outliers.take_over(watches)
        edge.rates.take_over(shared)
        edge.counters.configuration_changed()
        queues = self._take_queues()
        leaving = self._take_connections()
        edge.configuration = configuration
        yield

        yield from configuration.take_over()
        yield from self._live.show(list(self._backends), queues)
        yield from edge.circuits.settle(configuration, before)
        yield from edge.outliers.settle(configuration, watched)
        # What nobody needs any more goes in steps as well: with its connections goes the backend.
        del before, watches, watched
        yield
        yield from previous.let_go()
        while leaving:
            for connections in leaving[-PART:]:
                connections.close()
            del connections, leaving[-PART:]
            yield

    def _prepare_connections(self) -> Steps[None]:
        """For those that have none, or none that may be used under the TLS policy to come."""
        for pool in self._configuration.pools.values():
            for part in in_parts(pool.backends.values()):
                self._backends.update(part)
                for backend in part:
                    known = self._edge.connections.get(backend)
                    if known is None or known.tls != pool.spec.tls:
                        new = self._edge.make_connections(backend, pool.spec.tls)
                        self._new[backend] = new
                yield

    def _take_connections(self) -> list[ConnectionPool]:
        """Make connections with the new ones from now on; those that are to be closed."""
        connections = self._edge.connections
        gone = connections.keys() - self._backends
        replaced = connections.keys() & self._new.keys()
        leaving = [connections.pop(backend) for backend in gone | replaced]
        connections.update(self._new)
        return leaving

    def _take_queues(self) -> dict[int, Queue]:
        """Wake those that wait in the queues of now; the queues by their pools' ids."""
        edge, pools = self._edge, self._configuration.pools
        queues = {number: pool.queue for number, pool in pools.items() if pool.queue is not None}
        edge.waiting = {
            queue: edge.waiting.get(queue) or Waiting(queue, edge.loop, edge.clock)
            for queue in queues.values()
        }
        return queues
