"""From a worker's board to the traffic stream: each count once, whatever dies meanwhile.

A batch keeps its number until Redis has confirmed it, and is sent again as it
is until then; readers count each (source, number) once. While Redis is away the
seconds pile up in memory, folded into wider ones beyond `MAX_SECONDS`. What a
killed worker has left on its board is sent by another worker of the machine.
"""

import asyncio
import logging
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import time

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from pool.bus import (
    TRAFFIC_FIELD,
    TRAFFIC_STREAM,
    TrafficBatch,
    TrafficRow,
    TrafficSecond,
    TrafficTimes,
)
from proxy.core.histogram import merge
from proxy.engine.board import (
    ACTIVITY,
    BYTES_IN,
    BYTES_OUT,
    CLIENT_ABORTS,
    DURATION_MAX,
    DURATION_MIN,
    DURATION_SUM,
    ERRORS,
    HEDGES,
    HISTOGRAM,
    REJECTED,
    REQUESTS,
    RETRIES,
    STATUS,
    WORDS,
    Board,
    RowName,
)
from proxy.engine.lockfile import Locked

MAX_SECONDS = 300  # kept apart in memory while Redis is away
_ROWS_A_TURN = 50  # rows that are read before other callbacks get their turn

log = logging.getLogger("lbsite.edge")

_Values = Sequence[int]
_ZEROS: _Values = [0] * WORDS


def traffic_row(name: RowName, new: _Values, old: _Values) -> TrafficRow:
    """What has been counted between two states of a row."""
    histogram = {
        index: after - before
        for index, (after, before) in enumerate(zip(new[HISTOGRAM:], old[HISTOGRAM:], strict=True))
        if after != before
    }
    return TrafficRow(
        **name._asdict(),
        requests=new[REQUESTS] - old[REQUESTS],
        status_1xx=new[STATUS + 1] - old[STATUS + 1],
        status_2xx=new[STATUS + 2] - old[STATUS + 2],
        status_3xx=new[STATUS + 3] - old[STATUS + 3],
        status_4xx=new[STATUS + 4] - old[STATUS + 4],
        status_5xx=new[STATUS + 5] - old[STATUS + 5],
        errors=new[ERRORS] - old[ERRORS],
        retries=new[RETRIES] - old[RETRIES],
        client_aborts=new[CLIENT_ABORTS] - old[CLIENT_ABORTS],
        bytes_in=new[BYTES_IN] - old[BYTES_IN],
        bytes_out=new[BYTES_OUT] - old[BYTES_OUT],
        hedges=new[HEDGES] - old[HEDGES] if name.backend_id else 0,
        rejected_rate_limit=0 if name.backend_id else new[REJECTED] - old[REJECTED],
        total=TrafficTimes(
            new[DURATION_SUM] - old[DURATION_SUM], new[DURATION_MIN], new[DURATION_MAX], histogram
        ),
    )


class Shipper:
    """Reads one worker's own board and sends it."""

    def __init__(self, board: Board, redis: Redis) -> None:
        self._board = board
        self._redis = redis
        self._sent: dict[int, list[int]] = {}  # row → its values when it was last read
        self._waiting: list[TrafficSecond] = []
        self._touched: set[int] = set()  # rows read since the last freeze
        self._touched_before: set[int] = set()  # and those of the freeze before it
        self._pending: TrafficBatch | None = None
        self._busy = asyncio.Lock()

    async def tick(self) -> bool:
        """Read what the last second brought and send it; False if Redis did not confirm."""
        async with self._busy:  # the last one, at the worker's end, may meet one that still waits
            await self._read(int(time()))
            while self._pending is not None or self._waiting:
                if self._pending is None:
                    self._freeze()
                if not await self._send():
                    return False
        return True

    async def _read(self, second: int) -> None:
        rows: list[TrafficRow] = []
        for turn, (name, row) in enumerate(list(self._board.rows.items())):
            if turn % _ROWS_A_TURN == _ROWS_A_TURN - 1:
                await asyncio.sleep(0)
            live = self._board.live
            old = self._sent.get(row, _ZEROS)
            if live[row + ACTIVITY] == old[ACTIVITY]:
                continue
            new = live[row : row + WORDS].tolist()
            live[row + DURATION_MIN] = live[row + DURATION_MAX] = 0
            rows.append(traffic_row(name, new, old))
            self._sent[row] = new
            self._touched.add(row)
        if rows:
            self._waiting.append(TrafficSecond(at=second, rows=rows))
            if len(self._waiting) > MAX_SECONDS:
                self._waiting = fold(self._waiting)

    def _freeze(self) -> None:
        """Put the waiting seconds into a batch, and their sum into the slot of its number."""
        board = self._board
        number = board.frozen + 1
        # A slot was last written two batches ago: it lacks what this one and the last changed.
        for row in self._touched | self._touched_before:
            board.freeze(row, number, memoryview(array("Q", self._sent[row])))
        board.mark_frozen(number, self._waiting[-1].at)
        self._touched, self._touched_before = set(), self._touched
        self._pending = TrafficBatch(source=board.source, seq=number, seconds=self._waiting)
        self._waiting = []

    async def _send(self) -> bool:
        batch = self._pending
        if batch is None or not await send(self._redis, batch):
            return False
        self._board.mark_acknowledged(batch.seq)
        self._pending = None
        return True


