"""The access log as a load: the lines that the edge writes, read back."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import msgspec
import pytest

from pool.snapshot import BackendSpec
from proxy.core.backend import Backend
from proxy.engine.access_log import AccessLog
from proxy.engine.anatomy import Dispatch, End
from proxy.engine.log_file import LogFile
from proxy.errors import Cause
from proxy.simulation.recording import NothingRecorded, Recording, read_recording

MS = 1e6
START = datetime(2026, 11, 21, 12, 0, 0, 500_000, tzinfo=UTC)


def line(after: int = 0, **fields: object) -> bytes:
    """`after`: milliseconds."""
    known: dict[str, object] = {
        "time": (START + timedelta(milliseconds=after)).isoformat().replace("+00:00", "Z"),
        "client": "192.0.2.1",
        "path": "/a",
        "pool": "web",
        "status": 200,
        "cause": "complete",
        "backend": "a",
        "queue_ms": 1.0,
        "retries_ms": 0.0,
        "connect_ms": 2.0,
        "response_header_ms": 7.0,
        "total_ms": 13.0,
    }
    return msgspec.json.encode(known | fields) + b"\n"


def read(*lines: bytes, hash_key: str = "client_ip", limit: int = 100) -> Recording:
    return read_recording(lines, "web", hash_key, limit)


def test_requests_come_in_the_order_and_at_the_distances_in_which_they_came() -> None:
    load = read(line(250), line(0), line(1000)).load
    assert list(load.arrivals) == [0, 250 * MS, 1000 * MS]


def test_a_backend_is_charged_with_its_own_time_alone() -> None:
    recording = read(line(), line(backend="b", retries_ms=4.0))
    assert {name: list(one.times) for name, one in recording.times.items()} == {
        "a": [pytest.approx(10 * MS)],
        "b": [pytest.approx(6 * MS)],
    }
    assert recording.everybody.draw(Random(1)) in (*recording.everybody.times,)


def test_other_pools_do_not_count_and_broken_answers_only_as_arrivals() -> None:
    refused = line(5, backend=None, cause="no_backend", queue_ms=None, connect_ms=None)
    recording = read(line(), refused, line(9, cause="response_cut"), line(7, pool="other"))
    assert len(recording.load.arrivals) == 3
    assert len(recording.everybody.times) == 1


@pytest.mark.parametrize(
    ("hash_key", "key"),
    [("client_ip", b"192.0.2.1"), ("path", b"/a"), ("header:x-user", b"192.0.2.1")],
)
def test_who_came_is_what_the_hash_key_says_as_far_as_the_log_has_it(
    hash_key: str, key: bytes
) -> None:
    assert read(line(), hash_key=hash_key).load.keys == [key]


def test_a_line_that_was_cut_is_passed_over_and_counted() -> None:
    assert read(line(), line()[:50], b"\n").unreadable == 2


def test_reading_ends_at_the_limit() -> None:
    assert len(read(*[line()] * 10, limit=3).load.arrivals) == 3


def test_a_log_without_use_says_why() -> None:
    with pytest.raises(NothingRecorded, match="no line of it is a request to the pool 'web'"):
        read(line(pool="other"))
    with pytest.raises(NothingRecorded, match="was answered by a backend"):
        read(line(cause="connect_failed"))


def test_the_lines_that_the_edge_writes_are_read(tmp_path: Path) -> None:
    """Heads 5 ms apart; each is sent 2 ms later, to a backend that takes 10 ms."""
    log = AccessLog(LogFile(str(tmp_path / "log")), 1)
    backend = Backend(BackendSpec(id=1, name="a", url="http://127.0.0.1:9001"))
    subject = b'"client":"192.0.2.1","path":"/a","pool":"web"'
    for start in (10**9, 10**9 + 5_000_000):
        end = start + 12_000_000
        told = End(
            request_id=b"id",
            status=200,
            cause=Cause.COMPLETE,
            bytes_in=1,
            bytes_out=1,
            started=start,
            ended=end,
            backend=backend,
            attempts=1,
            dispatch=Dispatch(sent=start + 2_000_000),
            responded=end,
        )
        log.add(subject, told)
    recording = read_recording(log.take(2).splitlines(), "web", "client_ip", 10)
    assert recording.unreadable == 0
    assert list(recording.load.arrivals) == [0, 5 * MS]
    assert list(recording.times["a"].times) == [10 * MS] * 2
