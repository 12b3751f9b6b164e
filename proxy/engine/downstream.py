"""The side towards the clients: connections, request heads, pipelining.

Everything on the common path is a plain call from one protocol callback to the
next: a request without a body that finds an idle connection makes no Task, no
Future and no timer, and costs two reads and two writes.
"""

import asyncio
import re
import socket
import struct
from contextlib import suppress
from time import monotonic_ns
from typing import TYPE_CHECKING, cast

from proxy.core.head.message import HEAD_END
from proxy.core.head.request import check_unfinished
from proxy.engine import flow
from proxy.engine.own_answers import own_answer, refusal
from proxy.engine.peer import peer_of
from proxy.engine.prepared import Prepared
from proxy.engine.transaction import Transaction
from proxy.errors import (
    BadRequest,
    DeadlineExceeded,
    ProxyError,
    RequestTimeout,
    TooManyConnections,
)

if TYPE_CHECKING:
    from proxy.engine.edge import Edge

MAX_PIPELINED = 65536  # bytes of later requests that are held while one is answered
# Bytes of a head that is remembered for the case that it comes again. An idle connection
# keeps it three times over: ten thousand of them must not keep the largest that is taken.
MAX_REMEMBERED = 4096
STALLED = 30.0  # seconds in which a client has to read something of the last response
LINGER = 2.0  # seconds in which a client may still read an error (RFC 9112 §9.6)
# For how long one may go on sending: many read nothing before they have sent it all. nginx's.
LINGER_SENDING = 30.0
# Seconds without a request after which a draining worker closes a connection. Whoever has
# just connected, or asks every second, will most likely ask again, perhaps in that instant.
QUIET = 3.0

_EMPTY_LINES = re.compile(rb"(?:\r\n)+")
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST


