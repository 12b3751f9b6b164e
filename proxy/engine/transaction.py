"""One request on its way: from the client to a backend, and the response back.

The decisions are the exchange's (`proxy.core.exchange`); this is the shell that
moves the bytes. A transaction outlives no connection: whichever side is lost
tells it, and after `done` it hears nothing more. Most requests are a head that an idle
connection takes, and a response that goes out as it came. What else one needs is made
when it comes to that: a `RequestBody`, its `Tries`, a `Delivery`.
"""

from time import monotonic_ns
from typing import TYPE_CHECKING

from proxy.core.exchange import Exchange
from proxy.core.head.message import HEAD_END
from proxy.core.head.response import ResponseHead
from proxy.engine import flow
from proxy.engine.anatomy import NEVER
from proxy.engine.delivery import Delivery
from proxy.engine.own_answers import render_error
from proxy.engine.prepared import Prepared
from proxy.engine.request_body import RequestBody, request_reader
from proxy.engine.settling import settle
from proxy.engine.tries import Tries
from proxy.errors import BodyTooLarge, Cause, ClientGone, NoBackend, NoRoom, ProxyError

if TYPE_CHECKING:
    from proxy.core.backend import Backend
    from proxy.core.routing import Route
    from proxy.engine.downstream import ClientConnection
    from proxy.engine.hedge import Hedge
    from proxy.engine.upstream import UpstreamConnection

_COMPLETE = Cause.COMPLETE


