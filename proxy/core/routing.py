"""Host and path → route, at a cost that does not grow with the number of routes."""

import re
from collections.abc import Iterable, Iterator

from pool.addresses import normalise_encoding
from pool.choices import HeaderAction
from pool.snapshot import HeaderRule, RouteSpec
from proxy.core.pool import Pool
from proxy.core.rate_limit import RateLimit
from proxy.core.rules import made_ready

_SLASHES = re.compile(rb"//+")
_NO_OTHER_ID = HeaderRule(action=HeaderAction.REMOVE, name="X-Request-Id")


class Route:
    """A route as one worker runs it. `prefix` has no trailing slash; "/" is empty.

    `limit` is put there by who has the counters; None: it takes all requests.
    `tells_id`: whoever passes a response on adds the request's id, as `X-Request-Id`.
    """

    __slots__ = (
        "id",
        "limit",
        "pool",
        "prefix",
        "request_rules",
        "response_rules",
        "spec",
        "tells_id",
    )

    def __init__(self, spec: RouteSpec, pool: Pool) -> None:
        self.id = spec.id
        self.spec = spec
        self.pool = pool
        self.limit: RateLimit | None = None
        headers = pool.spec.headers
        self.request_rules = made_ready(headers.request_rules + spec.request_rules)
        self.tells_id = headers.request_id
        others = (_NO_OTHER_ID,) if self.tells_id else ()
        self.response_rules = made_ready(headers.response_rules + spec.response_rules + others)
        self.prefix = normalise_encoding(spec.path_prefix.encode("ascii")).rstrip(b"/")

    def stripped(self, target: bytes) -> bytes:
        """`target` as the backend sees it."""
        if not self.spec.strip_prefix or not self.prefix:
            return target
        end = len(self.prefix)
        if not target.startswith(self.prefix):  # spelt in another way
            end = _end_of_segments(target.partition(b"?")[0], self.prefix.count(b"/"))
            if _one_spelling(target[:end]) != self.prefix:
                return target
        rest = target[end:]
        return rest if rest.startswith(b"/") else b"/" + rest


def _one_spelling(path: bytes) -> bytes:
    """That of all which servers may take for the same path: many of them merge slashes.

    Or else whoever sends one more gets around the route that a limit is on.
    """
    path = normalise_encoding(path)
    return _SLASHES.sub(b"/", path) if b"//" in path else path


def _end_of_segments(path: bytes, count: int) -> int:
    """Where so many segments of `path` end that are not empty."""
    end = 0
    for _ in range(count):
        begin = end
        while path.startswith(b"/", begin):
            begin += 1
        end = path.find(b"/", begin)
        if end < 0:
            return len(path)
    return end


_Prefixes = dict[bytes, Route]


class Router:
    """The highest priority wins; then the more specific host; then the longer prefix."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._exact: dict[bytes, _Prefixes] = {}
        self._wildcard: dict[bytes, _Prefixes] = {}  # by what follows "*": ".example.com"
        self._any: _Prefixes = {}
        self._max_segments = 0
        for route in routes:
            prefixes = self._prefixes_of(route.spec.host)
            known = prefixes.get(route.prefix)
            if known is None or route.spec.priority > known.spec.priority:
                prefixes[route.prefix] = route
            self._max_segments = max(self._max_segments, route.prefix.count(b"/"))

    def match(self, host: bytes, path: bytes) -> Route | None:
        """The route for a lower-case host without port and a path without query."""
        best: Route | None = None
        for route in self.matching(host, path):
            if best is None or route.spec.priority > best.spec.priority:
                best = route
        return best

    def matching(self, host: bytes, path: bytes) -> Iterator[Route]:
        """All routes for it, the most specific first: a later one has to be of higher priority."""
        prefixes = None
        for table in self._tables(host):
            if prefixes is None:
                prefixes = self._candidates(path)
            for prefix in prefixes:
                route = table.get(prefix)
                if route is not None:
                    yield route

    def _prefixes_of(self, host: str) -> _Prefixes:
        if not host:
            return self._any
        if host.startswith("*."):
            return self._wildcard.setdefault(host[1:].lower().encode("ascii"), {})
        return self._exact.setdefault(host.lower().encode("ascii"), {})

    def _tables(self, host: bytes) -> Iterator[_Prefixes]:
        """The tables that apply to `host`, the most specific first."""
        if host in self._exact:
            yield self._exact[host]
        if self._wildcard:
            dot = host.find(b".", 1)
            while dot > 0:
                if (table := self._wildcard.get(host[dot:])) is not None:
                    yield table
                dot = host.find(b".", dot + 1)
        if self._any:
            yield self._any

    def _candidates(self, path: bytes) -> list[bytes]:
        """The prefixes of `path` that end at a segment's end, the longest first."""
        path = _one_spelling(path)
        candidates = [b""]
        position = 0
        for _ in range(self._max_segments):
            position = path.find(b"/", position + 1)
            if position < 0:
                candidates.append(path)
                break
            candidates.append(path[:position])
        candidates.reverse()
        return candidates
