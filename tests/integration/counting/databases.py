"""The database under the product, and the ways in which it goes away."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from tests.postgresql import Server

LOCKED = 1.0  # seconds
_SQLITE_HOLDER = """
import sqlite3, sys, time
holder = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)
holder.execute("BEGIN IMMEDIATE")
holder.execute("CREATE TABLE half_done (id INTEGER)")
print("holds it", flush=True)
time.sleep(600)
"""
_POSTGRESQL_HOLDER = """
import psycopg, sys, time
with psycopg.connect(sys.argv[1]) as holder:
    tables = holder.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    names = ", ".join(f'"{name}"' for (name,) in tables)
    holder.execute(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
    print("holds it", flush=True)
    time.sleep(600)
"""


class Database(Protocol):
    url: str

    def kill(self) -> None:
        """Away for a moment, with whatever is under way undone; returns when it is back."""

    def lock(self) -> AbstractContextManager[None]:
        """Somebody has it to itself for as long as the block runs."""


class Sqlite:
    """A process takes the write lock, and is killed with half a transaction written."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lbsite.sqlite3"
        self.url = f"sqlite:///{self._path}"

    def kill(self) -> None:
        with self.lock():
            time.sleep(LOCKED)
        with sqlite3.connect(self._path) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'half_done'")
            assert tables.fetchall() == []

    def lock(self) -> AbstractContextManager[None]:
        return _held_by(_SQLITE_HOLDER, str(self._path))


class Postgresql:
    def __init__(self, server: Server) -> None:
        self._server = server
        self.url = server.url

    def kill(self) -> None:
        self._server.kill()
        time.sleep(LOCKED)
        self._server.start()

    def lock(self) -> AbstractContextManager[None]:
        """All tables, as for a change of their shape."""
        return _held_by(_POSTGRESQL_HOLDER, self.url)


@contextmanager
def _held_by(program: str, place: str) -> Iterator[None]:
    holder = subprocess.Popen([sys.executable, "-c", program, place], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline(), "it was not got hold of"
        yield
    finally:
        holder.kill()
        holder.wait()