class ClientConnection(asyncio.Protocol):
    """One client's connection: one request at a time, the next ones wait in `_buffer`."""

    __slots__ = (
        "_buffer",
        "_closing",
        "_half_closed",
        "_head_begun",
        "_prepared",
        "_transaction",
        "_transaction_class",
        "_unread",
        "deadline",
        "edge",
        "gate",
        "late",
        "peer",
        "transport",
        "write_paused",
    )

    def __init__(self, edge: "Edge") -> None:
        self.edge = edge
        self.deadline = edge.now + edge.settings.keep_alive_timeout
        self._transaction: Transaction | None = None
        self._prepared: Prepared | None = None  # the last request, for the case that it comes again
        self._buffer = b""  # the beginning of a head, or whole requests that wait
        self.late = b""  # of a response, for the end of this turn of the loop
        self._head_begun = False
        self._half_closed = False
        self.write_paused = False  # the client does not read: no further request is begun
        self._closing = 0.0  # since when what still comes is thrown away
        self._unread = 0  # bytes that the client had not read when it was last looked at

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.gate = flow.ReadGate(self.transport)
        self.peer = peer_of(self.transport, self.edge.settings.trusts)
        self.edge.shaking_hands.pop(self, None)
        if self.edge.is_crowded:
            self._closing = self.edge.now
            self.transport.abort()
            return
        self.edge.clients.add(self)
        if not self.edge.has_room:
            self._refuse(TooManyConnections())

    def data_received(self, data: bytes) -> None:
        if self._closing:
            if self.edge.now - self._closing < LINGER_SENDING and self.edge.has_room:
                self.wait(LINGER)
            return
        if self.late:  # first, for no further request is begun while the client does not read
            self.send_late()
        transaction = self._transaction
        if transaction is None and not self.write_paused:
            self._read_head(data)
        elif transaction is None or transaction.request_complete:
            self._hold(data)
        else:
            taken = transaction.body_received(data)
            if taken < len(data):
                self.data_received(data[taken:])

    def eof_received(self) -> bool:
        """A client may close its half and still wait for the answer (RFC 9112 §9.6).

        Not over TLS, where asyncio closes both: what would still be written is lost.
        """
        self.send_late()  # or else it would be lost where nothing more is owed
        self._half_closed = True
        if self._closing:
            return False
        if not self.transport.can_write_eof():
            self.wait(LINGER)
            self._abandon_transaction()
            return False
        if self._transaction is not None:
            return self._transaction.half_closed()
        if self._head_begun:
            self._refuse(BadRequest("The head ended early."))
        return bool(self._buffer)

    def connection_lost(self, error: Exception | None) -> None:
        self.edge.clients.discard(self)
        self._abandon_transaction()

    def _abandon_transaction(self) -> None:
        self._closing = self.edge.now
        transaction, self._transaction = self._transaction, None
        if transaction is not None and not transaction.done:
            transaction.client_lost()

    def write(self, data: bytes | memoryview) -> None:
        if self.late:
            late, self.late = self.late, b""
            self.transport.writelines((late, data))  # one system call, and no copy
        else:
            self.transport.write(data)

    def send_late(self) -> None:
        data, self.late = self.late, b""
        if data and not self.transport.is_closing():
            self.transport.write(data)

    def pause_writing(self) -> None:
        self.write_paused = True
        self._unread = flow.unread_bytes(self.transport)
        if self._transaction is not None:
            self._transaction.pause_response()

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._transaction is not None:
            self._transaction.resume_response()
        else:
            self._read_pipelined()

    # --- requests ---

    def _read_head(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        prepared = self._prepared
        if (
            prepared is None
            or prepared.configuration is not self.edge.configuration
            or not data.startswith(prepared.raw)
        ):
            if data.startswith(b"\r\n"):  # RFC 9112 §2.2: empty lines before the request line
                data = _EMPTY_LINES.sub(b"", data, count=1)
            size = data.find(HEAD_END) + len(HEAD_END)
            try:
                if size < len(HEAD_END):
                    self._hold_head(data)
                    return
                prepared = self.edge.heads.prepare(
                    data[:size], self.edge.configuration, self.peer, self._prepared
                )
            except ProxyError as error:
                self._refuse(error, len(data))
                return
            self._prepared = prepared if size <= MAX_REMEMBERED else None
            self._transaction_class = self.edge.transaction_for(prepared.head)
        self._head_begun = False
        size = len(prepared.raw)
        self._begin(prepared, data[size:] if len(data) > size else b"")

    def _hold_head(self, data: bytes) -> None:
        """Keep the beginning of a head. Its time runs from its first byte: a trickle ends too."""
        check_unfinished(data, self.edge.head_limits)
        self._buffer = data
        if self._half_closed:
            self._close_kindly()
        elif data and not self._head_begun:
            self._head_begun = True
            self.wait(self.edge.settings.request_head_timeout)

    def _begin(self, prepared: Prepared, rest: bytes) -> None:
        route = prepared.route
        if route is None:
            self._buffer = rest
            self._answer_itself(prepared, prepared.configuration.no_route())
            return
        if route.limit is not None and not route.limit.take(prepared.rate_tag, monotonic_ns()):
            self._buffer = rest
            self._answer_itself(prepared, self.edge.reject(route.limit, prepared))
            return
        self._transaction = transaction = self._transaction_class(self, prepared, route)
        if not prepared.has_body:
            self._buffer = rest
        else:
            self._begin_body(transaction, prepared.head.content_length, rest)
            if transaction.done:
                return
        transaction.start()

    def _begin_body(self, transaction: Transaction, length: int, rest: bytes) -> None:
        """Take up what of the body has come, before the head is sent.

        What is malformed must not reach a backend at all, and what is not goes out
        with the head in one write. `length` is 0 for a chunked body.
        """
        if 0 < length <= len(rest):
            transaction.expect_body(rest[:length])
            self._buffer = rest[length:]
            return
        transaction.expect_body()
        if rest:
            self.data_received(rest)

    def _hold(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > MAX_PIPELINED:
            self.gate.close(flow.PIPELINE_FULL)

    def release_buffer(self) -> None:
        """What was held for later belongs to the present transaction after all, as does its end."""
        data, self._buffer = self._buffer, b""
        self.gate.open_all()
        transaction = self._transaction
        if transaction is None:
            return
        if data:
            transaction.body_received(data)
        if self._half_closed and not transaction.half_closed():
            self.transport.close()

    def finished(self, keep_alive: bool, *, linger: bool = False) -> None:
        """The response is out: serve the next request, or close.

        `linger`: the client is still sending the request.
        """
        self._transaction = None
        buffered = self._buffer
        # While the edge drains: only what was announced. A request may be on its way.
        if not keep_alive or (self._half_closed and not buffered):
            self._close_kindly(linger=linger)
            return
        edge = self.edge
        self.deadline = edge.now + edge.settings.keep_alive_timeout
        if not buffered:
            if self.gate.reasons:
                self.gate.open_all()
            return
        self.gate.open(flow.PEER_FULL | flow.CONNECTING)
        # Not at once: a long pipeline must not grow the stack, nor starve other clients.
        self.edge.loop.call_soon(self._read_pipelined)

    def _read_pipelined(self) -> None:
        if self._buffer and self._transaction is None and not (self.write_paused or self._closing):
            self._read_head(b"")
            # More is let in as there is room: one read for each answer would grow without end.
            if self._head_begun or len(self._buffer) <= MAX_PIPELINED:
                self.gate.open(flow.PIPELINE_FULL)

    # --- answers of the edge itself ---

    def _answer_itself(self, prepared: Prepared, error: ProxyError) -> None:
        """To a request that goes to no backend."""
        close = prepared.has_body or not prepared.head.keep_alive or self.edge.draining
        self.write(own_answer(self.edge, prepared, error, close=close))
        self.finished(not close, linger=prepared.has_body)

    def _refuse(self, error: ProxyError, received: int = 0) -> None:
        """The head is malformed: nothing that follows on this connection can be trusted."""
        self.write(refusal(self.edge, error, self.peer, received or len(self._buffer)))
        self._close_kindly(linger=True)

    # --- ends ---

    def wait(self, seconds: float) -> None:
        """If nothing happens for so long, `timed_out()`."""
        self.deadline = self.edge.now + seconds

    def timed_out(self) -> None:
        if self._closing:
            self._close_in_time()
        elif self._transaction is not None:
            self.wait(LINGER)
            self._transaction.tries.timed_out()
        elif self._buffer or self._head_begun:
            self._refuse(RequestTimeout())
        else:
            self._close_kindly()

    def _close_in_time(self) -> None:
        """The connection should be closed by now: wait on only for a client that still reads."""
        if self.transport.get_write_buffer_size() and self.has_read():
            self.wait(STALLED)
        else:
            self.transport.abort()

    def has_read(self) -> bool:
        """Whether the client has read anything since this was last asked, or reading stalled."""
        before, self._unread = self._unread, flow.unread_bytes(self.transport)
        return self._unread != before

    def end(self) -> None:
        """The worker leaves: what is under way has had its time."""
        if self._transaction is not None:
            self._transaction.give_up(DeadlineExceeded())  # and nobody is to blame
        elif not self._closing:
            self._close_kindly()

    @property
    def idle(self) -> bool:
        """Whether no request is under way, nor the beginning of one."""
        return self._transaction is None and not self._buffer

    def close_idle(self) -> None:
        """Not if a request has come that a busy loop has not read yet: it would be destroyed."""
        waits = self.idle and not self._closing and self.is_quiet
        if waits and not flow.unheard_bytes(self.transport):
            self._close_kindly()

    @property
    def is_quiet(self) -> bool:
        """Of one without a request: whether it was neither made nor used lately."""
        return self.edge.now >= self.deadline - self.edge.settings.keep_alive_timeout + QUIET

    def cut(self, *, reset: bool) -> None:
        """End the connection so that the response cannot be taken for complete (RFC 9112 §8).

        A length or a chunked coding tells by itself. Where the connection's end is
        the body's end, only a `reset` does.
        """
        self._transaction = None
        self._closing = self.edge.now
        self._unread = 0
        sock = self.transport.get_extra_info("socket")
        if reset and sock is not None and sock.family != socket.AF_UNIX:
            with suppress(OSError):  # the client may have closed it meanwhile
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()
        else:
            self.wait(LINGER)
            self.transport.close()

    def _close_kindly(self, *, linger: bool = False) -> None:
        """Close after what was written has gone out.

        If the client is still sending, an immediate close would reset the
        connection and destroy the answer before it is read: close this half, and
        the other when the client has, or LINGER is over.
        """
        self.send_late()
        linger = linger or bool(self._buffer)
        self._closing = self._closing or self.edge.now
        self._unread = 0
        self._buffer = b""
        self.wait(LINGER)
        if linger and self.transport.can_write_eof() and not self._half_closed:
            self.gate.open_all()
            self.transport.write_eof()
        else:
            self.transport.close()
