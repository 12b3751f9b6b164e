"""Sending a client to the backend that it was sent to before.

The client brings the mark of its backend along, in one of three places: a cookie
of the edge's own, or before the value of a cookie or of a header field that the
backends issue (HAProxy's `cookie … insert indirect` and `cookie … prefix`).
Backends never see a mark. Nothing is remembered here: any edge that has the
same secret reads the marks of any other.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

from pool.choices import CookieSecure, SameSite, StickyMode
from pool.snapshot import PoolSpec, StickyPolicy
from proxy.core.backend import Backend
from proxy.core.head.message import Headers
from proxy.core.marks import Marks
from proxy.core.pool import Pool
from proxy.core.rules import HeaderRules, Then

KEY_PURPOSE = "sticky mark"

_SPACE = b" \t"
_UNSHARED = frozenset([b"private", b"no-store"])


class Stickiness(ABC):
    """A pool's, in one configuration: where the marks are, and what is done with them."""

    def __init__(self, policy: StickyPolicy, marks: Marks) -> None:
        self._policy = policy
        self._marks = marks
        self._name = policy.name.encode("ascii")
        # One object for equal changes: by it a connection knows the head it has made last.
        self._changes: dict[tuple[HeaderRules, Backend | None, bool], HeaderRules] = {}

    @abstractmethod
    def read(self, headers: Headers) -> tuple[Headers, Backend | None]:
        """A request's fields as its backend shall see them, and which one the client asks for."""

    @abstractmethod
    def response_rules(
        self, rules: HeaderRules, backend: Backend, preferred: Backend | None, *, https: bool
    ) -> HeaderRules:
        """`rules`, and then what a response of `backend` needs for the client to come back.

        `preferred`: whom the request asked for; `https`: what the client came over.
        """

    def _changed(
        self,
        key: tuple[HeaderRules, Backend | None, bool],
        change: Callable[[Headers], Headers],
    ) -> HeaderRules:
        """`change` after the rules in `key`, which says what it depends on."""
        known = self._changes.get(key)
        if known is None:
            known = self._changes[key] = Then(key[0], change)
        return known


class _Cookies(Stickiness):
    """What both kinds of cookies have in common: finding them among others.

    Pairs end at each semicolon, quoted or not, as for browsers (RFC 6265 §5.2).
    """

    def read(self, headers: Headers) -> tuple[Headers, Backend | None]:
        preferred: Backend | None = None
        read: Headers = []
        for name, value in headers:
            if self._name in value and name.lower() == b"cookie":
                value, found = self._read_pairs(value)
                preferred = preferred or found
                if not value:
                    continue
            read.append((name, value))
        return read, preferred

    def _read_pairs(self, pairs: bytes) -> tuple[bytes, Backend | None]:
        preferred: Backend | None = None
        kept = []
        for pair in pairs.split(b";"):
            name, equals, value = pair.partition(b"=")
            if equals and name.strip(_SPACE) == self._name:
                own, found = self._read_value(value.strip(_SPACE))
                preferred = preferred or found
                if own is None:
                    continue
                pair = name + equals + own
            kept.append(pair)
        return b";".join(kept).strip(_SPACE), preferred

    @abstractmethod
    def _read_value(self, value: bytes) -> tuple[bytes | None, Backend | None]:
        """The value for the backend, None: it does not get the cookie; and whom it names."""

    def _is_ours(self, header: tuple[bytes, bytes]) -> bool:
        """Whether `header` sets the cookie (RFC 6265 §5.2)."""
        name, value = header
        if name.lower() != b"set-cookie":
            return False
        return value.partition(b";")[0].partition(b"=")[0].strip(_SPACE) == self._name


