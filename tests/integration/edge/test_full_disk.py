"""A full disk takes no edge out of service, not even one whose workers have to start on it."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy.engine.folder import ROOM, folders_for
from tests.integration.edge.harness.backend import Backend
from tests.integration.edge.harness.backend_process import BackendProcess
from tests.integration.edge.harness.client import Client
from tests.integration.edge.harness.constant_load import ConstantLoad
from tests.integration.edge.harness.ports import ReservedPort
from tests.integration.edge.harness.processes import Edge, RedisServer
from tests.integration.edge.harness.waiting import wait_until


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, which a test may fill."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={2 * ROOM}", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("file systems can only be mounted by root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    folder = Path("/tmp") / f"lb-disk-{os.getpid()}"  # a short path, for its socket
    folder.mkdir()
    server = RedisServer(folder)
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def edge(disk: Path, redis_server: RedisServer) -> Iterator[Edge]:
    port = ReservedPort()
    edge = Edge(disk, redis_server, port.number, "--workers", "2", "--graceful-timeout", "5")
    yield edge
    edge.kill()
    port.release()
    for folder in folders_for(disk)[1:]:
        shutil.rmtree(folder)


def fill(file: Path) -> None:
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY)
    try:
        while True:
            os.write(descriptor, bytes(4096))
    except OSError:
        os.close(descriptor)


def test_workers_that_start_on_a_full_disk_serve_and_lose_no_count(
    edge: Edge, disk: Path, backend: Callable[..., Backend]
) -> None:
    edge.serve(backend("a").spec(), workers=2)
    asked = 0

    def ask() -> None:
        nonlocal asked
        with Client(edge.port) as client:
            for _ in range(10):
                assert client.get().status == 200
                asked += 1

    def kill_all() -> None:
        killed = edge.workers
        for worker in killed:
            os.kill(worker, signal.SIGKILL)
        wait_until("others serve", lambda: len({*edge.workers} - {*killed}) == 2)
        edge.wait_for(edge.number, workers=2)

    ask()
    fill(disk / "fill")
    for _ in range(2):  # the second ones have what they leave in shared memory
        kill_all()
        ask()
    assert "No space left on device" in edge.log
    (disk / "fill").unlink()
    kill_all()
    ask()
    wait_until("all of it is delivered", lambda: edge.counted() == asked)
    edge.stop()
    assert edge.counted() == asked == 40
    assert [*disk.rglob("*.board"), *folders_for(disk)[1].glob("*.board")] == []


def test_a_disk_that_fills_up_at_1000_requests_a_second_costs_none_and_no_count(
    edge: Edge, disk: Path, processes: list[BackendProcess]
) -> None:
    backends = [process.spec for process in processes]
    edge.serve(*backends[:2], workers=2)
    with ConstantLoad(edge.port) as load:
        fill(disk / "fill")
        edge.wait_for_workers_to_go_on(3)
        edge.serve(*backends, workers=2)  # which cannot be kept for a cold start
        before = {*edge.workers}
        edge.signal(signal.SIGHUP)
        wait_until(
            "new workers serve",
            lambda: len({report.pid for report in edge.reports(edge.number)} - before) == 2,
        )
        wait_until("the old ones have left", lambda: not before & {*edge.workers})
        (disk / "fill").unlink()
        edge.wait_for_workers_to_go_on(1)
    seen = load.seen
    assert seen.failures == []
    assert seen.answered == seen.sent
    wait_until("each is counted once", lambda: edge.counted() == sum(seen.answered.values()))
