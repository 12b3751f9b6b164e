"""The sessions of `requests` that a balancer sends with: one a thread."""

from collections.abc import Callable
from threading import Lock, local
from typing import Any
from weakref import WeakSet

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidHeader

from proxy.client.final import POOLS

SessionFactory = Callable[[], requests.Session]

_HOSTS = 1000  # to which connections are kept; of more, the ones that were used last
_STALE = "_lb_stale"


class Adapter(HTTPAdapter):
    """Marks what has failed on a connection that had served others before."""

    _pool: Any = None
    _opened = 0  # connections that `_pool` had opened before

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        self._pool = super().get_connection_with_tls_context(*args, **kwargs)
        self._opened = self._pool.num_connections
        return self._pool

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        self._pool = None
        try:
            return super().send(*args, **kwargs)
        except InvalidHeader as error:  # of the response: the request was prepared before
            raise requests.ConnectionError(error, request=error.request) from error
        except requests.ConnectionError as error:
            # One thread uses this adapter: nobody else can have opened one meanwhile.
            reused = self._pool is not None and self._pool.num_connections == self._opened
            setattr(error, _STALE, reused and not isinstance(error, requests.Timeout))
            raise


def is_stale(error: BaseException) -> bool:
    """Whether it is the connection that was at fault, and not the backend."""
    return bool(getattr(error, _STALE, False))


def new_session() -> requests.Session:
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, Adapter(pool_connections=_HOSTS))
    return session


class Sessions:
    """`Session` is not made for threads: its cookies and connections are each one's own."""

    def __init__(self, factory: SessionFactory) -> None:
        self._factory = factory
        self._local = local()
        self._lock = Lock()
        self._all: WeakSet[requests.Session] = WeakSet()  # those of ended threads are gone

    def get(self) -> requests.Session:
        """This thread's."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = self._factory()
            with self._lock:
                self._all.add(session)
        return session

    def close(self) -> None:
        with self._lock:
            sessions = list(self._all)
            self._all.clear()
        for session in sessions:
            session.close()
