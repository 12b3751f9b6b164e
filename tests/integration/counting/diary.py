"""Clients that keep a diary: what they got for each request, and how long it took."""

import asyncio
import random
import socket
import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil

CLIENTS = 100
PATIENCE = 60.0
GIVE_UP_AFTER = 0.2  # seconds; of those who ask for more than they wait for

LIMITED, ODD = "/limited", "/odd"  # path prefixes of routes
_HOST = b"Host: shop.test\r\n"


@dataclass(frozen=True)
class Entry:
    """`status` 0: left without an answer. `backend` "": the edge's own answer.

    `seconds` are the client's, and `least` those that the backend has waited: the edge's are
    in between.
    """

    path: str
    status: int
    backend: str = ""
    size: int = 0  # bytes, with the head
    seconds: float = 0.0
    least: float = 0.0
    request_id: str = ""

    @property
    def is_error(self) -> bool:
        return self.status >= 500


@dataclass(frozen=True)
class Wish:
    path: str
    method: str = "GET"
    patient: bool = True
    fields: str = ""  # lines of the head
    delay: float = 0.0  # seconds that the backend is asked to wait


def slowly(count: int, seed: int, errors: int) -> list[Wish]:
    """Requests that take 0.1 to 2 seconds, `errors` of a hundred of which are answered with 500."""
    chance = random.Random(seed)
    wishes = []
    for _ in range(count):
        delay = round(min(2000.0, 100 * chance.lognormvariate(0.5, 0.7) + 100))
        status = chance.choices([200, 404, 500], [95 - errors, 5, errors])[0]
        path = f"/{status}/{chance.randrange(3000)}/{delay}"
        wishes.append(Wish(path, delay=delay / 1000))
    return wishes


def oddities() -> list[Wish]:
    """Whatever else can happen to a request."""
    return [
        *[Wish(f"{ODD}/hang", method="POST")] * 12,
        *[Wish(f"{ODD}/cut/1000")] * 11,
        *[Wish(f"{ODD}/200/10/3000", patient=False)] * 10,
        *[Wish(f"{LIMITED}/200")] * 30,
        *[Wish("/200", fields="Host: another.test\r\n")] * 7,  # two of them: malformed
    ]


def write(port: int, wishes: Iterable[Wish]) -> list[Entry]:
    """What came of `wishes`, which many clients have at a time."""
    return asyncio.run(_write(port, [*wishes]))


async def _write(port: int, wishes: list[Wish]) -> list[Entry]:
    entries: list[Entry] = []

    async def client() -> None:
        connection = await asyncio.open_connection("127.0.0.1", port)
        while wishes:
            entry, open_still = await _fulfil(wishes.pop(), *connection)
            entries.append(entry)
            if not open_still:
                connection[1].close()
                connection = await asyncio.open_connection("127.0.0.1", port)
        connection[1].close()

    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(client())
    return entries


async def _fulfil(
    wish: Wish, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[Entry, bool]:
    """And whether the connection can be used again."""
    length = "Content-Length: 0\r\n" if wish.method == "POST" else ""
    head = f"{wish.method} {wish.path} HTTP/1.1\r\n{wish.fields}{length}".encode()
    began = time.monotonic()
    writer.write(head + _HOST + b"\r\n")
    if not wish.patient:
        await asyncio.sleep(GIVE_UP_AFTER)
        # A connection that is just closed might still be read from.
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return Entry(wish.path, 0), False
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:-2])
    body = await _read(reader, int(fields["content-length"]))
    entry = Entry(
        path=wish.path,
        status=int(lines[0].split()[1]),
        backend=fields.get("x-backend", ""),
        size=len(head) + len(body),
        seconds=time.monotonic() - began,
        least=wish.delay,
        request_id=fields.get("x-request-id", ""),
    )
    whole = len(body) == int(fields["content-length"])
    return entry, whole and fields.get("connection") != "close"


async def _read(reader: asyncio.StreamReader, size: int) -> bytes:
    try:
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError as error:
        return error.partial


class Diary(list[Entry]):
    def of(self, wanted: Callable[[Entry], object]) -> "Diary":
        return Diary(entry for entry in self if wanted(entry))

    @property
    def answered(self) -> "Diary":
        return self.of(lambda entry: entry.status)

    @property
    def errors(self) -> "Diary":
        return self.of(lambda entry: entry.is_error)

    def of_class(self, family: int) -> "Diary":
        return self.of(lambda entry: entry.status // 100 == family)

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self)

    @property
    def seconds(self) -> list[float]:
        return [entry.seconds for entry in self]

    @property
    def least(self) -> list[float]:
        return [entry.least for entry in self]


def quantile(seconds: list[float], q: float) -> float:
    """By nearest rank, in milliseconds."""
    return 1000 * sorted(seconds)[max(1, ceil(round(q * len(seconds), 6))) - 1]
