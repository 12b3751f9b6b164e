"""Fixtures for every test: a data folder and a real Redis of their own."""

import itertools
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import django
import hypothesis
import pytest
import redis

# A short path: a unix socket's is limited to 107 bytes. Set before settings are read,
# which is why they are named here: pytest-django would read those in its ini file
# before this file is loaded.
_DATA_DIR = tempfile.TemporaryDirectory(prefix="lb-")
os.environ["LB_DATA_DIR"] = _DATA_DIR.name
os.environ["LB_REDIS_URL"] = f"unix://{_DATA_DIR.name}/redis.sock"
os.environ["DJANGO_SETTINGS_MODULE"] = "lbsite.settings"
os.environ.pop("LB_SECRET_KEY", None)

Announced = tuple[str, bytes]  # the channel, and what was said
_END = b"the end"

# A busy machine is no failure of what is tested.
hypothesis.settings.register_profile("lbsite", deadline=None)
hypothesis.settings.load_profile("lbsite")
django.setup()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Let each process read the settings by itself, when this file has given it a folder."""
    del os.environ["DJANGO_SETTINGS_MODULE"]


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a real redis-server on a unix socket, stopped at the end."""
    from lbsite.redis_server import command

    process = subprocess.Popen(command(Path(_DATA_DIR.name)), stdout=subprocess.DEVNULL)
    client = redis.Redis.from_url(os.environ["LB_REDIS_URL"])
    try:
        _wait_until_answering(client, process)
        yield os.environ["LB_REDIS_URL"]
    finally:
        client.close()
        process.terminate()
        process.wait(10)


def _wait_until_answering(client: redis.Redis, process: subprocess.Popen[bytes]) -> None:
    retries = redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), 100)
    retries.call_with_retry(client.ping, lambda _: process.poll())


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    """A client of the test Redis, emptied first."""
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def listen(redis_client: redis.Redis) -> Iterator[Callable[..., Callable[[], list[Announced]]]]:
    """`heard = listen(CHANNEL, …)`: `heard()` is what was announced since it was asked last."""
    with ExitStack() as stack:

        def start(*channels: str) -> Callable[[], list[Announced]]:
            listener = stack.enter_context(redis_client.pubsub())
            listener.subscribe(*channels)

            def next_message() -> dict[str, Any]:
                message = listener.get_message(timeout=20)
                assert message is not None, "Redis says nothing"
                return message

            for _ in channels:
                assert next_message()["type"] == "subscribe"

            def heard() -> list[Announced]:
                redis_client.publish(channels[0], _END)  # which comes after all that there is
                messages = iter(next_message, None)
                found = itertools.takewhile(lambda one: one["data"] != _END, messages)
                return [(one["channel"].decode(), one["data"]) for one in found]

            return heard

        yield start


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """SQLite in a file, as in production: in memory, threads lock each other out at once."""
    from django.db import connection

    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = f"{_DATA_DIR.name}/test.sqlite3"
