"""What backends of several tests do wrong, or late."""

import time

from tests.integration.edge.harness.backend import Call

DELAY = 0.15  # seconds that a slow backend takes for its head, and again for its body


def take(call: Call) -> None:
    """The request, body and all."""
    for _ in call.body():
        pass


def reset(call: Call) -> None:
    take(call)
    call.reset()


def stall(call: Call) -> None:
    """Say nothing until the other side loses patience."""
    take(call)
    assert call.client_has_left


def cut_short(call: Call) -> None:
    call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf ")
    call.reset()


def slowly(call: Call) -> None:
    time.sleep(DELAY)
    call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    time.sleep(DELAY)
    call.send(b"hello")
