"""Processes that save at the same time: numbers only rise, and the last word is the database's."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from django.db import connection

from pool.bus import SNAPSHOT_CHANNEL
from pool.snapshot import decode

PROCESSES = 4
SAVES = 6

SAVE = """
import sys, django
django.setup()
from pool.models import Backend, Pool
name = sys.argv[1]
pool = Pool.objects.create(name=name)
for number in range({saves} - 1):
    Backend.objects.create(pool=pool, url=f"http://127.0.0.1:{{9000 + number}}")
"""

READ = """
import sys, django
django.setup()
from pool.compilation import compile_configuration
from pool.models import Revision
from pool.snapshot import build
numbers = list(Revision.objects.order_by("number").values_list("number", flat=True))
assert numbers == list(range(1, len(numbers) + 1)), numbers
latest = Revision.objects.first()
assert latest.content_hash == build(0, *compile_configuration()).content_hash
assert not Revision.objects.filter(published_at=None).exists()
sys.stdout.write(latest.snapshot)
"""


@pytest.fixture
def environment(request: pytest.FixtureRequest, tmp_path, redis_client) -> Iterator[dict[str, str]]:
    """A database that processes share: the tests' PostgreSQL, or an SQLite file."""
    environment = {**os.environ, "LB_DATA_DIR": str(tmp_path)}
    if connection.vendor == "postgresql":
        request.getfixturevalue("transactional_db")
        database = connection.settings_dict
        environment["DATABASE_URL"] = (
            f"postgres://{database['USER']}@{quote(database['HOST'], safe='')}:"
            f"{database['PORT']}/{database['NAME']}"
        )
    else:
        environment["DATABASE_URL"] = f"sqlite:///{tmp_path}/lb.sqlite3"
        migrate = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, env=environment, check=True)
    return environment


def start(environment, code, *arguments):
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_numbers_rise_and_the_last_revision_has_everything(environment, redis_client, published):
    announced = []
    listener = redis_client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(**{SNAPSHOT_CHANNEL: lambda message: announced.append(int(message["data"]))})
    thread = listener.run_in_thread(sleep_time=0.01)
    try:
        savers = [
            start(environment, SAVE.format(saves=SAVES), f"pool-{number}")
            for number in range(PROCESSES)
        ]
        assert [saver.wait(60) for saver in savers] == [0] * PROCESSES
        reader = start(environment, READ)
        latest, _ = reader.communicate(timeout=30)
        assert reader.returncode == 0
    finally:
        stop(thread)
    assert announced == sorted(set(announced))
    assert published() == decode(latest.encode())
    assert [len(pool.backends) for pool in published().pools] == [SAVES - 1] * PROCESSES


def stop(thread: threading.Thread) -> None:
    thread.stop()  # type: ignore[attr-defined]
    thread.join(5)
