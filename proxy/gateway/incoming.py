"""A WSGI request as the core reads requests: the bytes of its head, and its body.

Going back to bytes lets the same strict parser and the same rules for forwarding apply
as on the edge, to whatever the web server has let through.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from proxy.core.client import plain
from proxy.core.fields import EXPECT, UPGRADE, classify
from proxy.core.forward import Peer
from proxy.core.retry import MAX_REPLAY_BODY
from proxy.errors import BodyTooLarge, ClientGone

_RAW_TARGETS = ("RAW_URI", "REQUEST_URI")  # gunicorn's, and uWSGI's and mod_wsgi's
_PATH = "/~:@!$&'()*+,;="  # RFC 3986 §3.3
# The web server has answered the expectation; a WSGI application can switch no protocol.
_THE_SERVERS = (EXPECT, UPGRADE)
_UNPREFIXED = ("CONTENT_TYPE", "CONTENT_LENGTH")  # PEP 3333

Environ = Mapping[str, Any]


def raw_head(environ: Environ, secret_cookies: frozenset[str]) -> bytes:
    """`secret_cookies`: names of those that are not for backends."""
    protocol = environ["SERVER_PROTOCOL"]
    lines = [f"{environ['REQUEST_METHOD']} {_target(environ)} {protocol}"]
    for name, value in _fields(environ):
        if name.lower() == "cookie":
            value = _without(value, secret_cookies)
            if not value:
                continue
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def peer(environ: Environ, trusts: Callable[[str], bool]) -> Peer:
    """The client's connection.

    `trusts`: whether an address is a proxy of the operator's. So is all on a unix socket.
    """
    address = plain(str(environ.get("REMOTE_ADDR", "")))
    authority = f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    return Peer(
        address=address.encode("ascii"),
        scheme=str(environ["wsgi.url_scheme"]).encode("ascii"),
        local_authority=authority.encode("ascii"),
        trusted=not address or trusts(address),
    )


def _target(environ: Environ) -> str:
    for name in _RAW_TARGETS:
        if target := environ.get(name):
            return str(target)
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    query = environ.get("QUERY_STRING", "")
    target = quote(path.encode("latin-1"), safe=_PATH)
    return f"{target}?{query}" if query else target


def _fields(environ: Environ) -> Iterator[tuple[str, str]]:
    for key, value in environ.items():
        if not key.startswith("HTTP_") and not (key in _UNPREFIXED and value):
            continue
        name = key.removeprefix("HTTP_").replace("_", "-").title()
        if classify(name.encode("latin-1")) not in _THE_SERVERS:
            yield name, value


def _without(cookies: str, names: frozenset[str]) -> str:
    pairs = [pair.strip() for pair in cookies.split(";")]
    return "; ".join(pair for pair in pairs if pair.partition("=")[0].strip() not in names)


def read_body(
    environ: Environ, length: int, *, chunked: bool, limit: int, received: Callable[[int], None]
) -> Any:
    """What `requests` takes for a body: bytes that can be sent again, or a stream.

    `limit`: bytes, 0 for none. `received` is told how many have come, whenever some have.
    """
    if limit and length > limit:
        raise BodyTooLarge
    if not chunked and not length:
        return None
    stream = Stream(environ["wsgi.input"], None if chunked else length, limit, received)
    if chunked or length > MAX_REPLAY_BODY:
        return stream
    return b"".join(stream)  # all of it: there may be less than was announced


class Stream:
    """A body as it comes from the client. `length`: None where only its end will tell."""

    def __init__(
        self, source: Any, length: int | None, limit: int, received: Callable[[int], None]
    ) -> None:
        self._source = source
        self._received = received
        self._left = length
        self._limit = limit
        self._size = 0

    def read(self, size: int = -1) -> bytes:
        if self._left is not None:
            size = min(size, self._left) if size >= 0 else self._left
        if size == 0:
            return b""
        try:
            data: bytes = self._source.read(size)
        except Exception as error:  # each server has its own for a client that is gone
            raise ClientGone from error
        if self._left is not None:
            if not data:
                raise ClientGone
            self._left -= len(data)
        self._size += len(data)
        self._received(len(data))
        if self._limit and self._size > self._limit:
            raise BodyTooLarge
        return data

    def __iter__(self) -> Iterator[bytes]:
        while data := self.read(MAX_REPLAY_BODY):
            yield data
