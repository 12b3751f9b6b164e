"""A drop-in for `requests` that spreads requests over hosts, and goes to another when one fails.

    lb = LoadBalancer(["http://h1", "http://h2"])
    lb.get("/api/users").json()

Who is asked, what is tried again and who is left alone is decided by the same core as on
the edge (`proxy.core`). One balancer may be used from any number of threads. No Django.
"""

from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from types import TracebackType
from typing import Any, Self
from weakref import finalize

import requests

from pool.choices import DEFAULT_ALGORITHM
from pool.snapshot import CircuitPolicy
from proxy.client.hosts import join, normalise_base, origin_of
from proxy.client.members import Members, circuit_policy
from proxy.client.outgoing import Outgoing
from proxy.client.redirects import follow
from proxy.client.relay import watch
from proxy.client.service import INTERVAL, Service
from proxy.client.session import SessionFactory, Sessions, new_session
from proxy.client.tries import Tries
from proxy.core.backend import Backend
from proxy.core.methods import IDEMPOTENT
from proxy.errors import NoBackend

ERROR_CODES = frozenset({500, 502, 503, 504})
TIMEOUT = (5.0, 60.0)  # seconds: to connect, and between two bytes of a response
RECOVERY = 30.0  # seconds, where nobody but a service says who is well

_DEFAULT: Any = object()


