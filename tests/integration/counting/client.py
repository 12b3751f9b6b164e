"""Clients that write down what they got: many connections, several requests on the way on each.

`python client.py PORT ANSWERS RATE SEED` says so when it has so many answers. It goes on
until SIGTERM, but not before that, and prints a `Tally` as JSON at its end.
"""

import asyncio
import json
import random
import signal
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import uvloop

CONNECTIONS = 16
DEPTH = 8  # requests on the way on one connection
TICK = 0.01
REFUSED = 0.05  # seconds until the edge is tried again

_END = b"\r\n\r\n"
_BODY = b"b" * 100
_GET = b"GET /%b HTTP/1.1\r\nHost: shop.test\r\n\r\n"
_POST = b"POST /%%b HTTP/1.1\r\nHost: shop.test\r\nContent-Length: %d\r\n\r\n%b" % (100, _BODY)
# What is asked for, out of a thousand requests.
_PATHS = {
    b"200/13": 640,
    b"200/1500": 150,
    b"200/100000": 2,  # comes in several pieces
    b"201": 60,
    b"204": 50,
    b"301": 20,
    b"404/9": 60,
    b"500": 18,
}


@dataclass
class Tally:
    """`answers` and `bytes` by "BACKEND STATUS"; no backend: the edge's own answer.

    `unanswered`: requests that were sent on connections which then ended without a word.
    Those that were sent after an answer which announced the connection's end are not
    among them: nobody has read them (RFC 9112 §9.6).
    """

    answers: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    lost_connections: int = 0

    def add(self, other: "Tally") -> None:
        self.answers.update(other.answers)
        self.bytes.update(other.bytes)
        self.unanswered += other.unanswered
        self.lost_connections += other.lost_connections


class Answer(NamedTuple):
    kind: str  # "BACKEND STATUS"
    size: int  # of the body
    closes: bool


def read_head(head: bytes) -> Answer:
    lines = head.decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:])
    return Answer(
        kind=f"{fields.get('x-backend', '')} {lines[0].split()[1]}",
        size=int(fields.get("content-length", 0)),
        closes=fields.get("connection") == "close",
    )


class Connection(asyncio.Protocol):
    def __init__(self, load: "Load") -> None:
        self._load = load
        self._rest = b""
        self._waiting = 0  # requests without an answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._load.open.add(self)

    def ask(self) -> None:
        """As many requests as there is room and time for."""
        requests = self._load.take(DEPTH - self._waiting)
        if requests:
            self._waiting += len(requests)
            self._transport.write(b"".join(requests))

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        start = 0
        while (end := data.find(_END, start)) >= 0:
            answer = self._load.read(data[start:end])
            after = end + len(_END) + answer.size
            if after > len(data):
                break
            self._waiting -= 1
            self._load.note(answer.kind, after - start)
            start = after
            if answer.closes:
                self._load.waiting -= self._waiting
                self._waiting = 0
                self._transport.close()
                return
        self._rest = data[start:]
        self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        self._load.open.discard(self)
        self._load.lost(self._waiting)

    def close(self) -> None:
        self._transport.close()


class Load:
    def __init__(self, port: int, answers: int, rate: int, seed: int) -> None:
        self.open: set[Connection] = set()
        self.tally = Tally()
        self.waiting = 0  # requests without an answer, on all connections
        self.answered = 0
        self.ends = False
        self._port = port
        self._enough = answers
        self._rate = rate
        self._allowed = 0.0  # requests that may be sent now
        self._heads: dict[bytes, Answer] = {}
        paths = [path for path, times in _PATHS.items() for _ in range(times)]
        forms = (_GET, _GET, _GET, _POST)
        self._requests = [forms[turn % 4] % path for turn, path in enumerate(paths)]
        random.Random(seed).shuffle(self._requests)
        self._turn = 0

    def end(self) -> None:
        self.ends = True

    async def run(self) -> None:
        connecting = [asyncio.create_task(self._keep_connected()) for _ in range(CONNECTIONS)]
        while self.answered < self._enough:
            await self._go_on()
        print("enough", flush=True)
        while not self.ends or self.waiting:
            await self._go_on()
        for task in connecting:
            task.cancel()
        for connection in [*self.open]:
            connection.close()

    async def _go_on(self) -> None:
        await asyncio.sleep(TICK)
        self._allowed = min(self._allowed + self._rate * TICK, self._rate)
        for connection in [*self.open]:
            connection.ask()

    async def _keep_connected(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                _, connection = await loop.create_connection(
                    lambda: Connection(self), "127.0.0.1", self._port
                )
            except OSError:
                await asyncio.sleep(REFUSED)
                continue
            while connection in self.open:
                await asyncio.sleep(TICK)

    # --- what connections tell and ask ---

    def take(self, room: int) -> list[bytes]:
        count = min(room, int(self._allowed))
        if self.ends and self.answered >= self._enough:
            return []
        self.waiting += count
        self._allowed -= count
        start = self._turn
        self._turn = (start + count) % (len(self._requests) - DEPTH)
        return self._requests[start : start + count]

    def read(self, head: bytes) -> Answer:
        answer = self._heads.get(head)
        if answer is None:
            if len(self._heads) > 1000:
                self._heads.clear()
            answer = self._heads[head] = read_head(head)
        return answer

    def note(self, kind: str, size: int) -> None:
        self.waiting -= 1
        self.answered += 1
        self.tally.answers[kind] += 1
        self.tally.bytes[kind] += size

    def lost(self, unanswered: int) -> None:
        self.tally.unanswered += unanswered
        self.tally.lost_connections += bool(unanswered)
        self.waiting -= unanswered


async def _main(port: int, answers: int, rate: int, seed: int) -> None:
    load = Load(port, answers, rate, seed)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, load.end)
    await load.run()
    print(json.dumps(vars(load.tally)))


if __name__ == "__main__":
    uvloop.run(_main(*map(int, sys.argv[1:])))
