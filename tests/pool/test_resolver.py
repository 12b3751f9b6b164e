"""Names that probes ask for: silent ones keep no thread from the others."""

import socket
import threading
from collections.abc import Iterator

import pytest

from pool.resolver import Lanes, Resolver

FOUND = "found"


class Directory:
    """A stand-in for getaddrinfo(): `silent` names wait until the test is over."""

    def __init__(self) -> None:
        self.silent: set[str] = set()
        self.asked = threading.Semaphore(0)
        self.end = threading.Event()

    def look_up(self, host: str, port: int, flags: int = 0, **_: object) -> list[object]:
        if flags:
            raise socket.gaierror("not an address")
        self.asked.release()
        if host in self.silent:
            self.end.wait(30)
            raise socket.gaierror("no answer")
        return [FOUND]


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Directory]:
    directory = Directory()
    monkeypatch.setattr(socket, "getaddrinfo", directory.look_up)
    yield directory
    directory.end.set()


def test_more_silent_names_than_threads_hold_up_none_that_was_found(directory: Directory) -> None:
    under_test = Resolver(threads=4)
    assert under_test.resolve("known.test", 80, 30) == [FOUND]
    directory.silent = {f"silent{number}.test" for number in range(10)}
    for host in directory.silent:
        with pytest.raises(TimeoutError):
            under_test.resolve(host, 80, 0)
    for _ in range(3):
        assert under_test.resolve("known.test", 80, 30) == [FOUND]


def test_a_name_that_is_lost_leaves_the_lane_of_those_that_are_found() -> None:
    lanes, silence = Lanes(threads=1), threading.Event()

    def lose() -> None:
        silence.wait(30)
        raise OSError

    for host in ("a", "b"):
        lanes.submit(host, lambda: None).result(30)
    lost = lanes.submit("a", lose)
    silence.set()
    assert isinstance(lost.exception(30), OSError)
    silence.clear()
    waiting = lanes.submit("a", lose)
    lanes.submit("b", lambda: None).result(30)
    assert not waiting.done()
    silence.set()
    lanes.close()