class LoadBalancer:
    """`get`, `post` and the others take what those of a `requests.Session` take, but a path.

    `error_codes`: statuses that put the host out, beside connections that fail; another
    one is asked, if the request may be sent again. A request that is not idempotent (POST,
    PATCH) may not, once it has arrived: its answer is returned, unless
    `retry_non_idempotent`. `recovery_timeout`: seconds after which one request tries a
    host that is out, None: never. `circuit`: a policy in the place of these two.
    `weights` by host, for the algorithms that know weights; round_robin does not.
    """

    def __init__(
        self,
        hosts: Iterable[str] = (),
        *,
        error_codes: Iterable[int] = ERROR_CODES,
        algorithm: str = DEFAULT_ALGORITHM,
        weights: Mapping[str, int] | None = None,
        retry_non_idempotent: bool = False,
        recovery_timeout: float | None = None,
        timeout: float | tuple[float, float] | None = TIMEOUT,
        circuit: CircuitPolicy | None = None,
        session_factory: SessionFactory = new_session,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        if circuit is not None and recovery_timeout is not None:
            raise ValueError("give either recovery_timeout or circuit")
        self._error_codes = frozenset(error_codes)
        if not all(100 <= code <= 599 for code in self._error_codes):
            raise ValueError("error_codes: give statuses from 100 to 599")
        policy = circuit or circuit_policy(self._error_codes, recovery_timeout)
        self._retry_non_idempotent = retry_non_idempotent
        self._timeout = timeout
        self._sessions = Sessions(session_factory)
        self._service: Service | None = None
        self._members = Members(algorithm, policy, clock)
        self._members.replace(())
        weight_of = {normalise_base(host): weight for host, weight in (weights or {}).items()}
        for host in hosts:
            self.add_host(host, weight_of.pop(normalise_base(host), 1))
        if weight_of:
            raise ValueError(f"weights names {', '.join(weight_of)}, which is none of the hosts")

    @classmethod
    def from_service(
        cls,
        url: str,
        pool: str,
        *,
        token: str,
        interval: float = INTERVAL,
        recovery_timeout: float | None = RECOVERY,
        **options: Any,
    ) -> Self:
        """A balancer over a pool of a running lbsite; it follows what changes there.

        Every `interval` seconds the service is asked who there is, who is well and who is
        in service. While it is away, the last answer holds. Raises what `requests` raises
        if it cannot be asked at first.
        """
        service = Service(url, pool, token=token, interval=interval)
        balancer = cls(recovery_timeout=recovery_timeout, **options)
        service.start(balancer._members)
        balancer._service = service
        finalize(balancer, service.stop).atexit = False  # also where nobody calls `close()`
        return balancer

    # --- requests ---

    def get(self, path: str, **kwargs: Any) -> requests.Response:
        return self.request("GET", path, **kwargs)

    def head(self, path: str, **kwargs: Any) -> requests.Response:
        return self.request("HEAD", path, **({"allow_redirects": False} | kwargs))

    def options(self, path: str, **kwargs: Any) -> requests.Response:
        return self.request("OPTIONS", path, **kwargs)

    def post(
        self, path: str, data: Any = None, json: Any = None, **kwargs: Any
    ) -> requests.Response:
        return self.request("POST", path, data=data, json=json, **kwargs)

    def put(self, path: str, data: Any = None, **kwargs: Any) -> requests.Response:
        return self.request("PUT", path, data=data, **kwargs)

    def patch(self, path: str, data: Any = None, **kwargs: Any) -> requests.Response:
        return self.request("PATCH", path, data=data, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> requests.Response:
        return self.request("DELETE", path, **kwargs)

    def request(
        self,
        method: str,
        path: str,
        params: Any = None,
        data: Any = None,
        headers: Any = None,
        cookies: Any = None,
        files: Any = None,
        auth: Any = None,
        timeout: Any = _DEFAULT,
        allow_redirects: bool = True,
        proxies: Any = None,
        hooks: Any = None,
        stream: bool | None = None,
        verify: Any = None,
        cert: Any = None,
        json: Any = None,
    ) -> requests.Response:
        """`AllBackendsUnavailable` if nobody is left to ask; else what `requests` raises."""
        join("", path)
        session = self._sessions.get()
        outgoing = Outgoing(
            session,
            method,
            headers=headers,
            data=data,
            files=files,
            json=json,
            params=params,
            auth=auth,
            cookies=cookies,
            hooks=hooks,
        )
        whole = not (session.stream if stream is None else stream)

        def send(prepared: requests.PreparedRequest) -> requests.Response:
            settings = session.merge_environment_settings(
                prepared.url, proxies or {}, True, verify, cert
            )
            return session.send(
                prepared,
                timeout=self._timeout if timeout is _DEFAULT else timeout,
                allow_redirects=False,
                **settings,
            )

        def send_to(backend: Backend) -> requests.Response:
            self._members.tried(backend)
            return send(outgoing.prepare(join(backend.spec.name, path)))

        response = self._run(outgoing, send_to, stream=not whole)
        if allow_redirects:
            response = follow(session, response, send)
            if whole:
                response.content  # noqa: B018 - as with `requests`: all of it is here
        return response

    def _run(
        self, outgoing: Outgoing, send: Callable[[Backend], requests.Response], *, stream: bool
    ) -> requests.Response:
        members = self._members
        idempotent = outgoing.method.encode() in IDEMPOTENT or self._retry_non_idempotent
        tries = Tries(
            members.decisions,
            members.exchange(idempotent),
            outgoing.body,
            send,
            stream=stream,
            failing=self._error_codes,
            failed=members.failed,
        )
        try:
            response = tries.run()
        except NoBackend:
            if tries.last is not None:
                tries.last.close()
            raise members.unavailable() from None
        if stream:
            watch(response, tries.ending)
        return response

    # --- hosts ---

    def add_host(self, url: str, weight: int = 1) -> None:
        """Add a host, or give one that is there another weight. 0: it gets no requests."""
        base = normalise_base(url)
        self._members.put(base, origin_of(base), weight)

    def remove_host(self, url: str) -> None:
        """What it is busy with goes on."""
        self._members.remove(normalise_base(url))

    def get_healthy_hosts(self) -> list[str]:
        return self._members.names(well=True)

    def get_unhealthy_hosts(self) -> list[str]:
        return self._members.names(well=False)

    def reset_health(self) -> None:
        """Try all of them again, as if none had failed."""
        self._members.reset()

    def stats(self) -> dict[str, dict[str, Any]]:
        """By host: its health, weight and requests in flight, what was counted, the last error."""
        return self._members.stats()

    # --- the end ---

    def close(self) -> None:
        """Close the kept connections of all threads, and follow no service any more."""
        if self._service is not None:
            self._service.stop()
        self._sessions.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<LoadBalancer {', '.join(self.stats())}>"
