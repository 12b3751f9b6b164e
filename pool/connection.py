"""The control plane's connection to Redis."""

from collections.abc import Callable
from functools import cache
from time import monotonic
from typing import Any, TypeVar

from django.conf import settings
from redis import BlockingConnectionPool, Redis, exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry

T = TypeVar("T")

PAUSE = 1.0  # seconds for which nobody waits again: a page asks several times


class _PatientOnce(Retry):
    """One retry, at once, for a kept connection that a restart of Redis has cut.

    And none where no answer came in time: whoever asks next is told so without waiting for
    it, so that a Redis that hangs holds a page up once and not ten times.
    """

    def __init__(self) -> None:
        super().__init__(NoBackoff(), 1, supported_errors=(exceptions.ConnectionError,))
        self._hung_until = 0.0

    def __deepcopy__(self, memo: Any) -> "_PatientOnce":
        """Each connection copies it; what it knows is of all of them."""
        return self

    def call_with_retry(
        self, do: Callable[[], T], fail: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> T:
        if monotonic() < self._hung_until:
            raise exceptions.TimeoutError("no answer a moment ago")
        try:
            return super().call_with_retry(do, fail, *args, **kwargs)
        except (exceptions.TimeoutError, TimeoutError):  # the latter when it connects
            self._hung_until = monotonic() + PAUSE
            raise


@cache
def redis_client() -> Redis:
    """One client a process; it keeps a pool of connections and reconnects by itself.

    Times out rather than hangs: a form must answer even while Redis is away. Hundreds of
    probing threads share the connections: one waits for its turn.
    """
    connections = BlockingConnectionPool.from_url(
        settings.LB_REDIS_URL,
        max_connections=32,
        timeout=5,
        socket_timeout=2,
        socket_connect_timeout=1,
        retry=_PatientOnce(),
    )
    return Redis(connection_pool=connections)
