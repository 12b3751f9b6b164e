"""From the board to the stream: each count once, whatever fails in between."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import hypothesis.strategies as st
import msgspec
import pytest
import redis
from hypothesis import given, settings
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from pool.bus import (
    TRAFFIC_FIELD,
    TRAFFIC_STREAM,
    TrafficBatch,
    TrafficRow,
    TrafficSecond,
    TrafficTimes,
)
from proxy.core.configuration import Configuration
from proxy.core.histogram import bucket_index, merge
from proxy.engine.board import Board
from proxy.engine.counters import Counters
from proxy.engine.layout import ONE_PIECE, STATUS
from proxy.engine.merging import fold
from proxy.engine.orphans import Orphans
from proxy.engine.row_names import RowName
from proxy.engine.traffic import MAX_SECONDS, MAX_UNREAD, Shipper

OpenBoard = Callable[..., Board]
NameOf = Callable[[int], RowName]


class Stream:
    """Redis as a shipper sees it: above all `xadd`, which may fail before or after it worked."""

    def __init__(self) -> None:
        self.batches: list[TrafficBatch] = []
        self.failing = ""  # "", "before" or "after"
        self.unread = 0

    async def xlen(self, key: str) -> int:
        assert key == TRAFFIC_STREAM
        return self.unread

    async def xadd(self, key: str, fields: dict[bytes, bytes]) -> bytes:
        await asyncio.sleep(0)
        if self.failing == "before":
            raise RedisConnectionError("away")
        assert key == TRAFFIC_STREAM
        self.batches.append(msgspec.msgpack.decode(fields[TRAFFIC_FIELD], type=TrafficBatch))
        if self.failing == "after":
            raise RedisConnectionError("the reply was lost")
        return b"1-1"

    def rows(self) -> list[TrafficRow]:
        """Each (source, number) once, as a reader has to count."""
        unique: dict[tuple[str, int], TrafficBatch] = {}
        for batch in self.batches:
            known = unique.setdefault((batch.source, batch.seq), batch)
            # Whichever copy a reader meets first: they must hold the same counts.
            assert totals_of(known) == totals_of(batch)
        return [row for batch in unique.values() for row in rows_of(batch)]

    def requests(self) -> dict[int, int]:
        totals: Counter[int] = Counter()
        for row in self.rows():
            totals[row.backend_id] += row.requests
            assert sum(row.total.histogram.values()) == row.requests
        return dict(totals)


def rows_of(batch: TrafficBatch) -> list[TrafficRow]:
    return [row for second in batch.seconds for row in second.rows]


def totals_of(batch: TrafficBatch) -> dict[int, int]:
    totals: Counter[int] = Counter()
    for row in rows_of(batch):
        totals[row.backend_id] += row.requests
    return dict(totals)


def shipper_of(board: Board, stream: Stream) -> Shipper:
    return Shipper(board, stream)  # type: ignore[arg-type]


def orphans(folder: Path, stream: Stream) -> Awaitable[None]:
    return Orphans(folder, stream).ship()  # type: ignore[arg-type]


def hit(board: Board, name: RowName, times: int = 1, duration: int = 7) -> None:
    """Count requests, as `Counters.request` does."""
    row = board.row(name)
    header = board.live[row.at :]
    for _ in range(times):
        header[STATUS + 2] += 1
        header[ONE_PIECE.sum] += duration
        board.live[row.times + ONE_PIECE.histogram + duration] += 1
        header[ONE_PIECE.min] = min(duration, header[ONE_PIECE.min])
        header[ONE_PIECE.max] = max(duration, header[ONE_PIECE.max])


@pytest.fixture
def stream() -> Stream:
    return Stream()


# --- a living worker ---


def test_each_tick_sends_what_is_new_since_the_last(
    open_board: OpenBoard, row_name: NameOf, stream: Stream
) -> None:
    board = open_board()
    shipper = shipper_of(board, stream)

    async def scenario() -> None:
        hit(board, row_name(1), 3)
        assert await shipper.tick()
        hit(board, row_name(1), 2)
        hit(board, row_name(2), 1)
        assert await shipper.tick()

    asyncio.run(scenario())
    assert [(batch.source, batch.seq) for batch in stream.batches] == [("worker", 1), ("worker", 2)]
    assert [totals_of(batch) for batch in stream.batches] == [{1: 3}, {1: 2, 2: 1}]
    assert (board.frozen, board.acknowledged) == (2, 2)


def test_nothing_new_sends_nothing(open_board: OpenBoard, row_name: NameOf, stream: Stream) -> None:
    board = open_board()
    shipper = shipper_of(board, stream)

    async def scenario() -> None:
        assert await shipper.tick()
        hit(board, row_name(1))
        assert await shipper.tick()
        assert await shipper.tick()

    asyncio.run(scenario())
    assert len(stream.batches) == 1


def test_the_shortest_and_longest_are_of_their_second(
    open_board: OpenBoard, row_name: NameOf, stream: Stream
) -> None:
    board = open_board()
    shipper = shipper_of(board, stream)

    async def scenario() -> None:
        for durations in ((5, 15), (9,)):
            for duration in durations:
                hit(board, row_name(1), duration=duration)
            await shipper.tick()

    asyncio.run(scenario())
    rows = stream.rows()
    assert [(row.total.min, row.total.max, row.total.sum) for row in rows] == [
        (5, 15, 20),
        (9, 9, 9),
    ]


@pytest.mark.parametrize("failing", ["before", "after"])
def test_a_batch_that_was_not_confirmed_is_sent_again_as_it_was(
    open_board: OpenBoard, row_name: NameOf, stream: Stream, failing: str
) -> None:
    board = open_board()
    shipper = shipper_of(board, stream)

    async def scenario() -> None:
        hit(board, row_name(1), 3)
        stream.failing = failing
        for _ in range(3):
            assert not await shipper.tick()
            hit(board, row_name(1))
        assert (board.frozen, board.acknowledged) == (1, 0)
        stream.failing = ""
        assert await shipper.tick()

    asyncio.run(scenario())
    assert stream.requests() == {1: 6}
    assert {batch.seq for batch in stream.batches} == {1, 2}
    assert (board.frozen, board.acknowledged) == (2, 2)


def test_while_nobody_reads_what_was_sent_redis_is_spared_and_nothing_is_lost(
    open_board: OpenBoard, row_name: NameOf, stream: Stream
) -> None:
    board = open_board()
    shipper = shipper_of(board, stream)

    async def scenario() -> None:
        stream.unread = MAX_UNREAD
        for _ in range(3):
            hit(board, row_name(1))
            assert not await shipper.tick()
        assert not stream.batches
        stream.unread = MAX_UNREAD - 1
        assert await shipper.tick()

    asyncio.run(scenario())
    assert stream.requests() == {1: 3}


def test_seconds_of_a_long_absence_are_folded_and_none_is_lost(
    open_board: OpenBoard, row_name: NameOf, stream: Stream
) -> None:
    board = open_board()
    shipper = shipper_of(board, stream)
    stream.failing = "before"

    async def scenario() -> None:
        for _ in range(3 * MAX_SECONDS):
            hit(board, row_name(1))
            await shipper.tick()
        stream.failing = ""
        assert await shipper.tick()

    asyncio.run(scenario())
    assert stream.requests() == {1: 3 * MAX_SECONDS}
    # And what was counted since the last of them.
    assert max(len(batch.seconds) for batch in stream.batches) <= MAX_SECONDS + 1


def test_two_ticks_at_a_time_send_each_count_once(
    open_board: OpenBoard, row_name: NameOf, stream: Stream
) -> None:
    """A worker's last tick may meet one that still waits for Redis."""
    board = open_board()
    shipper = shipper_of(board, stream)

    async def scenario() -> None:
        for _ in range(5):
            hit(board, row_name(1))
            await asyncio.gather(shipper.tick(), shipper.tick())

    asyncio.run(scenario())
    assert [batch.seq for batch in stream.batches] == [1, 2, 3, 4, 5]
    assert stream.requests() == {1: 5}


