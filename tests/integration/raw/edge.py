"""The real edge as a process: gunicorn with one worker, fed over a real Redis."""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from pool import bus, snapshot
from pool.snapshot import BackendSpec, PoolSpec, RetryPolicy, RouteSpec, Snapshot, TimeoutPolicy
from tests.integration.edge.harness.ports import ReservedPort
from tests.integration.edge.harness.processes import START_PATIENCE

LOG = "edge.log"  # in the edge's data folder
# Short, so that the cases that wait for them are quick; longer than any pause of the others.
SETTINGS = {
    "LB_REQUEST_HEAD_TIMEOUT": "2",
    "LB_KEEP_ALIVE_TIMEOUT": "2",
    "LB_TUNNEL_TIMEOUT": "1",
}
TIMEOUTS = TimeoutPolicy(connect=1.0, response=1.0, idle=1.0)


def corpus_snapshot(backend_port: int, dead_port: int) -> Snapshot:
    """What the corpus runs on. Hosts, as the cases know them:

    shop.test, *.test   the scripted backend
    any, under /any     the same, whatever the host is
    pair.test           a backend that refuses connections, and the scripted one
    dead.test           only one that refuses connections
    empty.test          a pool without backends
    """
    alive = BackendSpec(id=1, name="alive", url=f"http://127.0.0.1:{backend_port}")
    dead_url = f"http://127.0.0.1:{dead_port}"
    pools = (
        _pool(1, "main", alive),
        _pool(2, "pair", BackendSpec(id=2, name="refusing", url=dead_url), _renumbered(alive, 3)),
        _pool(3, "dead", BackendSpec(id=4, name="refusing", url=dead_url)),
        _pool(4, "empty"),
    )
    hosts = {"shop.test": 1, "*.test": 1, "pair.test": 2, "dead.test": 3, "empty.test": 4}
    routes = [
        RouteSpec(id=number, host=host, pool_id=pool_id)
        for number, (host, pool_id) in enumerate(hosts.items(), 1)
    ]
    routes.append(RouteSpec(id=99, host="", path_prefix="/any", pool_id=1))
    return snapshot.build(1, pools, tuple(routes))


def _pool(number: int, name: str, *backends: BackendSpec) -> PoolSpec:
    return PoolSpec(
        id=number, name=name, timeouts=TIMEOUTS, retry=RetryPolicy(attempts=3), backends=backends
    )


def _renumbered(backend: BackendSpec, number: int) -> BackendSpec:
    return BackendSpec(id=number, name=backend.name, url=backend.url)


@contextmanager
def running_edge(redis_url: str, published: Snapshot, data_dir: Path) -> Iterator[tuple[str, int]]:
    """The address of an edge that runs `published`; stopped at the end."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        client.set(bus.SNAPSHOT_KEY, snapshot.encode(published))
    reserved = ReservedPort()
    port = reserved.number
    environment = {name: value for name, value in os.environ.items() if name[:3] != "LB_"}
    environment |= SETTINGS | {"LB_DATA_DIR": str(data_dir), "LB_REDIS_URL": redis_url}
    log = data_dir / LOG
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn"),
                *("-k", "proxy.worker.EdgeWorker", "--no-control-socket", "proxy.worker"),
                *("--bind", f"127.0.0.1:{port}", "--workers", "1", "--graceful-timeout", "2"),
            ],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(port, published.number, process, log)
        yield "127.0.0.1", port
    finally:
        process.terminate()
        process.wait(START_PATIENCE)
        reserved.release()


def _wait_for(port: int, number: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_PATIENCE
    answer = "nothing"
    while time.monotonic() < deadline and process.poll() is None:
        try:
            answer = _health(port)
        except OSError as error:
            answer = str(error)
        if answer.startswith("200") and str(number) in answer[3:]:
            return
        time.sleep(0.05)
    raise AssertionError(f"the edge did not come up ({answer}): {log.read_text()[-2000:]}")


def _health(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/-/health")
        response = connection.getresponse()
        return f"{response.status} {response.read().decode()}"
    finally:
        connection.close()
