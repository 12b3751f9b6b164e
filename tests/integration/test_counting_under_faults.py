"""The reports hold what the clients got, whatever was killed meanwhile, and how often.

With LB_LONG_TESTS=1 a million requests with each database, twice: with all faults but one,
after which not a single request may be counted too much or too little; and with edge workers
killed as well. Then a request that was on its way to a killed worker may be counted although
its client had no answer, and nothing else may differ.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from analytics.levels import STEPS
from tests import postgresql
from tests.integration.counting import backend, ledger
from tests.integration.counting.client import Tally
from tests.integration.counting.clients import Clients
from tests.integration.counting.databases import Database, Postgresql, Sqlite
from tests.integration.counting.faults import EDGE_WORKERS, Faults, start_aggregator
from tests.integration.edge.harness.ports import ReservedPort
from tests.integration.product import Product

LONG = bool(os.environ.get("LB_LONG_TESTS"))
SEED = int(os.environ.get("LB_TEST_SEED", "1"))
ANSWERS = 1_000_000 if LONG else 50_000
RATE = 20_000 if LONG else 4_000
PATIENCE = 1200.0 if LONG else 120.0
AWAY = 30 if LONG else 8  # seconds
BACKENDS = ("a", "b", "c")
DATABASES = ("sqlite", "postgresql")


class Stage(NamedTuple):
    product: Product
    database: Database


@pytest.fixture(
    scope="module", params=DATABASES if LONG or postgresql.obstacle() else ["postgresql"]
)
def stage(request: pytest.FixtureRequest, make_product: Callable[..., Product]) -> Iterator[Stage]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lb-count-")))
        database = _database(request.param, folder, stack)
        product = make_product(DATABASE_URL=database.url)
        (folder / "servers.json").write_text(
            json.dumps([_backend(name, stack) for name in BACKENDS])
        )
        product.start("--config", str(folder / "servers.json"), "--workers", str(EDGE_WORKERS))
        product.wait_until_running()
        second = start_aggregator(product)
        stack.callback(second.wait)
        stack.callback(second.kill)
        yield Stage(product, database)


def _database(kind: str, folder: Path, stack: ExitStack) -> Database:
    if kind == "sqlite":
        return Sqlite(folder)
    if obstacle := postgresql.obstacle():
        pytest.skip(obstacle)
    place = folder / "postgresql"
    place.mkdir()
    folder.chmod(0o755)  # the server's user has to get there
    server = postgresql.Server(place)
    stack.callback(server.stop)
    return Postgresql(server)


def _backend(name: str, stack: ExitStack) -> dict[str, str]:
    port = ReservedPort()
    stack.callback(port.release)
    process = subprocess.Popen([sys.executable, backend.__file__, name, str(port.number)])
    stack.callback(process.wait)
    stack.callback(process.kill)
    return {"name": name, "url": f"http://127.0.0.1:{port.number}"}


def reported(product: Product) -> dict[int, Counter[str]]:
    """By the width of the rollups' buckets."""
    environment = product.environment() | {
        "LB_DATA_DIR": str(product.folder),
        "DJANGO_SETTINGS_MODULE": "lbsite.settings",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    output = subprocess.run(
        [sys.executable, ledger.__file__], env=environment, capture_output=True, check=True
    ).stdout
    return {int(step): Counter(counts) for step, counts in json.loads(output).items()}


def received(tally: Tally) -> Counter[str]:
    """In the words of the ledger."""
    counts: Counter[str] = Counter()
    for kind, number in tally.answers.items():
        name, _, status = kind.partition(" ")
        counts[f"{name} {status[0]}xx"] += number
        counts[f"{name} requests"] += number
        if name:  # what the edge says itself is not counted in bytes
            counts[f"{name} bytes"] += tally.bytes[kind]
    return counts


def run(stage: Stage, seed: int, *, workers_are_killed: bool) -> tuple[Tally, list[Counter[str]]]:
    """What the clients got, and by how much the reports at each level have grown."""
    product = stage.product
    before = reported(product)
    faults = Faults(product, stage.database, seed)
    try:
        with Clients(product.port, ANSWERS, RATE, seed) as clients:
            faults.go_on_until(lambda: clients.have_enough, workers_are_killed=workers_are_killed)
            tally = clients.end(PATIENCE)
    finally:  # what is left now is not the next test's
        faults.drain()
    after = reported(product)
    print(f"seed {seed}: {sum(tally.answers.values())} answers, {dict(faults.done)}")
    return tally, [after[step] - before.get(step, Counter()) for step in STEPS]


def test_every_answer_is_counted_once_while_everything_else_is_killed(stage: Stage) -> None:
    tally, levels = run(stage, SEED, workers_are_killed=False)
    assert sum(tally.answers.values()) >= ANSWERS
    expected = received(tally)
    for counted in levels:
        counted.pop(" bytes", None)
        assert counted == expected


def test_a_killed_worker_may_only_have_counted_what_was_on_its_way(stage: Stage) -> None:
    tally, levels = run(stage, SEED + 100, workers_are_killed=True)
    assert sum(tally.answers.values()) >= ANSWERS
    expected = received(tally)
    for counted in levels:
        assert not expected - counted, "an answer that a client has got is missing"
        excess = sum(
            counted[f"{name} requests"] - expected[f"{name} requests"] for name in BACKENDS
        )
        print(f"{excess} of {tally.unanswered} unanswered requests are counted")
        assert 0 <= excess <= tally.unanswered


def lock_the_database(stage: Stage, _: Faults, enough: Callable[[], bool]) -> None:
    with stage.database.lock():
        stage.product.wait_until(enough, "the answers")


def stop_redis(stage: Stage, _: Faults, enough: Callable[[], bool]) -> None:
    redis = stage.product.program("redis")
    redis.suspend()
    try:
        stage.product.wait_until(enough, "the answers")
    finally:
        redis.resume()


def kill_aggregators(_: Stage, faults: Faults, enough: Callable[[], bool]) -> None:
    while not enough():
        faults.crash("before-commit")
        faults.kill_celery()


@pytest.mark.parametrize("break_it", [lock_the_database, stop_redis, kill_aggregators])
def test_a_thousand_requests_a_second_are_answered_and_counted_while(
    stage: Stage, break_it: Callable[[Stage, Faults, Callable[[], bool]], None]
) -> None:
    """What they go by is away for long, and not gone: none waits for it, and all is made up for."""
    product = stage.product
    before = reported(product)
    faults = Faults(product, stage.database, SEED)
    with Clients(product.port, 1000 * AWAY, 1000, SEED) as clients:
        break_it(stage, faults, lambda: clients.have_enough)
        tally = clients.end(PATIENCE)
    faults.drain()
    after = reported(product)
    assert tally.unanswered == tally.lost_connections == 0
    assert {kind.partition(" ")[0] for kind in tally.answers} == {*BACKENDS}
    for step in STEPS:
        counted = after[step] - before.get(step, Counter())
        counted.pop(" bytes", None)
        assert counted == received(tally)
