"""A running lbsite as the source of a balancer's hosts: asked over REST, again and again."""

import logging
from collections.abc import Iterable
from threading import Event, Thread
from time import time
from urllib.parse import quote

import msgspec
import requests

from pool.addresses import socket_path
from pool.bus import HealthStatus
from pool.choices import AdminState, CircuitState, HealthState
from pool.snapshot import BackendSpec
from pool.trouble import Trouble
from proxy.client.hosts import normalise_base
from proxy.client.members import Members
from proxy.core.balancing import UnknownAlgorithm

INTERVAL = 2.0  # seconds between two questions, as between two probes
_TIMEOUT = (3.0, 10.0)

log = logging.getLogger("lbsite.client")


class _State(msgspec.Struct):
    state: str


class _Backend(msgspec.Struct):
    """As much of a backend as is needed here. Its name is kept out: hosts go by URL."""

    id: int
    name: str
    url: str
    weight: int
    tier: int
    max_connections: int
    admin_state: AdminState
    backup_of: str | None
    health: _State
    circuit: _State | None


class _Traffic(msgspec.Struct):
    floor: int


class _Pool(msgspec.Struct):
    algorithm: str
    backends: list[_Backend]
    traffic: _Traffic | None


class _Token(requests.auth.AuthBase):
    """Goes to the service alone. Never seen in a repr."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Token {self._token}"
        return request


class Service:
    """Keeps `Members` at what the service says, from `start()` to `stop()`."""

    def __init__(self, url: str, pool: str, *, token: str, interval: float) -> None:
        if interval <= 0:
            raise ValueError(f"interval is {interval}: give more than 0 seconds")
        self._url = f"{normalise_base(url)}/api/v1/pools/{quote(pool, safe='')}/"
        self._interval = interval
        self._session = requests.Session()
        self._session.auth = _Token(token)
        self._stopped = Event()
        self._tag = ""
        self._absence = Trouble(log, "%s cannot be followed, the last answer holds: %s")

    def start(self, members: Members) -> None:
        """Ask once, here, and then go on in a thread. Raises what `requests` raises."""
        try:
            self._ask(members)
        except BaseException:
            self._session.close()
            raise
        self._thread = Thread(
            target=self._follow, args=[members], name="lbsite-service", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def _follow(self, members: Members) -> None:
        while not self._stopped.wait(self._interval):
            try:
                self._ask(members)
            except (requests.RequestException, ValueError, UnknownAlgorithm) as error:
                self._absence.met(self, error)
            else:
                self._absence.over()
        self._session.close()

    def _ask(self, members: Members) -> None:
        headers = {"If-None-Match": self._tag} if self._tag else {}
        response = self._session.get(
            self._url, headers=headers, timeout=_TIMEOUT, allow_redirects=False
        )
        if response.status_code == requests.codes.not_modified:
            return
        response.raise_for_status()
        if response.status_code != requests.codes.ok:
            raise requests.HTTPError(f"{self._url} answered {response.status_code}")
        self._take(members, msgspec.json.decode(response.content, type=_Pool))
        self._tag = response.headers.get("ETag", "")

    def _take(self, members: Members, pool: _Pool) -> None:
        members.replace(_specs(pool.backends), pool.algorithm)
        if pool.traffic is not None:  # else the service itself does not know: its Redis is away
            health = {backend.url: _health(backend) for backend in pool.backends}
            members.set_health(health, pool.traffic.floor)

    def __repr__(self) -> str:
        return f"<Service {self._url}>"


def _specs(backends: Iterable[_Backend]) -> list[BackendSpec]:
    """Without those on unix sockets, which are on another machine, and their stand-ins' claims.

    ValueError for a URL that no lbsite has.
    """
    reachable = [backend for backend in backends if not socket_path(backend.url)]
    id_of = {backend.name: backend.id for backend in reachable}
    return [
        BackendSpec(
            id=backend.id,
            name=normalise_base(backend.url),
            url=backend.url,
            weight=backend.weight,
            tier=backend.tier,
            max_connections=backend.max_connections,
            admin_state=backend.admin_state,
            backup_of=id_of.get(backend.backup_of or "", 0),
        )
        for backend in reachable
    ]


def _health(backend: _Backend) -> HealthStatus:
    """Out is what the probes say is ill, and what the edges have found so."""
    state = HealthState(backend.health.state)
    if backend.circuit is not None and backend.circuit.state in _OUT:
        state = HealthState.UNHEALTHY
    return HealthStatus(state=state, since=time())


_OUT = (CircuitState.OPEN, CircuitState.FORCED_OPEN)
