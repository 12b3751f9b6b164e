"""A thread's place in the core's queue, while all hosts have as many requests as they may."""

from threading import Event

from proxy.core.backend import Backend
from proxy.core.exchange import Exchange
from proxy.core.queue import Queue
from proxy.errors import NoBackend, NoRoom, QueueTimeout


class Turn:
    """`over` is set when it has come, or has not come in time. All else is under the lock."""

    def __init__(self, exchange: Exchange, queue: Queue) -> None:
        self._exchange = exchange
        self._queue = queue
        self._backend: Backend | None = None
        self._error: NoBackend = QueueTimeout()
        self.over = Event()

    @property
    def picky(self) -> bool:
        return bool(self._exchange.tried)

    def admit(self) -> bool:
        try:
            self._backend = self._exchange.choose(waited=True)
        except NoRoom:
            return False
        except NoBackend as error:
            self._error = error
        self._queue.leave(self)
        self.over.set()
        return True

    def expire(self) -> None:
        self.over.set()

    def result(self) -> Backend:
        """The backend that it was waited for; `NoBackend` if there was none in time."""
        if self._backend is None:
            self._exchange.finish()
            raise self._error
        return self._backend

    def abandon(self) -> None:
        """The thread is interrupted."""
        self._queue.leave(self)
        self._exchange.finish()