def test_many_rows_are_read_in_turns(
    open_board: OpenBoard, row_name: NameOf, stream: Stream
) -> None:
    board = open_board()
    shipper = shipper_of(board, stream)

    async def scenario() -> None:
        for number in range(1, 161):
            hit(board, row_name(number), number)
        turns = 0

        async def another_callback() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(another_callback())
        await asyncio.sleep(0)
        await shipper.tick()
        assert turns >= 3
        other.cancel()

    asyncio.run(scenario())
    assert stream.requests() == {number: number for number in range(1, 161)}


def test_a_tick_that_was_cancelled_anywhere_loses_nothing(
    open_board: OpenBoard, row_name: NameOf, stream: Stream
) -> None:
    """With enough rows for each step to be interrupted, at each place in turn."""
    board = open_board()
    shipper = shipper_of(board, stream)
    numbers = range(1, 120)

    async def scenario() -> None:
        for turns in range(25):
            for number in numbers:
                hit(board, row_name(number))
            stream.failing = "before" if turns % 7 == 3 else ""
            tick = asyncio.create_task(shipper.tick())
            for _ in range(turns):
                await asyncio.sleep(0)
            tick.cancel()
            await asyncio.gather(tick, return_exceptions=True)
        stream.failing = ""
        assert await shipper.tick()
        assert await shipper.tick()

    asyncio.run(scenario())
    assert stream.requests() == dict.fromkeys(numbers, 25)


