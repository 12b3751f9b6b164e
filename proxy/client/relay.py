"""A response whose body comes later, and the exchange that lasts until it is there."""

from collections.abc import Callable, Iterator
from typing import Any
from weakref import finalize

import requests

from proxy.client.decisions import Decisions
from proxy.client.failures import FAILURES, failure_of
from proxy.core.exchange import Exchange
from proxy.errors import ProxyError


class Ending:
    """Tells the core once how it ended, whoever is first to know."""

    def __init__(self, decisions: Decisions, exchange: Exchange) -> None:
        self._decisions = decisions
        self._exchange = exchange
        self.status = 0  # of the response
        self._over = False

    def done(self) -> None:
        if not self._over:
            self._over = True
            self._decisions.finish(self._exchange, self.status)

    def forgotten(self) -> None:
        """Called wherever garbage is collected: also where the lock is held."""
        if not self._over:
            self._over = True
            self._decisions.forgotten.append(self._exchange)

    def cut(self, error: ProxyError) -> None:
        if not self._over:
            self._over = True
            self._decisions.cut(self._exchange, error)


def watch(response: requests.Response, ending: Ending) -> None:
    """End the exchange when the body has been read, has broken off, or nobody wants it."""
    raw: Any = response.raw
    release: Callable[[], None] | None = getattr(raw, "release_conn", None)
    iterate = response.iter_content

    def release_conn() -> None:
        # urllib3 and requests call it at every end; of a broken one, `pieces` knows more.
        if release is not None:
            release()
        if not reading:
            ending.done()

    reading: list[bool] = []

    def iter_content(*args: Any, **kwargs: Any) -> Iterator[Any]:
        return pieces(iterate(*args, **kwargs))

    def pieces(content: Iterator[Any]) -> Iterator[Any]:
        reading.append(True)
        try:
            yield from content
        except FAILURES as error:
            ending.cut(failure_of(error))
            raise
        finally:
            ending.done()

    raw.release_conn = release_conn
    response.iter_content = iter_content  # type: ignore[method-assign]
    finalize(response, ending.forgotten).atexit = False
