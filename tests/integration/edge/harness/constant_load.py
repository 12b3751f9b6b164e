"""Requests at a constant rate, as far as the machine can, from a process of its own.

Of ten requests six are GETs and two are POSTs on connections that are kept, and two are
GETs on a connection of their own. One that was not used for a while is left alone, as any
client has to that cannot send again what a server's end has cut off (RFC 9112 §9.3.1).
As a program (`constant_load.py PORT RATE`) it goes on
until SIGTERM, and then tells in JSON what it has seen.
"""

import asyncio
import json
import signal
import subprocess
import sys
from collections import Counter, deque
from dataclasses import dataclass
from typing import Self

import uvloop

TICK = 0.01  # seconds
PATIENCE = 15.0  # for one answer
MOST = 200  # requests at a time: more would only wait
KEPT = 0.3  # seconds; a worker that leaves closes what nobody has used for one
BODY = b"x" * 2000

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Seen:
    """`sent` and `answered` by kind: get, post, close. `failures`: one text for each."""

    sent: dict[str, int]
    answered: dict[str, int]
    failures: list[str]


class ConstantLoad:
    """Runs for as long as the block does; then `seen` is there."""

    seen: Seen

    def __init__(self, port: int, rate: int = 1000) -> None:
        self._command = [sys.executable, __file__, str(port), str(rate)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        output, _ = self._process.communicate(timeout=2 * PATIENCE)
        self.seen = Seen(**json.loads(output))


# --- the program ---

_HEAD = b"%b /load HTTP/1.1\r\nHost: shop.test\r\n%b\r\n"
_REQUESTS = {
    "get": _HEAD % (b"GET", b""),
    "post": _HEAD % (b"POST", b"Content-Length: %d\r\n" % len(BODY)) + BODY,
    "close": _HEAD % (b"GET", b"Connection: close\r\n"),
}
_MIX = ("get", "post", "get", "close", "get", "get", "post", "get", "close", "get")


class _Load:
    def __init__(self, port: int) -> None:
        self._port = port
        # With when each was used last. The one that waits longest is used next.
        self._kept: dict[str, deque[tuple[Connection, float]]] = {k: deque() for k in _REQUESTS}
        self._under_way = 0
        self.sent: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.failures: list[str] = []

    async def run(self, rate: int, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        begun, number = loop.time(), 0
        async with asyncio.TaskGroup() as requests:
            while not stop.is_set():
                await asyncio.sleep(TICK)
                while number < (loop.time() - begun) * rate and self._under_way < MOST:
                    self._under_way += 1
                    requests.create_task(self._request(_MIX[number % len(_MIX)]))
                    number += 1

    async def _request(self, kind: str) -> None:
        self.sent[kind] += 1
        try:
            async with asyncio.timeout(PATIENCE):
                await self._exchange(kind)
        except (OSError, EOFError, ValueError) as error:
            self.failures.append(f"{kind}: {error!r}")
        else:
            self.answered[kind] += 1
        finally:
            self._under_way -= 1

    def _kept_one(self, kind: str) -> Connection | None:
        kept, now = self._kept[kind], asyncio.get_running_loop().time()
        while kept:
            connection, used = kept.popleft()
            if now - used < KEPT:
                return connection
            connection[1].close()
        return None

    async def _exchange(self, kind: str) -> None:
        connection = self._kept_one(kind) or await asyncio.open_connection(port=self._port)
        reader, writer = connection
        writer.write(_REQUESTS[kind])
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        if not head.startswith(b"http/1.1 200 ") or f'"size": {_SIZES[kind]},'.encode() not in body:
            raise ValueError(f"{head!r} {body[:80]!r}")
        if b"\r\nconnection: close\r\n" not in head:
            self._kept[kind].append((connection, asyncio.get_running_loop().time()))
            return
        if await reader.read():
            raise ValueError("more than was announced")
        writer.close()


_SIZES = {"get": 0, "post": len(BODY), "close": 0}


async def _main(port: int, rate: int) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    load = _Load(port)
    await load.run(rate, stop)
    print(json.dumps({"sent": load.sent, "answered": load.answered, "failures": load.failures}))


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1]), int(sys.argv[2])))
