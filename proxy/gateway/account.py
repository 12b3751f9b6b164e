"""What is to be counted and noted of one request through the view, once it has ended."""

from functools import partial
from secrets import token_hex
from time import monotonic_ns

from proxy.core.backend import Backend
from proxy.core.configuration import Configuration
from proxy.core.exchange import Exchange
from proxy.engine.anatomy import NEVER, STRAIGHT, Dispatch, End
from proxy.engine.counters import Counters
from proxy.engine.prepared import Prepared
from proxy.engine.request_log import RequestLog
from proxy.errors import Blame, Cause, ClientGone, ProxyError
from proxy.gateway.counting import Counting

_SERVER_ERROR = 500  # and above


class Account:
    """`client`: the connection's address. `prepared` None: the head could not be read.

    Its first byte includes a connection that was made for it: urllib3 makes them unseen.
    """

    def __init__(self, counting: Counting, configuration: Configuration, client: bytes) -> None:
        self._counting = counting
        self._configuration = configuration
        self._client = client
        self._started = monotonic_ns()
        self._dispatch = STRAIGHT
        self._responded = NEVER
        self._backend: Backend | None = None  # of the last try
        self._over = False
        self.request_id = token_hex(16).encode("ascii")
        self.prepared: Prepared | None = None
        self.exchange: Exchange | None = None
        self.bytes_in = 0
        self.bytes_out = 0  # of the body

    def begin(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.request_id = prepared.request_id or self.request_id
        self.bytes_in = len(prepared.raw)

    def received(self, size: int) -> None:
        """Of the body: what was announced may never come."""
        self.bytes_in += size

    def begin_try(self, backend: Backend) -> None:
        self._backend = backend
        now = monotonic_ns()
        self._dispatch = Dispatch(self._dispatch.first_try or now, now)
        self._responded = NEVER

    def responded(self) -> None:
        self._responded = monotonic_ns()

    def answered(self, error: ProxyError) -> None:
        """The client gets an answer that no backend has made."""
        self._end(error.status, error.cause, by_backend=False)

    def ended(self, status: int) -> None:
        self._end(status, Cause.COMPLETE)

    def cut(self, status: int) -> None:
        """The backend broke off."""
        self._end(status, Cause.RESPONSE_CUT)

    def abandoned(self) -> None:
        """Nobody wanted the rest, if it has not ended before."""
        self._end(ClientGone.status, Cause.CLIENT_ABORT)

    def _end(self, status: int, cause: Cause, *, by_backend: bool = True) -> None:
        if self._over:
            return
        self._over = True
        backend, exchange = self._backend, self.exchange
        end = End(
            request_id=self.request_id,
            status=status,
            cause=cause,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            started=self._started,
            ended=monotonic_ns(),
            backend=backend,
            in_flight=backend.in_flight if backend is not None else 0,
            attempts=exchange.attempts if exchange is not None else 0,
            dispatch=self._dispatch,
            responded=self._responded,
        )
        self._counting.add(self._configuration, partial(self._tell, end, by_backend))

    def _tell(self, end: End, by_backend: bool, counters: Counters, log: RequestLog) -> None:
        route = self.prepared.route if self.prepared is not None else None
        tried = (self.exchange.tried if self.exchange is not None else None) or {}
        for backend, error in tried.items():
            if error.blame is Blame.BACKEND:
                broke_off = end.cause is Cause.RESPONSE_CUT and backend is end.backend
                counters.failed_try(route, backend, end.cause if broke_off else error.cause)
        if not by_backend:
            counters.answered_itself(route, end.cause)
        waited = (
            NEVER if end.responded == NEVER else (end.responded - end.dispatch.last_try) // 1000
        )
        counters.request(
            route,
            end.backend,
            end.status,
            attempts=end.attempts,
            bytes_in=end.bytes_in,
            bytes_out=end.bytes_out,
            duration=(end.ended - end.started) // 1000,
            first_byte=waited,
            aborted=end.cause is Cause.CLIENT_ABORT,
        )
        went_wrong = end.status >= _SERVER_ERROR or end.cause is not Cause.COMPLETE
        client = self.prepared.client if self.prepared is not None else self._client
        log.add(end, client, self.prepared, notable=went_wrong or end.attempts > 1)
