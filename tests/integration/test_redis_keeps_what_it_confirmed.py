"""A batch that Redis has confirmed is gone from the edge: it must outlive `kill -9` of Redis.

`appendfsync always` holds that by itself: the command is in the file, and synced, before its
reply goes out. `everysec` does not: while a sync takes its time in the background, the
server puts off the write itself for up to two seconds, and goes on replying.
"""

import random
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.integration.edge.harness.processes import RedisServer
from tests.integration.edge.harness.waiting import wait_until

WRITERS = 4
STREAM = "stream"


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory(prefix="lb-redis-") as folder:
        server = RedisServer(Path(folder))
        yield server
        server.stop()


class Writers:
    """Add to a stream as fast as the server confirms; `confirmed` are the ids of what it did."""

    def __init__(self, url: str) -> None:
        self.confirmed: list[bytes] = []
        self._url = url
        self._threads = [threading.Thread(target=self._write) for _ in range(WRITERS)]
        for thread in self._threads:
            thread.start()

    def _write(self) -> None:
        with redis.Redis.from_url(self._url, retry=None, socket_timeout=None) as client:
            try:
                while True:
                    self.confirmed.append(client.xadd(STREAM, {"batch": b"x" * 500}))
            except redis.ConnectionError:
                return  # it was killed

    def wait_for_more(self, number: int) -> None:
        enough = len(self.confirmed) + number
        wait_until("more is confirmed", lambda: len(self.confirmed) >= enough)

    def join(self) -> None:
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize("rewriting", [False, True])
def test_what_was_confirmed_is_there_after_each_kill(server: RedisServer, rewriting: bool) -> None:
    """Also while the file is written anew, which Redis does as it grows."""
    confirmed: set[bytes] = set()
    for turn in range(4):
        writers = Writers(server.url)
        writers.wait_for_more(200)
        if rewriting:
            server.client.bgrewriteaof()
        writers.wait_for_more(random.Random(turn).randrange(300))
        server.kill()
        writers.join()
        confirmed |= {*writers.confirmed}
        server.start()
        kept = {entry_id for entry_id, _ in server.client.xrange(STREAM)}
        assert not confirmed - kept
        # What was not confirmed may be there as well, and is sent again: readers count it once.
        assert len(kept - confirmed) <= (turn + 1) * WRITERS


def test_a_file_that_was_cut_in_the_middle_of_a_write_is_read_up_to_there(
    server: RedisServer,
) -> None:
    ids = [server.client.xadd(STREAM, {"batch": b"x"}) for _ in range(3)]
    folder = Path(str(server.client.config_get("dir")["dir"]))
    server.kill()
    newest = max(folder.rglob("appendonly.aof*.incr.aof"), default=folder / "appendonly.aof")
    with newest.open("ab") as file:
        file.write(b"*5\r\n$4\r\nXADD\r\n$6\r\nstr")
    server.start()
    assert [entry_id for entry_id, _ in server.client.xrange(STREAM)] == ids
