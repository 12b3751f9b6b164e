"""A Redis that is away, hangs or was restarted holds nobody up for longer than it has to."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from pool import connection
from pool.connection import redis_client


class Hanging:
    """Takes connections and what is asked, and answers nothing."""

    def __init__(self, path: Path) -> None:
        self.asked = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        taken = []
        while True:
            try:
                taken.append(self._listener.accept()[0])
            except OSError:
                return
            self.asked += 1

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def hanging(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    server = Hanging(tmp_path / "r.sock")
    settings.LB_REDIS_URL = f"unix://{tmp_path}/r.sock?socket_timeout=0.05"
    redis_client.cache_clear()
    yield server
    server.close()
    redis_client.cache_clear()


def ask(times: int) -> None:
    for _ in range(times):
        with pytest.raises(redis.TimeoutError):
            redis_client().get("key")


def test_one_that_hangs_is_waited_for_once(
    hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PAUSE", 3600.0)
    ask(times=5)
    assert hanging.asked == 1


def test_one_that_hangs_is_asked_again_after_a_while(
    hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PAUSE", 0.0)
    ask(times=3)
    assert hanging.asked == 3


def test_a_connection_that_was_cut_is_made_again(redis_client: redis.Redis) -> None:
    client = connection.redis_client()
    client.set("key", "value")
    redis_client.client_kill_filter(skipme=True)
    assert client.get("key") == b"value"
