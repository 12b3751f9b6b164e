"""What the access log notes, keeps and writes, without a network."""

import asyncio
import json
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.core.configuration import Configuration
from proxy.engine import access_log
from proxy.engine.access_log import MAX_ENTRIES, MAX_PATH, AccessLog, describe
from proxy.engine.anatomy import NEVER, NOWHERE, Dispatch, End
from proxy.engine.log_file import LogFile
from proxy.engine.prepared import prepare
from proxy.engine.settings import read_settings
from tests.proxy.engine.ends import MS, PEER, answered

NOBODY = describe(b"192.0.2.7")
Clock = Callable[[int], None]


class File(LogFile):
    """Takes whole slices, or fails, as it is told."""

    def __init__(self) -> None:
        self.slices: list[bytes] = []
        self.error: OSError | None = None

    async def write(self, lines: bytes) -> OSError | None:
        if self.error is None:
            self.slices.append(lines)
        return self.error

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in b"".join(self.slices).splitlines()]


def written(noted: End, subject: bytes = NOBODY) -> dict[str, Any]:
    log = AccessLog(File(), 1)
    log.add(subject, noted)
    line: dict[str, Any] = json.loads(log.take(1))
    return line


def test_the_phases_of_a_request_are_kept_apart() -> None:
    line = written(answered())
    assert [line[f"{phase}_ms"] for phase in ("queue", "retries", "connect")] == [1, 0, 2]
    assert (line["response_header_ms"], line["total_ms"]) == (4, 15)


def test_a_reused_connection_took_no_time_to_make() -> None:
    line = written(answered(dispatch=Dispatch(11 * MS, 11 * MS)))
    assert (line["reused"], line["connect_ms"]) == (True, 0)


def test_what_a_request_never_came_to_is_null() -> None:
    line = written(answered(dispatch=Dispatch(11 * MS, 11 * MS, NEVER), responded=NEVER))
    assert (line["queue_ms"], line["reused"]) == (1, None)
    assert (line["connect_ms"], line["response_header_ms"]) == (None, None)
    line = written(answered(b"", attempts=0, dispatch=NOWHERE, responded=NEVER))
    assert (line["queue_ms"], line["retries_ms"], line["request_id"]) == (None, None, None)
    assert (line["backend"], line["in_flight"]) == (None, None)


def test_the_time_is_that_of_the_requests_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "time_ns", lambda: 1_700_000_000_123_000_000 + 15 * MS)
    monkeypatch.setattr(access_log, "monotonic_ns", lambda: 25 * MS)
    assert written(answered())["time"] == "2023-11-14T22:13:20.123Z"


def test_a_request_is_told_without_its_query_and_headers(configuration: Configuration) -> None:
    raw = b"GET /a\\b?token=s3cret HTTP/1.0\r\nHost: Shop:81\r\nCookie: s3cret\r\n\r\n"
    route = configuration.router.match(b"shop", b"/a")
    assert route is not None
    backend = route.pool.backends[1]
    subject = describe(b"192.0.2.7", prepare(raw, configuration, PEER))
    line = written(answered(b'an"id', backend=backend, in_flight=2), subject)
    assert "s3cret" not in json.dumps(line)
    assert (line["method"], line["host"], line["path"]) == ("GET", "shop", "/a\\b")
    assert (line["protocol"], line["request_id"]) == ("HTTP/1.0", 'an"id')
    assert (line["route"], line["pool"], line["snapshot"]) == (3, "shop", 1)
    assert (line["backend"], line["in_flight"]) == ("a", 2)


def test_long_paths_are_cut(configuration: Configuration) -> None:
    raw = b"GET /%b HTTP/1.1\r\nHost: shop\r\n\r\n" % (b"x" * 5000)
    subject = describe(b"192.0.2.7", prepare(raw, configuration, PEER))
    assert len(written(answered(), subject)["path"]) == MAX_PATH


def test_the_client_is_the_one_that_a_trusted_proxy_tells_of(configuration: Configuration) -> None:
    raw = b"GET / HTTP/1.1\r\nHost: s\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: %b\r\n\r\n"
    raw %= b"203.0.113.9, 192.0.2.7"
    proxy = PEER._replace(trusted=True)
    trusts = ["192.0.2.7"].__contains__
    assert prepare(raw, configuration, proxy, trusts=trusts).client == b"203.0.113.9"
    assert prepare(raw, configuration, PEER, trusts=trusts).client == b"192.0.2.7"


