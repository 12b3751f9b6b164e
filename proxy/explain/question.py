"""A request that somebody asks about, made into the head that an edge would read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from pool.header_rules import normalise_token
from proxy.core.configuration import Configuration
from proxy.core.forward import Peer
from proxy.engine.prepared import Prepared, prepare
from proxy.errors import ProxyError

_VISIBLE = re.compile(r"[!-~]+")
_VALUE = re.compile(r"[\t -~\x80-\xff]*")  # RFC 9110 §5.5, with obs-text
_ADVICE = {
    "host": "Give a host name, with :port if wanted; an international one in its xn-- form.",
    "path": "Begin with / and percent-encode spaces and everything that is not ASCII.",
    "method": "Give a method, such as GET.",
}


class QuestionError(ValueError):
    """`field` is what has to be changed, and the message says how."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Question:
    """`client`: the address that the edge takes for the client's; empty: on a unix socket."""

    host: str
    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    client: str = ""

    def prepare(self, configuration: Configuration) -> Prepared:
        """What an edge makes of it. Raises QuestionError for what it would refuse."""
        self._check()
        lines = [f"{name}: {value}" for name, value in self.headers.items()]
        return self._read(configuration, "headers", self.method, self.path, lines)

    def _check(self) -> None:
        """Part by part, by the edge's own parser, so that an error has its field."""
        for name in ("host", "path", "method"):
            value = getattr(self, name)
            if not _VISIBLE.fullmatch(value):
                raise QuestionError(name, _ADVICE[name])
        if not self.path.startswith("/"):
            raise QuestionError("path", _ADVICE["path"])
        self._check_headers()
        self._check_client()
        nothing = Configuration()
        self._read(nothing, "host", "GET", "/", [])
        self._read(nothing, "path", "GET", self.path, [])
        self._read(nothing, "method", self.method, "/", [])

    def _check_headers(self) -> None:
        for name, value in self.headers.items():
            try:
                known = normalise_token(name) == name
            except ValueError:
                known = False
            if not known:
                raise QuestionError("headers", f"{name!r} is no name of a field.")
            if name.lower() == "host":
                raise QuestionError("headers", "Give the host in its own field.")
            if not _VALUE.fullmatch(value):
                message = f"Write the value of {name} on one line, without control characters."
                raise QuestionError("headers", message)

    def _check_client(self) -> None:
        try:
            ip_address(self.client or "::")
            self.client.encode("ascii")  # a zone may be anything
        except ValueError:
            raise QuestionError("client", "Give an IP address, such as 192.0.2.1.") from None

    def _read(
        self, configuration: Configuration, part: str, method: str, path: str, lines: list[str]
    ) -> Prepared:
        head = "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {self.host}", *lines, "", ""])
        peer = Peer(self.client.encode("ascii"), b"http", b"")
        try:
            return prepare(head.encode("latin-1"), configuration, peer)
        except ProxyError as error:
            message = f"The edge answers this with {error.status}: {error.reason}"
            raise QuestionError(part, message) from error
