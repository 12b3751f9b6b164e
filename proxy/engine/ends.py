"""Who is told how requests end: the access log, and the control plane's log of requests.

They are told of each end that is notable, and of the others only while one of them
listens: otherwise a request pays for no more than the question.
"""

from time import monotonic_ns

from proxy.engine.access_log import AccessLog, describe
from proxy.engine.anatomy import End
from proxy.engine.prepared import Prepared
from proxy.engine.request_log import RequestLog
from proxy.errors import ProxyError


class Ends:
    def __init__(self, access_log: AccessLog | None, request_log: RequestLog) -> None:
        self._access_log = access_log
        self._request_log = request_log
        self.refill(0)

    def refill(self, seconds: float) -> None:
        """So much time has passed, for which requests may be noted."""
        self._request_log.refill(seconds)
        self._listen()

    def _listen(self) -> None:
        self.listening = self._access_log is not None or bool(self._request_log.plain)

    def add(self, end: End, prepared: Prepared, *, notable: bool) -> None:
        """`notable`: something went wrong, even if the client was answered in the end."""
        log = self._access_log
        if log is not None and log.wants(notable):
            if not prepared.subject:
                prepared.subject = describe(prepared.client, prepared)
            log.add(prepared.subject, end)
        self._request_log.add(end, prepared.client, prepared, notable=notable)
        if not notable:
            self._listen()

    def refused(
        self,
        error: ProxyError,
        client: bytes,
        request_id: bytes,
        bytes_in: int,
        bytes_out: int,
        prepared: Prepared | None = None,
    ) -> None:
        """The edge has answered a request itself. `prepared`: its head, if it could be read."""
        now = monotonic_ns()
        end = End(
            request_id=request_id,
            status=error.status,
            cause=error.cause,
            bytes_in=bytes_in,
            bytes_out=bytes_out,
            started=now,
            ended=now,
        )
        log = self._access_log
        if log is not None and log.wants(error.status >= 500):
            log.add(describe(client, prepared), end)
        self._request_log.add(end, client, prepared, notable=True)
