"""The side towards the backends: a connection, and the responses on it."""

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias, cast

from proxy.core.forward import response_bytes, switching_bytes
from proxy.core.framing import LAST_CHUNK, BodyReader, CloseReader, response_reader
from proxy.core.head.message import HEAD_END
from proxy.core.head.response import ResponseHead, check_unfinished
from proxy.engine.flow import ReadGate
from proxy.engine.hedge import Hedge
from proxy.engine.known_heads import KnownHead
from proxy.engine.outbox import LARGE
from proxy.errors import (
    BackendReset,
    BadResponse,
    ResponseCut,
)

if TYPE_CHECKING:
    from proxy.engine.connections import ConnectionPool
    from proxy.engine.transaction import Transaction

Requester: TypeAlias = "Transaction | Hedge"  # a hedge until its response's head is there

_MAX_INTERIM = 16  # interim responses before a final one; more is an attack or a loop
_LAST_WORDS = 262144  # bytes; more than a backend says of a request that it refuses


class UpstreamConnection(asyncio.Protocol):
    """One connection to a backend, lent to one request at a time."""

    __slots__ = (
        "_buffer",
        "_eof",
        "_full",
        "_interim",
        "_known",
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
        self._full = False  # more has been written than the backend takes just now
        self.used = False  # has answered before: a reset may be the backend's idle time-out
        self.idle_since = 0
        self._known: KnownHead | None = None  # the last response's: most are the same again
        # request
        self._transaction: Requester | None = None
        self._method = b""
        self._reader: BodyReader | None = None  # None until the final head has come
        self._buffer = b""
        self._interim = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.gate = ReadGate(self.transport)

    def begin(self, transaction: Requester, method: bytes) -> None:
        """A request is about to be sent: what comes back belongs to `transaction`."""
        self._transaction = transaction
        self._method = method

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
                self._read_body(cast("Transaction", transaction), reader, data)
        except BadResponse as error:
            requester = self._transaction or transaction  # a hedge's place has been taken
            self._transaction = None
            self.transport.abort()
            requester.try_failed(error)

    def _read_head(self, transaction: Requester, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        known = self._known
        if known is not None and data.startswith(known.raw):
            size = len(known.raw)
        else:
            size = data.find(HEAD_END) + len(HEAD_END)
            if size < len(HEAD_END):
                check_unfinished(data)
                self._buffer = data
                return
            known = self._pool.heads.parse(data[:size])
            if known.parsed.status < 200:
                self._interim_response(transaction, known.parsed, data[size:])
                return
            self._known = known
        self._final_response(transaction, known, data, size)

    def _final_response(
        self, transaction: Requester, known: KnownHead, data: bytes, size: int
    ) -> None:
        head = known.parsed
        if transaction.selective:
            taker = transaction.taker(head)
            if taker is None:
                self._discard(transaction, head, data, size)
                return
            transaction = taker
        length = head.content_length
        if 0 < length == len(data) - size and head.status != 304 and self._method != b"HEAD":
            # All of it in one piece, as most responses come: no reader has to find its end.
            transaction.begin_response(head, until_close=False)
            head_bytes = self._head_bytes(transaction, known)
            if length > LARGE:
                transaction.relay_head(head_bytes)
                content = memoryview(data)[size:]
                self._complete(transaction, content, reusable=head.keep_alive)
            else:
                self._complete(transaction, head_bytes + data[size:], reusable=head.keep_alive)
            return
        reader = response_reader(self._method, head.status, length, head.chunked, BadResponse)
        self._reader = reader
        transaction.begin_response(head, until_close=reader.until_close)
        head_bytes = self._head_bytes(transaction, known)
        taken, body = self._take(transaction, reader, data[size:])
        if reader.done:
            reusable = head.keep_alive and size + taken == len(data)
            self._complete(transaction, head_bytes + body, reusable=reusable)
        else:
            transaction.relay(head_bytes + body)

    def _discard(self, transaction: Requester, head: ResponseHead, data: bytes, size: int) -> None:
        """Nobody wants this response: the connection is kept if nothing more comes on it."""
        reader = response_reader(
            self._method, head.status, head.content_length, head.chunked, BadResponse
        )
        self._transaction = None
        taken = 0
        with suppress(BadResponse):  # whoever asked is with another backend by now
            taken = reader.feed(data[size:], None) if len(data) > size else 0
        ended = reader.done and size + taken == len(data) and transaction.request_complete
        if ended and head.keep_alive:
            self._interim = 0
            self.used = True
            self.release()
        else:
            self.transport.abort()

    @staticmethod
    def _head_bytes(transaction: "Transaction", known: KnownHead) -> bytes:
        delivery, rules = transaction.delivery, transaction.response_rules
        if delivery is not None:
            return delivery.head(known.parsed, rules)
        return known.sent.get(rules) or known.render(rules)

    def _interim_response(self, transaction: Requester, head: ResponseHead, rest: bytes) -> None:
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

    def _switch_protocols(self, transaction: Requester, head: ResponseHead, rest: bytes) -> None:
        """From here on bytes go both ways until one side ends (RFC 9110 §7.8)."""
        if isinstance(transaction, Hedge) or not transaction.may_switch(head.upgrade):
            raise BadResponse("The backend switched protocols without having been asked.")
        self._reader = CloseReader()
        self._known = None
        transaction.begin_response(head, until_close=False)
        answer = switching_bytes(head, transaction.response_rules, transaction.own_lines)
        transaction.switch_protocols(answer + rest)

    def write_eof(self) -> bool:
        """The client has said all it wants to say; False: over TLS there is no telling."""
        if not self.transport.can_write_eof():
            return False
        self.transport.write_eof()
        return True

    def _read_body(self, transaction: "Transaction", reader: BodyReader, data: bytes) -> None:
        taken, body = self._take(transaction, reader, data)
        if reader.done:
            known = self._known
            reusable = known is not None and known.parsed.keep_alive and taken == len(data)
            self._complete(transaction, body, reusable=reusable)
        else:
            transaction.relay(body)

    @staticmethod
    def _take(transaction: "Transaction", reader: BodyReader, data: bytes) -> tuple[int, bytes]:
        """How many leading bytes of `data` belong to the body, and what goes out for them."""
        delivery = transaction.delivery
        if delivery is not None:
            return delivery.take(reader, data)
        taken = reader.feed(data)
        return taken, data[:taken]

    def _complete(
        self, transaction: "Transaction", data: bytes | memoryview, *, reusable: bool
    ) -> None:
        # Given back before the transaction goes on: its next request can then use it.
        if reusable and transaction.request_complete:
            self._transaction = None
            self._reader = None
            self._interim = 0
            self.used = True
            self.release()
        else:
            self._transaction = None
            self._leave()
        transaction.complete(data)

    def _leave(self) -> None:
        """Close. A backend that has answered and reads no more would keep what is left for ever."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def release(self) -> None:
        """Nobody uses this connection now. It is of no use while it is full.

        Whoever wrote to it next would be told nothing of that, and fill the memory.
        """
        if self._full:
            self._leave()
            return
        if self.gate.reasons:
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
        self._full = True
        if self._transaction is not None:
            self._transaction.upstream_full()

    def resume_writing(self) -> None:
        self._full = False
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
            answered = cast("Transaction", transaction)
            delivery = answered.delivery
            answered.complete(LAST_CHUNK if delivery is not None and delivery.chunks else b"")
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
        if self._transaction is None or self._pool.address.tls:
            return
        with suppress(OSError):
            data = os.read(self.transport.get_extra_info("socket").fileno(), _LAST_WORDS)
            if data:
                self.data_received(data)
