"""The marks of backends: what a client carries so that it is sent to the same one again.

A mark is the same on all edges and after each restart, and it is one look-up away
from its backend. It tells nothing of the backend, and without the key none can be
made: it is 24 characters of URL-safe base64, 16 of a code for the backend and 8
that show that the code is one of ours. By these a mark is known even if its
backend is gone, so that what it stands before can be given back as it was.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable

from proxy.core.backend import Backend

_CODE = 12  # bytes: 96 bits, out of reach of guessing
_SEAL = 6  # bytes; one that is guessed leads nowhere, it takes itself off the value
_CODE_LENGTH = 16  # characters
_BETWEEN = b"~"  # may stand in a cookie's value (RFC 6265 §4.1.1), and not in a mark


class Marks:
    """Those of one pool. Its repr shows nothing of the key."""

    __slots__ = ("_backends", "_key", "_marks", "_pool_id")

    def __init__(self, key: bytes, pool_id: int, backends: Iterable[Backend] = ()) -> None:
        self._key = key
        self._pool_id = pool_id
        self._marks: dict[Backend, bytes] = {}
        self._backends: dict[bytes, Backend] = {}
        self.add(backends)

    def add(self, backends: Iterable[Backend], known: "Marks | None" = None) -> None:
        """Take in these of the pool; `known`: the same pool's, to save working out what stays."""
        before = known._marks if known is not None and known._key == self._key else {}
        for backend in backends:
            mark = before.get(backend) or self._mark(self._pool_id, backend.id)
            self._marks[backend] = mark
            self._backends[mark] = backend

    def of(self, backend: Backend) -> bytes:
        return self._marks[backend]

    def backend(self, mark: bytes) -> Backend | None:
        """The backend of this pool that has `mark`."""
        return self._backends.get(mark)

    def put_before(self, value: bytes, backend: Backend) -> bytes:
        """`value` with the mark before it, inside its quotes; nothing is not marked."""
        quote, bare = _unquoted(value)
        if bare in (b"", quote):
            return value
        return b"%b%b%b%b" % (quote, self._marks[backend], _BETWEEN, bare)

    def take_off(self, value: bytes) -> tuple[bytes, Backend | None]:
        """The value as it was marked, and the backend it was marked for, if that is here.

        A value that bears no mark of ours is not changed.
        """
        quote, bare = _unquoted(value)
        mark, between, marked = bare.partition(_BETWEEN)
        if not between or not self._is_genuine(mark):
            return value, None
        return quote + marked, self._backends.get(mark)

    def _mark(self, pool_id: int, backend_id: int) -> bytes:
        code = self._digest(b"backend:%d:%d" % (pool_id, backend_id), _CODE)
        return code + self._seal(code)

    def _seal(self, code: bytes) -> bytes:
        return self._digest(b"seal:" + code, _SEAL)

    def _digest(self, message: bytes, size: int) -> bytes:
        return urlsafe_b64encode(hmac.digest(self._key, message, "sha256")[:size])

    def _is_genuine(self, mark: bytes) -> bool:
        if mark in self._backends:
            return True
        code, seal = mark[:_CODE_LENGTH], mark[_CODE_LENGTH:]
        return hmac.compare_digest(seal, self._seal(code))


def _unquoted(value: bytes) -> tuple[bytes, bytes]:
    """(the opening quote if there is one, the rest)"""
    return (b'"', value[1:]) if value.startswith(b'"') else (b"", value)