def test_a_share_of_the_requests_is_logged_and_all_that_went_wrong() -> None:
    draws = iter([0.05, 0.5, 0.0999])
    log = AccessLog(File(), 0.1, draw=lambda: next(draws))
    assert [log.wants(False) for _ in range(3)] == [True, False, True]
    assert log.wants(True)
    assert not AccessLog(File(), 0).wants(False)


def test_a_long_queue_is_written_in_slices() -> None:
    file = File()
    log = AccessLog(file, 1)
    for number in range(1000):
        log.add(NOBODY, answered(b"%d" % number))
    asyncio.run(log.flush())
    assert [line["request_id"] for line in file.lines] == [str(number) for number in range(1000)]
    assert len(file.slices) > 2
    assert all(data.endswith(b"}\n") for data in file.slices)


def test_a_slice_is_written_as_soon_as_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "FLUSH_INTERVAL", 3600)
    file = File()
    log = AccessLog(file, 1)
    for _ in range(250):
        log.add(NOBODY, answered())
    asyncio.run(log.flush_soon())
    assert len(file.lines) == 250


def test_less_than_a_slice_is_written_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "FLUSH_INTERVAL", 0.01)
    file = File()
    log = AccessLog(file, 1)
    log.add(NOBODY, answered())
    asyncio.run(log.flush_soon())
    assert len(file.lines) == 1


def test_the_oldest_are_lost_when_nothing_can_be_written_and_it_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = File()
    log = AccessLog(file, 1)
    for number in range(MAX_ENTRIES + 3):
        log.add(NOBODY, answered(b"%d" % number))
    asyncio.run(log.flush())
    assert file.lines[0]["request_id"] == "3"
    assert [record.getMessage() for record in caplog.records] == [
        "The access log is written again; 3 lines were lost"
    ]


def test_a_failure_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    file = File()
    log = AccessLog(file, 1)
    file.error = OSError(28, "No space left on device")
    for _ in range(3):
        log.add(NOBODY, answered())
        asyncio.run(log.flush())
    file.error = None
    log.add(NOBODY, answered(b"last"))
    asyncio.run(log.flush())
    log.add(NOBODY, answered())
    asyncio.run(log.flush())
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "No space left" in caplog.text
    assert "3 lines were lost" in caplog.text
    assert file.lines[0]["request_id"] == "last"


# --- the file ---


def test_lines_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b"before\n")
    assert asyncio.run(LogFile(str(path)).write(b"one\ntwo\n")) is None
    assert path.read_bytes() == b"before\none\ntwo\n"


def test_a_path_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "access.log"
    file = LogFile(str(path))
    assert isinstance(asyncio.run(file.write(b"one\n")), FileNotFoundError)
    path.parent.mkdir()
    assert asyncio.run(file.write(b"two\n")) is None
    assert path.read_bytes() == b"two\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
def test_a_full_disk_is_an_error_not_an_exception() -> None:
    error = asyncio.run(LogFile("/dev/full").write(b"one\n"))
    assert error is not None
    assert "No space left" in str(error)


def test_reopening_goes_on_in_a_new_file(tmp_path: Path) -> None:
    path, old = tmp_path / "access.log", tmp_path / "access.log.1"
    file = LogFile(str(path))
    asyncio.run(file.write(b"one\n"))
    path.rename(old)
    asyncio.run(file.write(b"two\n"))
    file.reopen()
    asyncio.run(file.write(b"three\n"))
    assert (old.read_bytes(), path.read_bytes()) == (b"one\ntwo\n", b"three\n")


def test_a_pipe_that_nobody_reads_does_not_hold_up_the_loop(tmp_path: Path) -> None:
    asyncio.run(_write_to_a_pipe(tmp_path / "pipe"))


async def _write_to_a_pipe(path: Path) -> None:
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writing = asyncio.ensure_future(LogFile(str(path)).write(b"x" * 999 + b"\n" + b"y\n" * 100_000))
    async with asyncio.timeout(30):
        while threading.active_count() < 2:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # more than it would take if somebody read
        assert not writing.done()
        os.set_blocking(reader, True)
        read = b""
        while len(read) < 201_000:
            piece = await asyncio.to_thread(os.read, reader, 65536)
            read += piece
        assert await writing is None
    os.close(reader)
    assert read.endswith(b"y\n")


# --- settings ---


def test_off_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LB_ACCESS_LOG", raising=False)
    assert (read_settings().access_log, read_settings().access_log_sample) == ("", 1.0)


def test_a_share_that_is_none_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("1.5", "-0.1"):
        monkeypatch.setenv("LB_ACCESS_LOG_SAMPLE", value)
        with pytest.raises(ValueError, match="LB_ACCESS_LOG_SAMPLE: give a number from 0 to 1"):
            read_settings()
