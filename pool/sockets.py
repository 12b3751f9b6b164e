"""Sockets on which everything ends by one deadline.

A timeout bounds each wait for a byte: whoever trickles his bytes keeps a client busy for
ever. Here each wait gets what is left until the deadline, which is monotonic time.
"""

import socket
import ssl
from math import inf
from time import monotonic
from typing import Any

from pool.resolver import Address


def remaining(deadline: float) -> float:
    """The seconds left until `deadline`; TimeoutError if there are none."""
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class BoundedSocket(socket.socket):
    deadline = inf

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(remaining(self.deadline))
        return super().recv_into(*args, **kwargs)


class BoundedTLSSocket(ssl.SSLSocket):
    """What an SSLContext makes whose `sslsocket_class` this is; it gets no deadline by itself."""

    deadline = inf

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(remaining(self.deadline))
        return super().recv_into(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:
        """Of which sendall() is made here, each with a timeout of its own."""
        self.settimeout(remaining(self.deadline))
        return super().send(*args, **kwargs)


def open_socket(address: Address, deadline: float) -> BoundedSocket:
    """Connected; OSError if that fails, TimeoutError if it takes longer."""
    family, kind, protocol, _, where = address
    sock = BoundedSocket(family, kind, protocol)
    try:
        sock.deadline = deadline
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(remaining(deadline))
        sock.connect(where)
        sock.settimeout(remaining(deadline))  # what is left for a TLS handshake
    except BaseException:
        sock.close()
        raise
    return sock
