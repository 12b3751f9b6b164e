"""Ports that stay one's own while nobody listens on them."""

import socket


class ReservedPort:
    """A port of `host` that nobody else is given until `release()`.

    A port that was only looked up can be taken before it is used, and again while its
    server is restarted: by any outgoing connection of the machine. This one is bound
    and does not listen: the system gives it to nobody, connections to it are refused,
    and a server that sets SO_REUSEADDR (gunicorn, asyncio) may listen on it.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._holder = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
        self._holder.bind((host, 0))
        self.number: int = self._holder.getsockname()[1]

    def release(self) -> None:
        self._holder.close()
