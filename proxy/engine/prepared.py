"""A request head made ready to forward, and remembered for the next request.

Clients send the same head again and again on a connection. Comparing it with
the last one costs a tenth of parsing, routing and rewriting it anew. Where only
the path is another, as in most of what browsers and API clients send, the fields
need no second look (`prepare_again`).
"""

import re
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from proxy.core.backend import Backend
from proxy.core.client import client_address
from proxy.core.configuration import Configuration
from proxy.core.forward import HOST_OF_BACKEND, Peer, request_prefix
from proxy.core.hash_key import request_key
from proxy.core.head.request import DEFAULT_LIMITS, HeadLimits, RequestHead, parse_request_head
from proxy.core.head.target import is_target
from proxy.core.rate_limit import tag_of
from proxy.core.routing import Route
from proxy.core.sticky import Claim
from proxy.errors import BadRequest

HEALTH_PATH = b"/-/health"

# "." and ".." segments, plain or encoded: a backend would resolve them and serve
# another path than the one that was routed. Clients resolve them before they send.
# ";" begins a path parameter, which some backends take off first.
_SLASH = rb"(?:/|\\|%2f|%5c)"
_DOT_SEGMENT = re.compile(rb"%b(?:\.|%%2e){1,2}(?:%b|;|$)" % (_SLASH, _SLASH), re.IGNORECASE)
_LINE_END, _VERSION = b"\r\n", b" HTTP/1.1"
_ID = re.compile(rb"[!-~]{1,128}")

MAX_KNOWN = 256  # heads; of all connections that do not remember the same one
MAX_KNOWN_BYTES = 2048  # of one of them: together they take two megabytes at most


class Prepared(msgspec.Struct, eq=False):
    raw: bytes  # as received
    fields: bytes  # of `raw`, from the end of its first line on
    head: RequestHead
    configuration: Configuration
    route: Route | None
    peer: Peer
    prefix: bytes  # as sent, up to the value of X-Request-Id; empty: it differs by backend
    sent_fields: bytes  # of `prefix`, from the end of its first line on
    _prefixes: dict[Backend, bytes]
    has_body: bool
    idempotent: bool
    request_id: bytes  # kept from a trusted peer; empty: one is made for each request
    client: bytes  # address, as trusted proxies tell it; empty on a unix socket
    key: bytes | None = None  # what the pool's hash key says of it, where the algorithm needs one
    claim: Claim | None = None  # where the pool is sticky
    rate_tag: int = 0  # whose counter it is for, where the route has a rate limit
    subject: bytes = b""  # what the access log says of it, once it was asked

    def prefix_for(self, backend: Backend) -> bytes:
        """`prefix` where the pool sends each backend its own host."""
        prefix = self._prefixes.get(backend)
        if prefix is None and self.route is not None:
            prefix = request_prefix(self.head, self.route, self.peer, backend)
            self._prefixes[backend] = prefix
        return prefix or b""


class PreparedHeads:
    """A worker's: heads that came lately, ready for when they come on another connection.

    A connection remembers its own last one; this is for clients that make one for each
    request, and for those that alternate between a few requests.
    """

    def __init__(self, limits: HeadLimits, trusts: Callable[[str], bool]) -> None:
        self._limits = limits
        self._trusts = trusts
        self._configuration: Configuration | None = None  # that of all in `_known`
        self._known: dict[tuple[bytes, Peer], Prepared] = {}

    def prepare(
        self,
        raw: bytes,
        configuration: Configuration,
        peer: Peer,
        previous: Prepared | None = None,
    ) -> Prepared:
        """As `prepare` does. `previous`: the connection's last one."""
        if configuration is not self._configuration or len(self._known) == MAX_KNOWN:
            self._configuration = configuration
            self._known.clear()
        key = (raw, peer)
        prepared = self._known.get(key)
        if prepared is None:
            if previous is not None and previous.configuration is configuration:
                prepared = prepare_again(previous, raw, self._limits)
            if prepared is None:
                prepared = prepare(raw, configuration, peer, self._limits, self._trusts)
            if len(raw) <= MAX_KNOWN_BYTES:
                self._known[key] = prepared
        return prepared


