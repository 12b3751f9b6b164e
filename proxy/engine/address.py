"""Where a backend listens."""

import ssl
from functools import cache
from typing import NamedTuple
from urllib.parse import urlsplit


@cache
def _default_context() -> ssl.SSLContext:
    """Certificates are verified against the system's authorities; TLS 1.2 or newer."""
    return ssl.create_default_context()


class Address(NamedTuple):
    host: str
    port: int
    tls: bool

    @classmethod
    def parse(cls, url: str) -> "Address":
        """The address in a backend's URL, which the control plane has checked."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        return cls(parts.hostname or "", parts.port or (443 if tls else 80), tls)

    def ssl_context(self) -> ssl.SSLContext | None:
        return _default_context() if self.tls else None
