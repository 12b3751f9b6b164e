"""One request on its way: from the client to a backend, and the response back.

The decisions are the exchange's (`proxy.core.exchange`); this is the shell that
moves the bytes. A transaction outlives no connection: whichever side is lost
tells it, and after `done` it hears nothing more.
"""

from time import monotonic_ns, time
from typing import TYPE_CHECKING

from proxy.core.date import http_date
from proxy.core.exchange import Exchange
from proxy.core.forward import response_bytes
from proxy.core.framing import BodyReader, ChunkedReader, CloseReader, LengthReader
from proxy.core.head.message import HEAD_END
from proxy.core.head.response import ResponseHead
from proxy.engine import flow
from proxy.engine.anatomy import NEVER
from proxy.engine.own_answers import render_error
from proxy.engine.prepared import Prepared
from proxy.engine.request_body import RequestBody
from proxy.engine.tries import Tries
from proxy.errors import (
    BadRequest,
    Blame,
    BodyTooLarge,
    Cause,
    ClientGone,
    ProxyError,
    RequestTimeout,
    ResponseTimeout,
)

if TYPE_CHECKING:
    from proxy.core.backend import Backend
    from proxy.core.routing import Route
    from proxy.engine.connections import Connecting
    from proxy.engine.downstream import ClientConnection
    from proxy.engine.upstream import UpstreamConnection

_SERVER_ERROR = 500  # and above
_COMPLETE = Cause.COMPLETE