class EdgeCookie(_Cookies):
    """The edge's own: no backend sees it, and none can set it."""

    def _read_value(self, value: bytes) -> tuple[bytes | None, Backend | None]:
        return None, self._marks.backend(value.strip(b'"'))

    def response_rules(
        self, rules: HeaderRules, backend: Backend, preferred: Backend | None, *, https: bool
    ) -> HeaderRules:
        if backend is preferred and not self._policy.lifetime:
            return self._changed((rules, None, False), self._without)
        secure = self._policy.secure is CookieSecure.ALWAYS or (
            https and self._policy.secure is CookieSecure.AUTO
        )
        return self._changed(
            (rules, backend, secure), lambda headers: self._with(headers, backend, secure)
        )

    def _without(self, headers: Headers) -> Headers:
        return [header for header in headers if not self._is_ours(header)]

    def _with(self, headers: Headers, backend: Backend, secure: bool) -> Headers:
        cookie = (b"Set-Cookie", self._cookie(self._marks.of(backend), secure))
        headers = [*self._without(headers), cookie]
        # RFC 9111 §7.3: a cookie does not keep a shared cache from storing a response,
        # and from giving one client's mark to all. HAProxy's `nocache`.
        if not _unshared(headers):
            headers.append((b"Cache-Control", b"private"))
        return headers

    def _cookie(self, mark: bytes, secure: bool) -> bytes:
        policy = self._policy
        cookie = b"%b=%b; Path=/" % (self._name, mark)
        if policy.lifetime:
            cookie += b"; Max-Age=%d" % policy.lifetime
        # Browsers refuse a cookie that says None and is not Secure; they take one that says
        # nothing.
        if secure or policy.same_site is not SameSite.NONE:
            cookie += b"; SameSite=" + policy.same_site.encode("ascii")
        if secure:
            cookie += b"; Secure"
        if policy.http_only:
            cookie += b"; HttpOnly"
        return cookie


def _unshared(headers: Headers) -> bool:
    """Whether no shared cache may store the response anyway."""
    return any(
        directive.strip(_SPACE) in _UNSHARED
        for name, value in headers
        if name.lower() == b"cache-control"
        for directive in value.lower().split(b",")
    )


class _Marking(Stickiness):
    """What the other modes have in common: each response of a backend is marked, where it can be.

    They do not ask whom the client had before: a value is new whenever it is issued.
    """

    def response_rules(
        self, rules: HeaderRules, backend: Backend, preferred: Backend | None, *, https: bool
    ) -> HeaderRules:
        return self._changed(
            (rules, backend, False),
            lambda headers: [(name, self._marked(name, value, backend)) for name, value in headers],
        )

    @abstractmethod
    def _marked(self, name: bytes, value: bytes, backend: Backend) -> bytes:
        """The value of the field `name`, with the mark if it belongs there."""


class AppCookie(_Marking, _Cookies):
    """A cookie that the backends set."""

    def _read_value(self, value: bytes) -> tuple[bytes | None, Backend | None]:
        return self._marks.take_off(value)

    def _marked(self, name: bytes, value: bytes, backend: Backend) -> bytes:
        if not self._is_ours((name, value)):
            return value
        pair, semicolon, attributes = value.partition(b";")
        cookie, equals, session = pair.partition(b"=")
        marked = self._marks.put_before(session.strip(_SPACE), backend)
        return b"".join((cookie, equals, marked, semicolon, attributes))


class Field(_Marking):
    """A header field that the backends issue and clients repeat, such as Mcp-Session-Id."""

    def __init__(self, policy: StickyPolicy, marks: Marks) -> None:
        super().__init__(policy, marks)
        self._name = self._name.lower()

    def read(self, headers: Headers) -> tuple[Headers, Backend | None]:
        preferred: Backend | None = None
        read: Headers = []
        for name, value in headers:
            if name.lower() == self._name:
                value, found = self._marks.take_off(value)
                preferred = preferred or found
            read.append((name, value))
        return read, preferred

    def _marked(self, name: bytes, value: bytes, backend: Backend) -> bytes:
        return self._marks.put_before(value, backend) if name.lower() == self._name else value


_BY_MODE: dict[StickyMode, type[Stickiness]] = {
    StickyMode.COOKIE: EdgeCookie,
    StickyMode.APP_COOKIE: AppCookie,
    StickyMode.HEADER: Field,
}


def is_sticky(spec: PoolSpec) -> bool:
    return spec.sticky.mode is not StickyMode.OFF


def build_stickiness(pool: Pool, marks: Marks) -> Stickiness:
    """What makes `pool`, which has to be sticky, so; `marks` by `derive_key(…, KEY_PURPOSE)`."""
    return _BY_MODE[pool.spec.sticky.mode](pool.spec.sticky, marks)


class Claim:
    """A request head's part in it: whom it asks for, and what its responses are to say."""

    __slots__ = ("_https", "_rules", "_sticky", "preferred")

    def __init__(
        self, sticky: Stickiness, preferred: Backend | None, rules: HeaderRules, *, https: bool
    ) -> None:
        self.preferred = preferred
        self._sticky = sticky
        self._rules = rules
        self._https = https

    def response_rules(self, backend: Backend) -> HeaderRules:
        return self._sticky.response_rules(self._rules, backend, self.preferred, https=self._https)
