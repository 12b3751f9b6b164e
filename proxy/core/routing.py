"""Host and path → route, at a cost that does not grow with the number of routes."""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence

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

    `limit` is put there by who has the counters; None: it takes all requests. `strips`: it
    takes its prefix off. `tells_id`: whoever passes a response on adds the request's id, as
    `X-Request-Id`.
    """

    __slots__ = (
        "id",
        "limit",
        "pool",
        "prefix",
        "priority",
        "request_rules",
        "response_rules",
        "spec",
        "strips",
        "tells_id",
    )

    def __init__(self, spec: RouteSpec, pool: Pool) -> None:
        self.id = spec.id
        self.spec = spec
        self.priority = spec.priority  # here as well: requests need nothing else of `spec`
        self.pool = pool
        self.limit: RateLimit | None = None
        headers = pool.spec.headers
        self.request_rules = made_ready(headers.request_rules + spec.request_rules)
        self.tells_id = headers.request_id
        others = (_NO_OTHER_ID,) if self.tells_id else ()
        self.response_rules = made_ready(headers.response_rules + spec.response_rules + others)
        self.prefix = normalise_encoding(spec.path_prefix.encode("ascii")).rstrip(b"/")
        self.strips = spec.strip_prefix and bool(self.prefix)

    def stripped(self, target: bytes) -> bytes:
        """`target` as the backend sees it."""
        if not self.strips:
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


_Routes = dict[bytes, Route]
_ROOT = (b"",)


class Router:
    """The highest priority wins; then the more specific host; then the longer prefix."""

    def __init__(self, routes: Iterable[Route]) -> None:
        # By host and prefix in one: one look-up, which touches no more than what it finds.
        self._exact: _Routes = {}
        # By what follows "*", ".example.com", and then by prefix; and by prefix alone.
        self._wildcard: dict[bytes, _Routes] = {}
        self._any: _Routes = {}
        self._max_segments = 0
        self._highest = -sys.maxsize  # priority
        for route in routes:
            self._add(route)

    def match(self, host: bytes, path: bytes) -> Route | None:
        """The route for a lower-case host without port and a path without query."""
        best: Route | None = None
        for route in self.matching(host, path):
            if route.priority == self._highest:
                return route  # most often the first: few routes have a priority of their own
            if best is None or route.priority > best.priority:
                best = route
        return best

    def matching(self, host: bytes, path: bytes) -> Iterator[Route]:
        """All routes for it, the most specific first: a later one has to be of higher priority."""
        prefixes = self._candidates(path) if self._max_segments else _ROOT
        for table, start in self._tables(host):
            for prefix in prefixes:
                route = table.get(start + prefix)
                if route is not None:
                    yield route

    def _add(self, route: Route) -> None:
        host = route.spec.host.lower().encode("ascii")
        prefix = route.prefix
        if host.startswith(b"*."):
            table, key = self._wildcard.setdefault(host[1:], {}), prefix
        elif host:
            table, key = self._exact, host + prefix
        else:
            table, key = self._any, prefix
        known = table.get(key)
        if known is None or route.priority > known.priority:
            table[key] = route
        self._max_segments = max(self._max_segments, prefix.count(b"/"))
        self._highest = max(self._highest, route.priority)

    def _tables(self, host: bytes) -> Iterator[tuple[_Routes, bytes]]:
        """The tables that apply to `host`, the most specific first, and how their keys begin."""
        if self._exact:
            yield self._exact, host
        if self._wildcard:
            dot = host.find(b".", 1)
            while dot > 0:
                if (table := self._wildcard.get(host[dot:])) is not None:
                    yield table, b""
                dot = host.find(b".", dot + 1)
        if self._any:
            yield self._any, b""

    def _candidates(self, path: bytes) -> Sequence[bytes]:
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