def test_each_kind_of_times_is_told_apart_also_while_redis_is_away(
    tmp_path: Path, configuration: Configuration, stream: Stream
) -> None:
    counters = Counters(tmp_path / "worker.board")
    route = configuration.router.match(b"any", b"/")
    assert route is not None
    backend = route.pool.backends[1]
    shipper = shipper_of(counters.board, stream)
    expected: dict[str, list[int]] = {"queue": [], "connect": [], "first_byte": [], "total": []}

    async def scenario() -> None:
        for number in range(1, 9):
            stream.failing = "before" if number in (2, 3, 4, 6) else ""
            us = 100 * number
            counters.queued(route, backend, us)
            counters.connected(route, backend, us + 1)
            for first, total in ((us + 2, us + 2), (us + 3, us + 4)):  # in one piece, in several
                counters.request(
                    *(route, backend, 200),
                    attempts=1,
                    bytes_in=0,
                    bytes_out=0,
                    duration=total,
                    first_byte=first,
                )
            expected["queue"].append(us)
            expected["connect"].append(us + 1)
            expected["first_byte"] += (us + 2, us + 3)
            expected["total"] += (us + 2, us + 4)
            await shipper.tick()

    asyncio.run(scenario())
    counters.board.close(delete=True)
    rows = stream.rows()
    for kind, times in expected.items():
        told = [getattr(row, kind) for row in rows]
        assert sum(one.sum for one in told) == sum(times)
        assert (min(one.min for one in told), max(one.max for one in told)) == (
            min(times),
            max(times),
        )
        assert merge(one.histogram for one in told) == merge({bucket_index(us): 1} for us in times)
        # Seconds that waited were not thrown together.
        assert len(told) >= 8


# --- what a killed worker has left ---


def kill(board: Board) -> None:
    """What is left of a killed worker: its files, and no lock."""
    board.close(delete=False)


@pytest.mark.parametrize("failing", ["", "before", "after"])
def test_a_killed_worker_leaves_every_count_to_another_one(
    open_board: OpenBoard, row_name: NameOf, stream: Stream, tmp_path: Path, failing: str
) -> None:
    board = open_board()
    shipper = shipper_of(board, stream)

    async def scenario() -> None:
        hit(board, row_name(1), 3)
        await shipper.tick()
        hit(board, row_name(1), 4)
        hit(board, row_name(2), 1)
        stream.failing = failing
        await shipper.tick()
        hit(board, row_name(1), 5)
        stream.failing = ""
        kill(board)
        await orphans(tmp_path, stream)

    asyncio.run(scenario())
    assert stream.requests() == {1: 12, 2: 1}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failing", ["before", "after"])
