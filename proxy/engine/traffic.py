"""From a worker's board to the traffic stream: each count once, whatever dies meanwhile.

A batch keeps its number until Redis has confirmed it, and is sent again as it
is until then; readers count each (source, number) once. While Redis is away the
seconds pile up in memory, folded into wider ones beyond `MAX_SECONDS`.
"""

import asyncio
import logging
from time import time

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from pool.bus import TRAFFIC_FIELD, TRAFFIC_STREAM, TrafficBatch, TrafficRow, TrafficSecond
from proxy.engine.board import Board, Row
from proxy.engine.merging import fold
from proxy.engine.reading import note, read

MAX_SECONDS = 300  # kept apart in memory while Redis is away
MAX_UNREAD = 5000  # batches in Redis; with so many, workers keep theirs as while it is away
_ROWS_A_TURN = 50  # rows that are read before other callbacks get their turn

log = logging.getLogger("lbsite.edge")


class Shipper:
    """Reads one worker's own board and sends it.

    A turn may be cancelled at any `await`; the next one goes on where the board says.
    """

    def __init__(self, board: Board, redis: Redis) -> None:
        self._board = board
        self._redis = redis
        self._waiting: list[TrafficSecond] = []  # what was noted of the live part
        self._pending: TrafficBatch | None = None  # the frozen part, until it is acknowledged
        self._uncleared: list[Row] = []  # that have something in the frozen part
        self._busy = asyncio.Lock()

    async def tick(self) -> bool:
        """Send what the last second brought; False if Redis did not confirm."""
        async with self._busy:  # the last one, at the worker's end, may meet one that still waits
            now = int(time())
            if self._pending is not None:
                await self._note(now)
                if not await self._send(self._pending):
                    return False
            batch = await self._next(now)
            return batch is None or await self._send(batch)

    async def _note(self, at: int) -> None:
        """Keep apart what this second brought, as it cannot be frozen yet."""
        board, rows = self._board, list[TrafficRow]()
        if len(self._waiting) >= MAX_SECONDS:
            self._waiting = fold(self._waiting)
        self._waiting.append(TrafficSecond(at=at, rows=rows))
        board.take_peaks()
        for turn, (name, row) in enumerate(list(board.rows.items()), 1):
            found = read(name, row, board.live, row.live)
            if found is not None:
                rows.append(found)
                note(row, board.live, row.live)
            if turn % _ROWS_A_TURN == 0:
                await asyncio.sleep(0)

    async def _next(self, now: int) -> TrafficBatch | None:
        board = self._board
        if board.frozen == board.acknowledged:
            await self._clear()
            board.free_unused(_ROWS_A_TURN)
            if not board.changed:
                return None
            board.freeze(now)
        rows = await self._read_frozen()
        seconds = [*self._waiting, TrafficSecond(at=board.frozen_at, rows=rows)]
        self._waiting = []
        self._pending = TrafficBatch(
            source=board.source,
            seq=board.frozen,
            seconds=[second for second in seconds if second.rows],
        )
        return self._pending

    async def _read_frozen(self) -> list[TrafficRow]:
        board, rows = self._board, []
        self._uncleared = []
        for turn, (name, row) in enumerate(list(board.rows.items()), 1):
            found = read(name, row, board.frozen_words, row.frozen)
            if found is not None:
                rows.append(found)
            if found is not None or row.frozen.noted:
                self._uncleared.append(row)
            if turn % _ROWS_A_TURN == 0:
                await asyncio.sleep(0)
        return rows

    async def _clear(self) -> None:
        while self._uncleared:
            for row in self._uncleared[-_ROWS_A_TURN:]:
                self._board.clear(row)
            del self._uncleared[-_ROWS_A_TURN:]
            await asyncio.sleep(0)

    async def _send(self, batch: TrafficBatch) -> bool:
        if not await send(self._redis, batch):
            return False
        self._board.acknowledge()
        self._pending = None
        return True


async def send(redis: Redis, batch: TrafficBatch) -> bool:
    """False: it is to be sent again. Redis is away, or has as much as it may of what nobody reads.

    It holds configurations and circuits too: what waits for days must not take their memory.
    """
    try:
        if await redis.xlen(TRAFFIC_STREAM) >= MAX_UNREAD:
            log.debug("traffic batch %d is kept: nobody reads those that were sent", batch.seq)
            return False
        await redis.xadd(TRAFFIC_STREAM, {TRAFFIC_FIELD: msgspec.msgpack.encode(batch)})
    except (RedisError, OSError) as error:
        log.debug("traffic batch %d is kept: %s", batch.seq, error)
        return False
    return True
