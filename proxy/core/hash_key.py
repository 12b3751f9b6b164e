"""What a request's key is, where the pool's algorithm sends equal keys to one backend."""

from collections.abc import Iterator
from functools import lru_cache

from pool.hash_key import HashKey, HashSource, parse
from proxy.core.head.request import RequestHead

_SPACE = b" \t"

_parsed = lru_cache(parse)


def request_key(hash_key: str, head: RequestHead, client: bytes) -> bytes | None:
    """What `hash_key` ("cookie:session") says of a request; None if the request lacks it.

    `client`: its address, as trusted proxies tell it; empty on a unix socket. What is
    there, but empty, tells nobody apart, and is lacking as well.
    """
    key = _parsed(hash_key)
    match key.source:
        case HashSource.CLIENT_IP:
            value = client
        case HashSource.PATH:
            value = head.path
        case HashSource.HEADER:
            value = _header(head, key)
        case HashSource.COOKIE:
            value = _named(key, _cookie_pairs(head))
        case HashSource.QUERY:
            value = _named(key, head.target.partition(b"?")[2].split(b"&"))
    return value or None


def _header(head: RequestHead, key: HashKey) -> bytes:
    """All values of the field, in order (RFC 9110 §5.3); the host without its port."""
    name = key.name.encode("ascii")
    if name == b"host":
        return head.host
    fields = (*head.headers, *head.forwarding)
    return b",".join(value for field, value in fields if field.lower() == name)


def _cookie_pairs(head: RequestHead) -> Iterator[bytes]:
    for field, value in head.headers:
        if field.lower() == b"cookie":
            yield from value.split(b";")


def _named(key: HashKey, pairs: Iterator[bytes] | list[bytes]) -> bytes:
    """The value of the first pair of this name, as it stands there."""
    wanted = key.name.encode()
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        if name.strip(_SPACE) == wanted:
            return value.strip(_SPACE)
    return b""