def test_orphans_wait_until_redis_confirms_them(
    open_board: OpenBoard, row_name: NameOf, stream: Stream, tmp_path: Path, failing: str
) -> None:
    board = open_board()
    hit(board, row_name(1), 3)
    kill(board)

    async def scenario() -> None:
        stream.failing = failing
        for _ in range(3):
            await orphans(tmp_path, stream)
            assert (tmp_path / "worker.board").exists()
        stream.failing = ""
        await orphans(tmp_path, stream)

    asyncio.run(scenario())
    assert stream.requests() == {1: 3}
    assert list(tmp_path.iterdir()) == []


def test_the_board_of_a_living_worker_is_left_alone(
    open_board: OpenBoard, row_name: NameOf, stream: Stream, tmp_path: Path
) -> None:
    hit(open_board(), row_name(1))
    asyncio.run(orphans(tmp_path, stream))  # type: ignore[arg-type]
    assert stream.batches == []
    assert (tmp_path / "worker.board").exists()


def test_a_board_of_another_version_is_left_alone_and_told_of_once(
    stream: Stream, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = tmp_path / "old.board"
    old.write_bytes(bytes(100_000))

    async def scenario() -> None:
        orphans = Orphans(tmp_path, stream)  # type: ignore[arg-type]
        for _ in range(3):
            await orphans.ship()

    asyncio.run(scenario())
    assert stream.batches == []
    assert old.exists()
    assert caplog.text.count("old.board is left alone") == 1


def tear(board: Path) -> None:
    board.with_suffix(".rows").write_bytes(bytes(100) + b"\n")


def shut(board: Path) -> None:
    """So that not even root can open it."""
    board.unlink()
    board.mkdir()


@pytest.mark.parametrize("damage", [tear, shut])
def test_a_board_that_cannot_be_read_keeps_no_other_from_being_delivered(
    open_board: OpenBoard,
    row_name: NameOf,
    stream: Stream,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
) -> None:
    for name in ("a-bad", "b-whole"):
        board = open_board(name)
        hit(board, row_name(1), 3)
        kill(board)
    damage(tmp_path / "a-bad.board")

    async def scenario() -> None:
        orphans = Orphans(tmp_path, stream)  # type: ignore[arg-type]
        for _ in range(3):
            await orphans.ship()

    asyncio.run(scenario())
    assert stream.requests() == {1: 3}
    assert not (tmp_path / "b-whole.board").exists()
    assert caplog.text.count("a-bad.board is left alone") == 1


def test_workers_that_look_at_the_same_time_send_an_orphan_once(
    open_board: OpenBoard, row_name: NameOf, stream: Stream, tmp_path: Path
) -> None:
    board = open_board()
    hit(board, row_name(1), 3)
    kill(board)

    async def scenario() -> None:
        await asyncio.gather(*(orphans(tmp_path, stream) for _ in range(3)))

    asyncio.run(scenario())
    assert stream.requests() == {1: 3}


def test_orphans_of_many_starts_are_told_apart(
    open_board: OpenBoard, row_name: NameOf, stream: Stream, tmp_path: Path
) -> None:
    for number in range(1, 4):
        board = open_board(f"worker-{number}")
        hit(board, row_name(1), number)
        kill(board)
    asyncio.run(orphans(tmp_path, stream))  # type: ignore[arg-type]
    assert stream.requests() == {1: 6}
    assert {batch.source for batch in stream.batches} == {"worker-1", "worker-2", "worker-3"}


_STEPS = st.one_of(
    st.tuples(st.just("hit"), st.integers(1, 4)),
    st.tuples(st.just("configuration"), st.just("")),
    st.tuples(st.just("tick"), st.sampled_from(["", "before", "after"])),
    st.tuples(st.just("kill"), st.sampled_from(["", "before", "after"])),
)


@settings(max_examples=300, deadline=None)
@given(steps=st.lists(_STEPS, max_size=35))
def test_whatever_happens_in_whatever_order_each_request_is_counted_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int | str]]
) -> None:
    folder = tmp_path_factory.mktemp("edge")
    stream = Stream()
    expected: Counter[int] = Counter()

    async def scenario() -> None:
        starts = 0
        board = Board(folder / "worker-0.board")
        shipper = shipper_of(board, stream)
        for action, argument in steps:
            if action == "hit":
                hit(board, RowName(1, 1, "shop", int(argument), f"b{argument}"))
                expected[int(argument)] += 1
                continue
            if action == "configuration":
                board.look_anew()
                continue
            stream.failing = str(argument)
            if action == "tick":
                await shipper.tick()
            else:
                kill(board)
                await orphans(folder, stream)
                starts += 1
                board = Board(folder / f"worker-{starts}.board")
                shipper = shipper_of(board, stream)
        stream.failing = ""
        kill(board)
        await orphans(folder, stream)

    asyncio.run(scenario())
    assert stream.requests() == dict(expected)
    assert list(folder.iterdir()) == []


