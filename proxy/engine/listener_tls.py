"""The listener's certificate, exchanged while connections go on.

A new certificate comes in a context of its own, which each handshake is moved
to before it begins. Loading it into the context in use would not do: a pair
that does not fit together would be left half loaded, and an RSA certificate
would go on being offered beside the ECDSA one that replaced it.
"""

import logging
import ssl
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger("lbsite.edge")

_Signature = tuple[tuple[int, int, int] | None, ...]


class ListenerTls:
    """`context` is what the listener is given, once; handshakes get the newest certificate."""

    def __init__(self, files: tuple[Path, ...], make: Callable[[], ssl.SSLContext]) -> None:
        """`make` reads `files`. Raises OSError (`ssl.SSLError` is one) if it cannot."""
        self.files = files
        self._make = make
        self._seen = self._signature()
        self.context = self._newest = self._made()
        self.context.sni_callback = self._greet  # also called for a client that sends no name

    def follow(self) -> None:
        """If the files have changed, use them from the next handshake on.

        If they cannot be used, the last good certificate stays.
        """
        signature = self._signature()
        if signature == self._seen:
            return
        self._seen = signature
        try:
            self._newest = self._made()
        except (OSError, ValueError) as error:
            log.error("the new certificate cannot be used, the last one stays: %s", error)
        else:
            log.warning("the listener's certificate was exchanged")

    def _greet(self, handshake: ssl.SSLObject, _name: str | None, _: ssl.SSLContext) -> None:
        if handshake.context is not self._newest:
            handshake.context = self._newest

    def _made(self) -> ssl.SSLContext:
        """RFC 8996: nothing older than TLS 1.2. Without ALPN nobody may assume HTTP/2."""
        context = self._make()
        context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _signature(self) -> _Signature:
        return tuple(map(_look, self.files))


def _look(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()  # follows links: certbot and Kubernetes exchange those
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
