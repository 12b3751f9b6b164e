"""The side towards the backends: connections, their pools, and responses."""

import asyncio
import errno
import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from pool.snapshot import TlsPolicy
from proxy.core.backend import Backend
from proxy.core.clock import Clock
from proxy.core.forward import response_bytes, switching_bytes
from proxy.core.framing import BodyReader, CloseReader, response_reader
from proxy.core.head import HEAD_END, MAX_RESPONSE_HEAD, ResponseHead, parse_response_head
from proxy.core.rules import HeaderRules
from proxy.engine.address import Address
from proxy.engine.flow import ReadGate
from proxy.engine.resolver import Resolver
from proxy.errors import (
    BackendReset,
    BadResponse,
    ConnectFailed,
    ConnectTimeout,
    OutOfSockets,
    ProxyError,
    ResponseCut,
)

if TYPE_CHECKING:
    from proxy.engine.transaction import Transaction

log = logging.getLogger("lbsite.edge")

IDLE = 60 * 10**9  # nanoseconds; a connection that was not used for so long is closed
_OUT_OF_SOCKETS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
_MAX_INTERIM = 16  # interim responses before a final one; more is an attack or a loop
_LAST_WORDS = 262144  # bytes; more than a backend says of a request that it refuses


class UpstreamConnection(asyncio.Protocol):
    """One connection to a backend, lent to one request at a time."""

    __slots__ = (
        "_buffer",
        "_eof",
        "_interim",
        "_memo",
        "_memo_bytes",
        "_memo_raw",
        "_memo_rules",
        "_method",
        "_pool",
        "_reader",
        "_transaction",
        "backend",
        "gate",
        "idle_since",
        "transport",
        "used",
    )

    def __init__(self, pool: "ConnectionPool") -> None:
        # connection
        self._pool = pool
        self.backend = pool.backend
        self._eof = False
        self.used = False  # has answered before: a reset may be the backend's idle time-out
        self.idle_since = 0
        # the last response head, as received and as sent on: most are the same again
        self._memo_raw: bytes | None = None
        self._memo: ResponseHead | None = None
        self._memo_bytes = b""
        self._memo_rules: HeaderRules | None = None  # those that are in `_memo_bytes`
        # request
        self._transaction: Transaction | None = None
        self._method = b""
        self._reader: BodyReader | None = None  # None until the final head has come
        self._buffer = b""
        self._interim = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.gate = ReadGate(self.transport)

    def begin(self, transaction: "Transaction", method: bytes, data: bytes) -> None:
        """Send a request; what comes back belongs to `transaction`."""
        self._transaction = transaction
        self._method = method
        self.transport.write(data)

    @property
    def answering(self) -> bool:
        """Whether any byte of a response has come."""
        return self._reader is not None or bool(self._buffer) or self._interim > 0

    def data_received(self, data: bytes) -> None:
        transaction = self._transaction
        if transaction is None:  # nobody has asked: it must never be taken for the next answer
            self.transport.abort()
            return
        try:
            reader = self._reader
            if reader is None:
                self._read_head(transaction, data)
            else:
                self._read_body(transaction, reader, data)
        except BadResponse as error:
            self._transaction = None
            self.transport.abort()
            transaction.try_failed(error)

    def _read_head(self, transaction: "Transaction", data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        raw = self._memo_raw
        if raw is not None and data.startswith(raw):
            head = self._memo
            size = len(raw)
        else:
            size = data.find(HEAD_END) + len(HEAD_END)
            unfinished = size < len(HEAD_END)
            if (len(data) if unfinished else size) > MAX_RESPONSE_HEAD:
                raise BadResponse("The response head is too large.")
            if unfinished:
                self._buffer = data
                return
            raw = data[:size]
            head = parse_response_head(raw)
            if head.status < 200:
                self._interim_response(transaction, head, data[size:])
                return
            self._memo_raw = raw
            self._memo = head
            self._memo_rules = None
        self._final_response(transaction, cast("ResponseHead", head), data, size)

    def _final_response(
        self, transaction: "Transaction", head: ResponseHead, data: bytes, size: int
    ) -> None:
        if transaction.selective:
            if not transaction.wants(head):
                self._discard(head, data, size)
                return
            transaction = cast("Transaction", self._transaction)  # a hedge's place is taken
        length = head.content_length
        if 0 < length == len(data) - size and head.status != 304 and self._method != b"HEAD":
            # All of it in one piece, as most responses come: no reader has to find its end.
            transaction.begin_response(head, until_close=False)
            head_bytes = self._head_bytes(transaction, head)
            self._complete(transaction, head_bytes + data[size:], reusable=head.keep_alive)
            return
        reader = response_reader(self._method, head.status, length, head.chunked, BadResponse)
        self._reader = reader
        transaction.begin_response(head, until_close=reader.until_close)
        head_bytes = self._head_bytes(transaction, head)
        payload = transaction.payload
        taken = reader.feed(data[size:], payload) if len(data) > size else 0
        body = b"".join(payload) if payload is not None else data[size : size + taken]
        if reader.done:
            reusable = head.keep_alive and size + taken == len(data)
            self._complete(transaction, head_bytes + body, reusable=reusable)
        else:
            transaction.relay(head_bytes + body)

    def _discard(self, head: ResponseHead, data: bytes, size: int) -> None:
        """Nobody wants this response: the connection is kept if all of it has come."""
        reader = response_reader(
            self._method, head.status, head.content_length, head.chunked, BadResponse
        )
        self._transaction = None
        taken = 0
        with suppress(BadResponse):  # whoever asked is with another backend by now
            taken = reader.feed(data[size:], None) if len(data) > size else 0
        if reader.done and head.keep_alive and size + taken == len(data):
            self._interim = 0
            self.used = True
            self.release()
        else:
            self.transport.abort()

    def _head_bytes(self, transaction: "Transaction", head: ResponseHead) -> bytes:
        if not transaction.plain:
            return transaction.special_head(head)
        if self._memo_rules is not transaction.response_rules:
            self._memo_rules = transaction.response_rules
            self._memo_bytes = response_bytes(
                head, transaction.response_rules, connection=b"", chunked=head.chunked
            )
        return self._memo_bytes

    def _interim_response(
        self, transaction: "Transaction", head: ResponseHead, rest: bytes
    ) -> None:
        if head.status == 101:
            self._switch_protocols(transaction, head, rest)
            return
        self._interim += 1
        if self._interim > _MAX_INTERIM:
            raise BadResponse("Too many interim responses.")
        rules = transaction.response_rules
        transaction.interim(response_bytes(head, rules, connection=b"", chunked=False))
        if rest:
            self._read_head(transaction, rest)

    def _switch_protocols(
        self, transaction: "Transaction", head: ResponseHead, rest: bytes
    ) -> None:
        """From here on bytes go both ways until one side ends (RFC 9110 §7.8)."""
        if not transaction.may_switch(head.upgrade):
            raise BadResponse("The backend switched protocols without having been asked.")
        self._reader = CloseReader()
        self._memo_raw = None
        transaction.begin_response(head, until_close=True)
        transaction.switch_protocols(switching_bytes(head, transaction.response_rules) + rest)

    def write_eof(self) -> bool:
        """The client has said all it wants to say; False: over TLS there is no telling."""
        if not self.transport.can_write_eof():
            return False
        self.transport.write_eof()
        return True

    def _read_body(self, transaction: "Transaction", reader: BodyReader, data: bytes) -> None:
        payload = transaction.payload
        if payload is not None:
            payload.clear()
        taken = reader.feed(data, payload)
        body = b"".join(payload) if payload is not None else data[:taken]
        if reader.done:
            head = cast("ResponseHead", self._memo)
            self._complete(transaction, body, reusable=head.keep_alive and taken == len(data))
        else:
            transaction.relay(body)

    def _complete(self, transaction: "Transaction", data: bytes, *, reusable: bool) -> None:
        # Given back before the transaction goes on: its next request can then use it.
        if reusable and transaction.request_complete:
            self._transaction = None
            self._reader = None
            self._interim = 0
            self.used = True
            self.release()
        else:
            self._transaction = None
            self.transport.close()
        transaction.complete(data)

    def release(self) -> None:
        """Nobody uses this connection now."""
        self.gate.open_all()
        self._pool.give_back(self)

    def hand_over(self, transaction: "Transaction") -> None:
        """What comes back from now on belongs to this one."""
        self._transaction = transaction

    def abandon(self) -> None:
        """The request is not wanted any more: what comes back for it belongs to nobody."""
        self._transaction = None
        self.transport.abort()

    def pause_writing(self) -> None:
        if self._transaction is not None:
            self._transaction.upstream_full()

    def resume_writing(self) -> None:
        if self._transaction is not None:
            self._transaction.upstream_drained()

    def eof_received(self) -> None:
        self._eof = True

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self._read_last_words()
        transaction = self._transaction
        self._transaction = None
        if transaction is None:
            self._pool.forget(self)
            return
        reader = self._reader
        if reader is not None and reader.until_close and self._eof and error is None:
            transaction.complete(b"")
        elif reader is not None:
            transaction.try_failed(ResponseCut())
        elif self.answering:
            transaction.try_failed(BackendReset())
        else:
            transaction.try_failed(BackendReset(), untouched=True, stale=self.used)

    def _read_last_words(self) -> None:
        """What had come before the connection broke, and was not read yet.

        A backend that refuses a body answers and closes while the body still comes. The
        write that fails ends the transport, although the kernel holds the answer.
        """
        if self._transaction is None or self.backend.spec.url.startswith("https:"):
            return
        with suppress(OSError):
            data = os.read(self.transport.get_extra_info("socket").fileno(), _LAST_WORDS)
            if data:
                self.data_received(data)


class ConnectionPool:
    """The idle connections to one backend; the one used last is used first."""

    def __init__(
        self,
        backend: Backend,
        tls: TlsPolicy,
        loop: asyncio.AbstractEventLoop,
        resolver: Resolver,
        clock: Clock,
    ) -> None:
        self.backend = backend
        self.tls = tls
        self._resolver = resolver
        self.address = Address.parse(backend.spec.url)
        self.named = self.address.is_name
        self._addresses: frozenset[str] = frozenset()  # of the name, when it was first known
        self.idle: list[UpstreamConnection] = []
        self._loop = loop
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._failure = ""  # why no connection could be made, until one can

    def take(self) -> UpstreamConnection | None:
        while self.idle:
            connection = self.idle.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    def give_back(self, connection: UpstreamConnection) -> None:
        if self._closed:
            connection.transport.close()
            return
        connection.idle_since = self._clock.now
        self.idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        if connection in self.idle:
            self.idle.remove(connection)

    def connect(self, transaction: "Transaction", timeout: float) -> "Connecting":
        """Make a connection and hand it to `transaction`, or tell it why there is none."""
        ticket = Connecting(transaction)
        task = self._loop.create_task(self._connect(ticket, timeout))
        self._tasks.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._tasks.discard)
        return ticket

    async def _connect(self, ticket: "Connecting", timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                connection = await self.address.connect(
                    self._loop, lambda: UpstreamConnection(self), self._resolver, self.tls, timeout
                )
        except TimeoutError:
            self._tell(f"not within {timeout:g} s")
            ticket.failed(ConnectTimeout())
        except OSError as error:
            self._tell(str(error) or type(error).__name__)
            own_fault = error.errno in _OUT_OF_SOCKETS
            ticket.failed(OutOfSockets() if own_fault else ConnectFailed(str(error)))
        except Exception as error:  # the request must not wait for a time-out because of a defect
            log.exception("connecting to backend %s failed", self.backend.spec.name)
            ticket.failed(ConnectFailed(str(error)))
        else:
            self._failure = ""
            ticket.connected(connection)

    def _tell(self, failure: str) -> None:
        """Log why there is no connection: the client is not told. Once, not for each request."""
        if failure != self._failure:
            self._failure = failure
            log.warning("no connection to backend %s: %s", self.backend.spec.name, failure)

    def close_idle(self, before: int) -> None:
        """Close connections that were given back before `before` (`Clock.now`)."""
        while self.idle and self.idle[0].idle_since < before:
            self.idle.pop(0).transport.close()

    def has_moved(self) -> bool:
        """Whether the backend's name has lost an address since this was first asked."""
        known = self._resolver.watch(self.address.host)
        if known and not self._addresses:
            self._addresses = frozenset(known)
        return bool(known) and not self._addresses.issubset(known)

    def close(self) -> None:
        """The backend is gone: close what is idle; requests that run finish."""
        self._closed = True
        for connection in self.idle:
            connection.transport.close()
        self.idle.clear()


class Connecting:
    """A connection under way. `transaction` is None once nobody waits for it."""

    __slots__ = ("transaction",)

    def __init__(self, transaction: "Transaction") -> None:
        self.transaction: Transaction | None = transaction

    def connected(self, connection: UpstreamConnection) -> None:
        if connection.transport.is_closing():  # as a TLS peer does that wants a certificate
            self.failed(ConnectFailed("The backend closed the connection at once."))
        elif self.transaction is not None:
            self.transaction.connected(connection)
        else:
            connection.release()

    def failed(self, error: ProxyError) -> None:
        if self.transaction is not None:
            self.transaction.try_failed(error, untouched=True)