async def send(redis: Redis, batch: TrafficBatch) -> bool:
    try:
        await redis.xadd(TRAFFIC_STREAM, {TRAFFIC_FIELD: msgspec.msgpack.encode(batch)})
    except (RedisError, OSError) as error:
        log.debug("traffic batch %d is kept: %s", batch.seq, error)
        return False
    return True


def fold(seconds: list[TrafficSecond]) -> list[TrafficSecond]:
    """Half as many: each two neighbours become the earlier one."""
    return [
        TrafficSecond(
            at=seconds[index].at,
            rows=_merge([row for second in seconds[index : index + 2] for row in second.rows]),
        )
        for index in range(0, len(seconds), 2)
    ]


def _merge(rows: list[TrafficRow]) -> list[TrafficRow]:
    merged: dict[RowName, TrafficRow] = {}
    for row in rows:
        name = RowName(row.route_id, row.pool_id, row.pool, row.backend_id, row.backend)
        known = merged.get(name)
        merged[name] = row if known is None else _sum(known, row)
    return list(merged.values())


_KINDS = ("queue", "connect", "first_byte", "total")  # of times
_UNSUMMED = {*RowName._fields, "in_flight_peak", *_KINDS}
_SUMMED = [name for name in TrafficRow.__struct_fields__ if name not in _UNSUMMED]


def _sum(one: TrafficRow, other: TrafficRow) -> TrafficRow:
    fields = {field: getattr(one, field) + getattr(other, field) for field in _SUMMED}
    return msgspec.structs.replace(
        one,
        in_flight_peak=max(one.in_flight_peak, other.in_flight_peak),
        **{kind: _sum_of_times(getattr(one, kind), getattr(other, kind)) for kind in _KINDS},
        **fields,
    )


def _sum_of_times(one: TrafficTimes, other: TrafficTimes) -> TrafficTimes:
    return TrafficTimes(
        sum=one.sum + other.sum,
        min=min(one.min or other.min, other.min or one.min),
        max=max(one.max, other.max),
        histogram=merge((one.histogram, other.histogram)),
    )


# --- boards whose worker is gone ---


async def ship_orphans(folder: Path, redis: Redis) -> None:
    """Send what killed workers of this machine have left, and delete their boards."""
    for path in sorted(folder.glob("*.board")):
        try:
            board = Board(path, create=False)
        except (Locked, FileNotFoundError):  # its worker lives, or another has delivered it
            continue
        delivered = await _ship_remains(board, redis)
        board.close(delete=delivered)
        if delivered:
            log.info("delivered the counts that worker %s had left", board.source)


async def _ship_remains(board: Board, redis: Redis) -> bool:
    for batch in _remains(board):
        if not await send(redis, batch):
            return False
    return True


def _remains(board: Board) -> Iterator[TrafficBatch]:
    """The batch that may not have arrived, with its old number, and one with the rest."""
    number = board.frozen
    if number > board.acknowledged:
        yield _difference(board, number, board.frozen_at, final=False)
    # Numbered as the worker would have: if this is not confirmed, it comes again as it is.
    yield _difference(board, number + 1, board.last_changed, final=True)


def _difference(board: Board, number: int, at: int, *, final: bool) -> TrafficBatch:
    rows = []
    for name, row in board.rows.items():
        new = board.live[row : row + WORDS] if final else board.slot(row, number)
        old = board.slot(row, number - 1)
        if new[ACTIVITY] != old[ACTIVITY]:
            rows.append(traffic_row(name, new.tolist(), old.tolist()))
    seconds = [TrafficSecond(at=at, rows=rows)] if rows else []
    return TrafficBatch(source=board.source, seq=number, seconds=seconds)
