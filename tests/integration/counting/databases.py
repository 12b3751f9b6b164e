"""The database under the product, and the ways in which it goes away."""

import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol

from tests.postgresql import Server

LOCKED = 1.0  # seconds
_HOLDER = """
import sqlite3, sys, time
holder = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)
holder.execute("BEGIN IMMEDIATE")
holder.execute("CREATE TABLE half_done (id INTEGER)")
print("holds it", flush=True)
time.sleep(60)
"""


class Database(Protocol):
    url: str

    def kill(self) -> None:
        """Away for a moment, with whatever is under way undone; returns when it is back."""


class Sqlite:
    """A process takes the write lock, and is killed with half a transaction written."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lbsite.sqlite3"
        self.url = f"sqlite:///{self._path}"

    def kill(self) -> None:
        holder = subprocess.Popen(
            [sys.executable, "-c", _HOLDER, str(self._path)], stdout=subprocess.PIPE
        )
        try:
            assert holder.stdout is not None
            holder.stdout.readline()
            time.sleep(LOCKED)
        finally:
            holder.kill()
            holder.wait()
        with sqlite3.connect(self._path) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'half_done'")
            assert tables.fetchall() == []


class Postgresql:
    def __init__(self, server: Server) -> None:
        self._server = server
        self.url = server.url

    def kill(self) -> None:
        self._server.kill()
        time.sleep(LOCKED)
        self._server.start()