# --- folding ---


def row(backend: int, requests: int, shortest: int, longest: int) -> TrafficRow:
    counted = dict.fromkeys(
        ("status_1xx", "status_2xx", "status_3xx", "status_4xx", "status_5xx"), requests
    ) | dict.fromkeys(("errors", "retries", "client_aborts", "bytes_in", "bytes_out"), requests)
    return TrafficRow(
        **RowName(1, 1, "shop", backend, "b")._asdict(),
        requests=requests,
        total=TrafficTimes(requests, shortest, longest, {shortest: requests}),
        **counted,
    )


def test_folding_adds_up_neighbours_and_keeps_the_extremes() -> None:
    seconds = [
        TrafficSecond(at=10, rows=[row(1, 2, 5, 9), row(2, 1, 1, 1)]),
        TrafficSecond(at=11, rows=[row(1, 3, 7, 20)]),
        TrafficSecond(at=12, rows=[row(1, 4, 0, 0)]),
    ]
    first, second = fold(seconds)
    assert (first.at, second.at) == (10, 12)
    one, two = first.rows
    assert one.total == TrafficTimes(5, 5, 20, {5: 2, 7: 3})
    assert (one.requests, one.bytes_out, one.status_5xx) == (5, 5, 5)
    assert two == row(2, 1, 1, 1)
    assert second.rows == [row(1, 4, 0, 0)]


def test_a_second_without_a_shortest_does_not_make_it_zero() -> None:
    """An error is counted without a duration."""
    (second,) = fold(
        [
            TrafficSecond(at=1, rows=[row(1, 0, 0, 0)]),
            TrafficSecond(at=2, rows=[row(1, 1, 5, 5)]),
        ]
    )
    assert second.rows[0].total.min == 5


# --- and with a real Redis ---


def test_batches_arrive_in_a_real_stream(
    open_board: OpenBoard,
    row_name: NameOf,
    tmp_path: Path,
    redis_client: redis.Redis,
    redis_url: str,
) -> None:
    board = open_board()
    orphan = open_board("killed")
    hit(orphan, row_name(2), 2)
    kill(orphan)

    async def scenario() -> None:
        client = Redis.from_url(redis_url)
        hit(board, row_name(1), 3)
        assert await Shipper(board, client).tick()
        await Orphans(tmp_path, client).ship()
        await client.aclose()

    asyncio.run(scenario())
    entries = redis_client.xrange(TRAFFIC_STREAM)
    batches = [
        msgspec.msgpack.decode(entry[TRAFFIC_FIELD], type=TrafficBatch) for _, entry in entries
    ]
    assert [(batch.source, totals_of(batch)) for batch in batches] == [
        ("worker", {1: 3}),
        ("killed", {2: 2}),
    ]