def prepare(
    raw: bytes,
    configuration: Configuration,
    peer: Peer,
    limits: HeadLimits = DEFAULT_LIMITS,
    trusts: Callable[[str], bool] = lambda address: False,
) -> Prepared:
    """Parse, route and rewrite. Raises a `ProxyError` for what is malformed.

    `trusts`: whether an address is a proxy of the operator's, as `peer.trusted` says of the peer.
    """
    head = parse_request_head(raw, limits)
    if _DOT_SEGMENT.search(head.path):
        raise BadRequest("The path contains dot segments.")
    route = None
    if head.path != HEALTH_PATH:
        route = configuration.route(head.host, head.path)
    claim = _take_claim(head, route, configuration, peer)
    client = _client(head, peer, trusts) if peer.trusted else peer.address
    prefix = _common_prefix(head, route, peer)
    return Prepared(
        raw=raw,
        fields=_after_first_line(raw),
        head=head,
        configuration=configuration,
        route=route,
        peer=peer,
        prefix=prefix,
        sent_fields=_after_first_line(prefix),
        _prefixes={},
        has_body=head.chunked or head.content_length > 0,
        idempotent=head.idempotent,
        request_id=head.request_id if peer.trusted and _ID.fullmatch(head.request_id) else b"",
        client=client,
        key=_key(head, route, client),
        claim=claim,
        rate_tag=_rate_tag(head, route, client),
    )


def prepare_again(previous: Prepared, raw: bytes, limits: HeadLimits) -> Prepared | None:
    """What `prepare` returns, where `raw` is `previous` but for the path or its query.

    None if it may be anything else, or malformed: then it has to be prepared anew.
    """
    before, route, fields = previous.head, previous.route, previous.fields
    start = len(before.method) + 1
    opening = previous.raw[: start + 1]
    line = len(raw) - len(fields)
    end = line - len(_VERSION)
    if (
        route is None
        or not raw.endswith(fields)
        or not raw.startswith(opening)
        or not opening.endswith(b"/")
        or raw[end:line] != _VERSION
        or before.minor_version != 1
        or line > limits.line
        or len(raw) > limits.head
    ):
        return None
    target = raw[start:end]
    path = target.partition(b"?")[0]
    if not is_target(target) or _DOT_SEGMENT.search(path) or path == HEALTH_PATH:
        return None
    if previous.configuration.router.match(before.host, path) is not route:
        return None
    head = replace(before, target=target, path=path)
    prefix = previous.prefix
    if prefix:
        sent = (before.method, b" ", route.stripped(target), _VERSION, previous.sent_fields)
        prefix = b"".join(sent)
    return replace(
        previous,
        raw=raw,
        head=head,
        prefix=prefix,
        _prefixes={},
        key=_key(head, route, previous.client),
        rate_tag=_rate_tag(head, route, previous.client),
        subject=b"",
    )


def _after_first_line(head: bytes) -> bytes:
    """With the line's end; of nothing, nothing."""
    return head[head.find(_LINE_END) :]


def _take_claim(
    head: RequestHead, route: Route | None, configuration: Configuration, peer: Peer
) -> Claim | None:
    """What the client brings along to stick to its backend; `head` is without it afterwards."""
    if route is None or not configuration.sticky:
        return None
    sticky = configuration.sticky.get(route.pool.spec.id)
    if sticky is None:
        return None
    head.headers, preferred = sticky.read(head.headers)
    return Claim(sticky, preferred, route.response_rules, https=_came_over_https(head, peer))


def _key(head: RequestHead, route: Route | None, client: bytes) -> bytes | None:
    if route is None or not route.pool.algorithm.main.needs_key:
        return None
    return request_key(route.pool.spec.balancing.hash_key, head, client)


def _rate_tag(head: RequestHead, route: Route | None, client: bytes) -> int:
    if route is None or route.limit is None:
        return 0
    key = route.spec.rate_limit.key
    return tag_of(route.id, (request_key(key, head, client) if key else None) or b"")


def _came_over_https(head: RequestHead, peer: Peer) -> bool:
    told = [value for name, value in head.forwarding if name.lower() == b"x-forwarded-proto"]
    scheme = told[0] if told and peer.trusted else peer.scheme
    return scheme.partition(b",")[0].strip().lower() == b"https"


def _client(head: RequestHead, peer: Peer, trusts: Callable[[str], bool]) -> bytes:
    lists = [value for name, value in head.forwarding if name.lower() == b"x-forwarded-for"]
    return client_address(peer.address, b",".join(lists), trusts)


def _common_prefix(head: RequestHead, route: Route | None, peer: Peer) -> bytes:
    if route is None or route.pool.spec.headers.host == HOST_OF_BACKEND:
        return b""
    return request_prefix(head, route, peer, None)