class Transaction(Tries):
    # What most requests leave as it is, and nobody asks for, stands here.
    done = False
    _backend: "Backend | None" = None  # of the present try, or else of the last one
    _upstream: "UpstreamConnection | None" = None
    _connecting: "Connecting | None" = None
    tunnel = False  # a protocol other than HTTP is spoken since the 101
    plain = True  # the head that is remembered for most clients will do
    error_fields = ""  # lines that an answer of the edge itself has beside its own
    payload: list[bytes] | None = None  # collects content that goes out without chunks
    _status = 0  # 0: nothing of it was passed on yet
    _first_byte = NEVER  # microseconds of the backend's own until its head was there
    _bytes_out = 0
    _continued = False  # an interim response has been passed on
    chunks = False  # content without a length or a coding goes out in chunks
    _until_close = False  # only a reset can tell the client that it was cut short

    def __init__(self, client: "ClientConnection", prepared: Prepared, route: "Route") -> None:
        edge = client.edge
        self._started = edge.clock.now = monotonic_ns()
        self._client = client
        self._edge = edge
        self._route = route
        self.response_rules = route.response_rules
        self.prepared = prepared
        self.request_id = prepared.request_id or edge.next_request_id()
        claim = prepared.claim
        preferred = None if claim is None else claim.preferred
        self._exchange = Exchange(route.pool, prepared.idempotent, prepared.key, preferred)
        timeouts = route.pool.spec.timeouts
        self._idle = timeouts.idle
        if timeouts.request:
            edge.sweep.limit(self, timeouts.request)
        self.keep_alive = prepared.head.keep_alive
        self._bytes_in = len(prepared.raw)
        # What every request is asked for: a class's attribute is found ten times as slowly.
        self._body: BodyReader | None = None  # None: no more of it is to come
        self._sending: RequestBody | None = None  # what of it goes to the backend
        self._waits_since = 0  # when the present try had all of the request; 0: from the start
        self._switched = 0  # when the tunnel began: how long it lasts is not the backend's doing
        self._cause = _COMPLETE
        self.hedged = 0
        self.selective = False

    def expect_body(self, body: bytes = b"") -> None:
        """The request has a body: `body`, if all of it has come with the head."""
        self._sending = RequestBody(body)
        self._bytes_in += len(body)
        if not body:
            head = self.prepared.head
            self._body = (
                ChunkedReader(BadRequest) if head.chunked else LengthReader(head.content_length)
            )

    # --- request ---

    def _send(self, connection: "UpstreamConnection") -> None:
        self._upstream = connection
        prepared = self.prepared
        prefix = prepared.prefix or prepared.prefix_for(connection.backend)
        data = prefix + self.request_id + HEAD_END
        sending = self._sending
        if sending is not None:
            data = sending.behind(data)
            gate = self._client.gate
            if gate.reasons:  # full was a connection that is gone
                gate.open(flow.CONNECTING | flow.PEER_FULL)
        timeouts = self._exchange.pool.spec.timeouts
        connection.begin(self, prepared.head.method)
        if self._body is None:
            self._client.wait(timeouts.response)
            self._edge.outbox.add_request(connection.transport, data)
        else:
            self._client.wait(timeouts.idle)
            connection.transport.write(data)

    @property
    def request_complete(self) -> bool:
        return self._body is None

    def body_received(self, data: bytes) -> int:
        """How many leading bytes of `data` belong to this request; they have been sent on."""
        body = self._body
        if body is None:
            return 0
        try:
            taken = body.feed(data)
        except ProxyError as error:
            self._give_up(error)
            return len(data)
        self._bytes_in += taken
        if self._too_large():
            self._give_up(BodyTooLarge())
            return len(data)
        if body.done:
            self._body = None
            self._waits_since = monotonic_ns()
        self._send_body(data if taken == len(data) else data[:taken])
        return taken

    def _too_large(self) -> bool:
        limit = self._exchange.pool.spec.limits.max_body
        if not limit:
            return False
        announced = self.prepared.head.content_length
        return announced > limit or (self._body is not None and self._body.size > limit)

    def _send_body(self, data: bytes) -> None:
        upstream, sending = self._upstream, self._sending
        if upstream is None:
            if sending is not None and sending.hold(data):
                self._client.gate.close(flow.CONNECTING)
            return
        if sending is not None:
            sending.sent(data)
        timeouts = self._exchange.pool.spec.timeouts
        self._client.wait(timeouts.response if self._body is None else self._idle)
        upstream.transport.write(data)

    @property
    def _at_hand(self) -> bool:
        return self._sending is None or self._sending.at_hand

    def half_closed(self) -> bool:
        """The client has closed its half; whether the rest of the response is still wanted."""
        if self.tunnel and self._upstream is not None:
            return self._upstream.write_eof()
        return self._body is None or self._status > 0  # refused early, it need not send the rest

    def upstream_full(self) -> None:
        self._client.gate.close(flow.PEER_FULL)

    def upstream_drained(self) -> None:
        self._client.gate.open(flow.PEER_FULL)

    # --- response ---

    def begin_response(self, head: ResponseHead, *, until_close: bool) -> None:
        """The final response's head has come: settle how it is passed on."""
        now = self._responded = self._edge.clock.now = monotonic_ns()
        backend = self._backend
        if backend is not None and self._body is None:
            began = self._waits_since or self._started
            backend.observe_try(head.status, (now - began) / 1000, now)
            if self._sent > began:  # what its connection took is told apart
                began = self._sent
            self._first_byte = (now - began) // 1000
        self._exchange.responded(head.status)
        self._status = head.status
        if self._sending is not None:
            self._sending.forget()
        claim = self.prepared.claim
        if claim is not None and backend is not None:
            self.response_rules = claim.response_rules(backend)
        if self._body is not None or self._edge.draining:
            self.keep_alive = False
        if self.prepared.head.minor_version == 0:
            self.plain = False
            if until_close or head.chunked:  # RFC 9112 §6.1: no transfer coding for HTTP/1.0
                self._until_close = True
                self.keep_alive = False
                self.payload = []
        elif until_close:
            # What a time-out or a reset cuts short can then be told from what is complete.
            self.plain = False
            self.chunks = True
        else:
            self.plain = self.keep_alive and head.dated and not self._route.tells_id
        if self._client.write_paused:  # since a time when there was no connection to pause
            self.pause_response()

    def special_head(self, head: ResponseHead) -> bytes:
        """The head for an HTTP/1.0 client, with the request's id, or after which it closes.

        And one that its backend has not dated: whoever passes it on has to (RFC 9110 §6.6.1).
        """
        if not self.keep_alive:
            option = b"close"
        else:
            option = b"keep-alive" if self.prepared.head.minor_version == 0 else b""
        chunked = self.chunks or (head.chunked and self.payload is None)
        rules, lines = self.response_rules, self.own_lines
        if not head.dated:
            lines += b"Date: %b\r\n" % http_date(int(time())).encode("ascii")
        return response_bytes(head, rules, connection=option, chunked=chunked, lines=lines)

    @property
    def own_lines(self) -> bytes:
        """Lines of the response's head that no other response has."""
        return b"X-Request-Id: %b\r\n" % self.request_id if self._route.tells_id else b""

    def may_switch(self, protocol: bytes) -> bool:
        """Whether a 101 to `protocol` answers what the client has asked for."""
        asked = [token.strip() for token in self.prepared.head.upgrade.lower().split(b",")]
        return bool(protocol) and self._body is None and protocol.lower() in asked

    def switch_protocols(self, data: bytes) -> None:
        """Become a tunnel: what either side sends is passed on until one of them ends."""
        self.tunnel = self._until_close = True
        self.keep_alive = False
        self._switched = monotonic_ns()
        self._idle = self._edge.settings.tunnel_timeout
        self._body = CloseReader()
        self.relay(data)
        self._client.release_buffer()

    def interim(self, data: bytes) -> None:
        """RFC 9110 §15.2: passed on, but not to an HTTP/1.0 client."""
        self._continued = True
        if self._body is not None:  # which the client may have waited with until now
            self._client.wait(self._idle)
        if self.prepared.head.minor_version >= 1:
            self._client.write(data)

    def relay(self, data: bytes) -> None:
        """A part of the response that is not its last one."""
        self._bytes_out += len(data)
        self._client.wait(self._idle)
        self._client.write(data)

    def relay_head(self, data: bytes) -> None:
        """The response's head, whose content is too large to be copied behind it."""
        self._bytes_out = len(data)
        self._client.late += data

    def complete(self, data: bytes | memoryview) -> None:
        """The last part of the response."""
        # First: the connection may serve another request already, which a write that
        # fills the client's buffer must not pause.
        self._upstream = None
        edge, client = self._edge, self._client
        begun = self._bytes_out
        if begun:  # or else the head has come with it, and the clock is right
            edge.clock.now = monotonic_ns()
        self._bytes_out = begun + len(data)
        # Counted before it is written: the write is a system call, and a worker that is killed
        # right after it must not leave a client with an answer that no report knows.
        self._finish(self._status)
        if begun:  # behind its other parts, with which it may go out in one write
            client.write(data)
        else:
            edge.outbox.add(client, data)
        unread = self._body is not None and not self.tunnel
        client.finished(self.keep_alive and not unread, linger=unread)

    def pause_response(self) -> None:
        if self._upstream is not None:
            self._upstream.gate.close(flow.PEER_FULL)

    def resume_response(self) -> None:
        if self._upstream is not None:
            self._upstream.gate.open(flow.PEER_FULL)

    # --- failures ---

    def try_failed(
        self, error: ProxyError, *, untouched: bool = False, stale: bool = False
    ) -> None:
        """The present try has failed. `untouched`: not a byte of a response had come.

        `stale`: the connection had served others before. A backend may close one
        whenever it likes, so that says nothing of its health (RFC 9112 §9.3.1):
        the request is sent once more, over a fresh connection.
        """
        self._upstream = None
        self._connecting = None
        backend = self._backend
        replayable = untouched and self._at_hand
        if stale and replayable and backend is not None and self.prepared.idempotent:
            self._last_try = monotonic_ns()
            self._connect(self._edge.connections_to(backend, self._exchange.pool.spec.tls))
            return
        if error.blame is Blame.BACKEND:
            cause = Cause.RESPONSE_CUT if self._bytes_out else error.cause
            self._edge.counters.failed_try(self._route, backend, cause)
            self._observe(error.status)
        if self._hedge is not None:
            self._exchange.failed(error, replayable=False)
            self._change_over(self._hedge)
        elif self._exchange.failed(error, replayable=replayable):
            self._try_again()
        else:
            self._give_up(self._exchange.answer(error))

    def timed_out(self) -> None:
        """Nothing has moved for as long as the pool's time-outs allow."""
        if self._status and self._client_is_slow and self._client.has_read():
            self._client.wait(self._idle)
        elif self._status and (self.tunnel or self._client_is_slow):
            self._give_up(ResponseTimeout())
        elif not self._status and self._client_owes_the_body:
            self._give_up(RequestTimeout())
        else:
            self._drop_upstream()
            self.try_failed(ResponseTimeout())

    @property
    def _client_owes_the_body(self) -> bool:
        if self._body is None or self._client.gate.closed_for(flow.PEER_FULL):
            return False
        # Not before the backend has said 100, which this client may be waiting for.
        begun = self._bytes_in > len(self.prepared.raw) or self._continued
        return begun or not self.prepared.head.expects_continue

    @property
    def _client_is_slow(self) -> bool:
        """Whether the response waits for the client to read: no fault of the backend's."""
        return self._upstream is not None and self._upstream.gate.closed_for(flow.PEER_FULL)

    def client_lost(self) -> None:
        self._cause = Cause.CLIENT_ABORT
        self._observe(ClientGone.status)
        self._stop_trying()
        self._drop_upstream()
        self._exchange.finish()
        self._finish(ClientGone.status, aborted=True)

    def _give_up(self, error: ProxyError) -> None:
        """Answer with `error`, or cut the response short where it has already begun."""
        self._cause = error.cause
        self._edge.clock.now = monotonic_ns()
        self._stop_trying()
        self._drop_upstream()
        self._exchange.finish()  # what there was to say of the backend has been said
        if self._bytes_out:
            self._finish(self._status)
            # A tunnel's protocol knows its own ends: only that its backend broke off is told.
            broken = not self.tunnel or error.cause is Cause.RESPONSE_CUT
            self._client.cut(reset=self._until_close and broken)
            return
        close = self._body is not None or not self.keep_alive or self._edge.draining
        answer = render_error(
            error, self.prepared.head, self.request_id, close=close, fields=self.error_fields
        )
        self._bytes_out += len(answer)
        self._edge.counters.answered_itself(self._route, error.cause)
        self._finish(error.status)
        self._client.write(answer)
        self._client.finished(not close, linger=self._body is not None)

    def _finish(self, status: int, *, aborted: bool = False) -> None:
        """All is over; the clock has to be right."""
        exchange = self._exchange
        exchange.finish(status)
        self.done = True
        edge = self._edge
        attempts = exchange.attempts - self.hedged
        edge.counters.request(
            self._route,
            self._backend,
            status,
            attempts=attempts,
            bytes_in=self._bytes_in,
            bytes_out=self._bytes_out,
            duration=((self._switched or edge.clock.now) - self._started) // 1000,
            first_byte=self._first_byte,
            aborted=aborted,
        )
        notable = status >= _SERVER_ERROR or attempts > 1 or self._cause is not _COMPLETE
        if notable or edge.ends.listening:
            edge.ends.add(self._end(status), self.prepared, notable=notable)
