"""One request over `requests`, however many tries it takes. The core decides about each."""

from collections.abc import Callable, Container
from time import monotonic_ns, sleep

import requests

from proxy.client.body import Body
from proxy.client.decisions import Decisions
from proxy.client.failures import FAILURES, BadStatus, failure_of
from proxy.client.relay import Ending
from proxy.client.session import is_stale
from proxy.core.backend import Backend
from proxy.core.exchange import Exchange
from proxy.errors import ProxyError

Send = Callable[[Backend], requests.Response]
Failed = Callable[[Backend, ProxyError], None]


class Tries:
    """`send` sends the request to a backend, and returns when the response's head is there.

    `failing`: statuses that are failures even if nobody is left to ask, beside those that
    the pool's policy tries again. `stream`: the body is left to be read, and `ending` to be
    told. `last`: the answer that was not good enough, open until there is a better one.
    """

    def __init__(
        self,
        decisions: Decisions,
        exchange: Exchange,
        body: Body,
        send: Send,
        *,
        stream: bool,
        failing: Container[int] = (),
        failed: Failed = lambda backend, error: None,
    ) -> None:
        self._decisions = decisions
        self._exchange = exchange
        self._body = body
        self._send = send
        self._failing = failing
        self._stream = stream
        self._failed = failed
        self.last: requests.Response | None = None
        self.ending = Ending(decisions, exchange)

    def run(self) -> requests.Response:
        """`NoBackend` when nobody is left to ask; else what the last try raised."""
        while True:
            backend = self._decisions.choose(self._exchange)
            response = self._try(backend)
            if response is not None:
                return response
            self._body.rewind()
            sleep(self._exchange.pause())

    def _try(self, backend: Backend) -> requests.Response | None:
        """None: it failed, and another backend may be asked."""
        began = monotonic_ns()
        try:
            response = self._ask(backend)
        except FAILURES as error:
            failure = failure_of(error)
            replayable = self._body.replayable or failure.nothing_sent
            if self._fail(backend, failure, began, replayable):
                return None
            self._drop_last()
            raise
        except BaseException:  # the caller's mistake, or the end of the program
            self._decisions.finish(self._exchange)
            raise
        self._drop_last()
        return self._accept(backend, response, began)

    def _accept(
        self, backend: Backend, response: requests.Response, began: int
    ) -> requests.Response | None:
        """None: another backend may have a better answer."""
        status, replayable = response.status_code, self._body.replayable
        if status in self._failing:
            again = self._fail(backend, BadStatus(f"answered {status}"), began, replayable)
        else:
            again = self._decisions.declines(self._exchange, status, replayable=replayable)
        if again:
            self.last = response
            return None
        if status not in self._failing:
            self._decisions.responded(self._exchange, status, began)
            self.ending.status = status
        if not self._stream:
            self.ending.done()
        return response

    def _ask(self, backend: Backend) -> requests.Response:
        """A kept connection may be closed at any time: that says nothing of the backend.

        RFC 9112 §9.3.1: the request is sent once more, if it may be, over a fresh one.
        """
        while True:
            try:
                response = self._send(backend)
                if not self._stream:
                    response.content  # noqa: B018 - read here, where another one can be asked
                return response
            except FAILURES as error:
                again = self._exchange.idempotent and self._body.replayable
                if not (again and is_stale(error)):
                    raise
            self._body.rewind()

    def _fail(self, backend: Backend, failure: ProxyError, began: int, replayable: bool) -> bool:
        self._failed(backend, failure)
        return self._decisions.failed(self._exchange, failure, began, replayable=replayable)

    def _drop_last(self) -> None:
        if self.last is not None:
            self.last.close()
            self.last = None