class Transaction:
    # What most requests leave as it is, and nobody asks for, stands here.
    done = False
    backend: "Backend | None" = None  # of the present try, or else of the last one
    responded = NEVER  # when the final response's head was there
    status = 0  # 0: nothing of it was passed on yet
    first_byte = NEVER  # microseconds of the backend's own until its head was there
    tunnel = False  # a protocol other than HTTP is spoken since the 101
    delivery: Delivery | None = None  # of a response that does not go out as it came
    error_fields = ""  # lines that an answer of the edge itself has beside its own
    _upstream: "UpstreamConnection | None" = None
    _continued = False  # an interim response has been passed on
    _until_close = False  # only a reset can tell the client that it was cut short

    def __init__(self, client: "ClientConnection", prepared: Prepared, route: "Route") -> None:
        edge = client.edge
        self.started = edge.clock.now = monotonic_ns()
        self.client = client
        self.edge = edge
        self.route = route
        self.response_rules = route.response_rules
        self.prepared = prepared
        self.request_id = prepared.request_id or edge.next_request_id()
        claim = prepared.claim
        preferred = None if claim is None else claim.preferred
        self.exchange = Exchange(route.pool, prepared.idempotent, prepared.key, preferred)
        timeouts = route.pool.spec.timeouts
        self.idle = timeouts.idle
        if timeouts.request:
            edge.sweep.limit(self, timeouts.request)
        self.keep_alive = prepared.head.keep_alive
        # What every request is asked for: a class's attribute is found ten times as slowly.
        self.request_complete = True
        self.body: RequestBody | None = None
        self._tries: Tries | None = None
        self.waits_since = 0  # when the present try had all of the request; 0: from the start
        self.switched = 0  # when the tunnel began: how long it lasts is not the backend's doing
        self.bytes_out = 0
        self.cause = _COMPLETE
        self.selective = False  # asks to see a response's head before it is passed on

    @property
    def tries(self) -> Tries:
        """Made when it is first asked for."""
        if self._tries is None:
            self._tries = Tries(self)
        return self._tries

    # --- a try ---

    def start(self) -> None:
        """Send the request, as far as it has come, to the next backend."""
        exchange = self.exchange
        try:
            if self.body is not None:
                self.body.check_size()
            backend = exchange.choose()
        except NoBackend as error:
            if not self.tries.wait_for_backend(full=isinstance(error, NoRoom)):
                self.give_up(exchange.answer(error))
        except BodyTooLarge as error:
            self.give_up(error)
        else:
            self.try_at(backend)

    def try_at(self, backend: "Backend") -> None:
        """The exchange has chosen `backend`."""
        self.backend = backend
        if self.exchange.pool.selective:
            self.selective = True
            retry = self.exchange.pool.spec.retry
            if retry.try_timeout or retry.hedge_after:
                self.tries.watch.begin()
        try:
            pool = self.edge.connections[backend]
        except KeyError:
            pool = self.edge.connections_to(backend, self.exchange.pool.spec.tls)
        connection = pool.take()
        if connection is None:
            self.tries.connect(pool)
        else:
            self.send(connection)

    def send(self, connection: "UpstreamConnection") -> None:
        """The request goes out on `connection`, as far as it has come."""
        self._upstream = connection
        prepared = self.prepared
        prefix = prepared.prefix or prepared.prefix_for(connection.backend)
        data = prefix + self.request_id + HEAD_END
        body = self.body
        if body is not None:
            data = body.behind(data)
            gate = self.client.gate
            if gate.reasons:  # full was a connection that is gone
                gate.open(flow.CONNECTING | flow.PEER_FULL)
        timeouts = self.exchange.pool.spec.timeouts
        connection.begin(self, prepared.head.method)
        if self.request_complete:
            self.client.wait(timeouts.response)
            self.edge.outbox.add_request(connection.transport, data)
        else:
            self.client.wait(timeouts.idle)
            connection.transport.write(data)

    def adopt(self, hedge: "Hedge") -> None:
        """Go on with the second try in place of the first, which is over."""
        self.exchange = hedge.exchange
        self.backend = hedge.backend
        self.waits_since = hedge.began
        self._upstream = hedge.connection
        timeouts = self.exchange.pool.spec.timeouts
        self.client.wait(timeouts.connect + timeouts.response)

    def observe(self, status: int) -> None:
        """A try is over before a response's head; `status` says how. Sets the clock."""
        now = self.edge.clock.now = monotonic_ns()
        backend = self.backend
        # Where the request is not complete, or the response had begun, the client has a part in it.
        if backend is not None and self.request_complete and not self.status:
            backend.observe_try(status, (now - (self.waits_since or self.started)) / 1000, now)

    def let_go(self) -> None:
        """The present try's connection is over, or serves others."""
        self._upstream = None

    def drop_upstream(self) -> None:
        """What the present try's connection still brings is not waited for."""
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.abandon()

    # --- request ---

    def expect_body(self, body: bytes = b"") -> None:
        """The request has a body: `body`, if all of it has come with the head."""
        reader = None if body else request_reader(self.prepared.head)
        self.body = RequestBody(body, reader, self.exchange.pool.spec.limits.max_body)
        self.request_complete = reader is None

    def body_received(self, data: bytes) -> int:
        """How many leading bytes of `data` belong to this request; they have been sent on."""
        body = self.body
        if body is None or self.request_complete:
            return 0
        try:
            taken = body.feed(data)
        except ProxyError as error:
            self.give_up(error)
            return len(data)
        if body.complete:
            self.request_complete = True
            self.waits_since = monotonic_ns()
        self._send_body(body, data if taken == len(data) else data[:taken])
        return taken

    def _send_body(self, body: RequestBody, data: bytes) -> None:
        upstream = self._upstream
        if upstream is None:
            if body.hold(data):
                self.client.gate.close(flow.CONNECTING)
            return
        body.sent(data)
        timeouts = self.exchange.pool.spec.timeouts
        self.client.wait(timeouts.response if self.request_complete else self.idle)
        upstream.transport.write(data)

    @property
    def replayable(self) -> bool:
        """Whether all of the request that was sent can be sent once more."""
        return self.body is None or self.body.at_hand

    def half_closed(self) -> bool:
        """The client has closed its half; whether the rest of the response is still wanted."""
        if self.tunnel and self._upstream is not None:
            return self._upstream.write_eof()
        return self.request_complete or self.status > 0  # refused early, it need not send the rest

    def upstream_full(self) -> None:
        self.client.gate.close(flow.PEER_FULL)

    def upstream_drained(self) -> None:
        self.client.gate.open(flow.PEER_FULL)

    # --- response ---

    def taker(self, head: ResponseHead) -> "Transaction | None":
        """Who passes on the response with this head; None: nobody, another try is made."""
        if self._tries is None and head.status not in self.exchange.pool.unwanted:
            return self
        return self if self.tries.accept(head) else None

    def begin_response(self, head: ResponseHead, *, until_close: bool) -> None:
        """The final response's head has come: settle how it is passed on."""
        now = self.responded = self.edge.clock.now = monotonic_ns()
        backend = self.backend
        if backend is not None and self.request_complete:
            began = self.waits_since or self.started
            backend.observe_try(head.status, (now - began) / 1000, now)
            tries = self._tries
            if tries is not None and tries.dispatch.sent > began:  # its connection is told apart
                began = tries.dispatch.sent
            self.first_byte = (now - began) // 1000
        self.exchange.responded(head.status)
        self.status = head.status
        if self.body is not None:
            self.body.forget()
        claim = self.prepared.claim
        if claim is not None and backend is not None:
            self.response_rules = claim.response_rules(backend)
        if not self.request_complete or self.edge.draining:
            self.keep_alive = False
        # Without a length it goes out in chunks: what cuts it short can then be told from its end.
        version, recode = self.prepared.head.minor_version, until_close
        if version == 0 and (until_close or head.chunked):
            recode = self._until_close = True
            self.keep_alive = False
        if recode or not (version and self.keep_alive and head.dated) or self.route.tells_id:
            self.delivery = Delivery(
                version, keep_alive=self.keep_alive, recode=recode, lines=self.own_lines
            )
        if self.client.write_paused:  # since a time when there was no connection to pause
            self.pause_response()

    @property
    def own_lines(self) -> bytes:
        """Lines of the response's head that no other response has."""
        return b"X-Request-Id: %b\r\n" % self.request_id if self.route.tells_id else b""

    def may_switch(self, protocol: bytes) -> bool:
        """Whether a 101 to `protocol` answers what the client has asked for."""
        asked = [token.strip() for token in self.prepared.head.upgrade.lower().split(b",")]
        return bool(protocol) and self.request_complete and protocol.lower() in asked

    def switch_protocols(self, data: bytes) -> None:
        """Become a tunnel: what either side sends is passed on until one of them ends."""
        self.tunnel = self._until_close = True
        self.keep_alive = False
        self.switched = monotonic_ns()
        self.idle = self.edge.settings.tunnel_timeout
        self.request_complete = False
        if self.body is None:
            self.body = RequestBody(b"")
        self.body.open_end()
        self.relay(data)
        self.client.release_buffer()

    def interim(self, data: bytes) -> None:
        """RFC 9110 §15.2: passed on, but not to an HTTP/1.0 client."""
        self._continued = True
        if not self.request_complete:  # which the client may have waited with until now
            self.client.wait(self.idle)
        if self.prepared.head.minor_version >= 1:
            self.client.write(data)

    def relay(self, data: bytes) -> None:
        """A part of the response that is not its last one."""
        self.bytes_out += len(data)
        self.client.wait(self.idle)
        self.client.write(data)

    def relay_head(self, data: bytes) -> None:
        """The response's head, whose content is too large to be copied behind it."""
        self.bytes_out = len(data)
        self.client.late += data

    def complete(self, data: bytes | memoryview) -> None:
        """The last part of the response."""
        # First: the connection may serve another request already, which a write that
        # fills the client's buffer must not pause.
        self._upstream = None
        edge, client = self.edge, self.client
        begun = self.bytes_out
        if begun:  # or else the head has come with it, and the clock is right
            edge.clock.now = monotonic_ns()
        self.bytes_out = begun + len(data)
        # Counted before it is written: the write is a system call, and a worker that is killed
        # right after it must not leave a client with an answer that no report knows.
        self._finish(self.status)
        if begun:  # behind its other parts, with which it may go out in one write
            client.write(data)
        else:
            edge.outbox.add(client, data)
        unread = not self.request_complete and not self.tunnel
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
        """The present try's connection has brought no response, or not all of it."""
        self._upstream = None
        self.tries.try_failed(error, untouched=untouched, stale=stale)

    @property
    def awaits_head(self) -> bool:
        """Whether a backend has the request, and nothing of its response was passed on."""
        return self._upstream is not None and not self.status

    @property
    def client_owes_the_body(self) -> bool:
        if self.request_complete or self.client.gate.closed_for(flow.PEER_FULL):
            return False
        # Not before the backend has said 100, which this client may be waiting for.
        begun = self._continued or (self.body is not None and self.body.received > 0)
        return begun or not self.prepared.head.expects_continue

    @property
    def client_is_slow(self) -> bool:
        """Whether the response waits for the client to read: no fault of the backend's."""
        return self._upstream is not None and self._upstream.gate.closed_for(flow.PEER_FULL)

    def client_lost(self) -> None:
        self.cause = Cause.CLIENT_ABORT
        self.observe(ClientGone.status)
        self._stop()
        self._finish(ClientGone.status, aborted=True)

    def give_up(self, error: ProxyError) -> None:
        """Answer with `error`, or cut the response short where it has already begun."""
        self.cause = error.cause
        self.edge.clock.now = monotonic_ns()
        self._stop()
        if self.bytes_out:
            self._finish(self.status)
            # A tunnel's protocol knows its own ends: only that its backend broke off is told.
            broken = not self.tunnel or error.cause is Cause.RESPONSE_CUT
            self.client.cut(reset=self._until_close and broken)
            return
        close = not self.request_complete or not self.keep_alive or self.edge.draining
        answer = render_error(
            error, self.prepared.head, self.request_id, close=close, fields=self.error_fields
        )
        self.bytes_out += len(answer)
        self.edge.counters.answered_itself(self.route, error.cause)
        self._finish(error.status)
        self.client.write(answer)
        self.client.finished(not close, linger=not self.request_complete)

    def _stop(self) -> None:
        """Nothing is waited for any more; what there was to say of the backend has been said."""
        if self._tries is not None:
            self._tries.stop()
        self.drop_upstream()
        self.exchange.finish()

    def _finish(self, status: int, *, aborted: bool = False) -> None:
        """All is over; the clock has to be right."""
        self.exchange.finish(status)
        self.done = True
        tries, self._tries = self._tries, None  # they know each other: a circle, if it was kept
        settle(self, status, tries, aborted=aborted)
