"""A PostgreSQL of the tests' own: a cluster in a temporary folder, on a unix socket."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import pytest


def _find_bin() -> Path | None:
    """The folder of `initdb`: Debian keeps it off the PATH."""
    found = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return Path(found).parent if found else folders[-1].parent if folders else None


def _as_server_user() -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []


def _has_server_user() -> bool:
    try:
        return os.geteuid() != 0 or bool(pwd.getpwnam("postgres"))
    except KeyError:
        return False


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """The DATABASE_URL of an empty database, stopped at the end."""
    folder_of_binaries = _find_bin()
    if folder_of_binaries is None or not _has_server_user():
        pytest.skip("PostgreSQL's server is not installed")
    if find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed: pip install -e '.[postgres]'")
    with tempfile.TemporaryDirectory(prefix="lb-pg-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        run = [*_as_server_user(), str(folder_of_binaries / "initdb")]
        initdb = [*run, "-D", f"{folder}/data", "-A", "trust", "-U", "postgres", "-N"]
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder)
        with _running_server(folder_of_binaries, folder):
            yield f"postgres://postgres@{quote(name, safe='')}:5432/postgres"


@contextmanager
def _running_server(binaries: Path, folder: Path) -> Iterator[None]:
    def pg_ctl(*arguments: str) -> None:
        subprocess.run(
            [*_as_server_user(), str(binaries / "pg_ctl"), "-D", f"{folder}/data", *arguments],
            check=True,
            cwd=folder,
            stdout=subprocess.DEVNULL,  # not a pipe: the server would keep it open
            stderr=subprocess.DEVNULL,
        )

    options = f"-k {folder} -c listen_addresses= -c fsync=off"
    pg_ctl("-o", options, "-l", f"{folder}/log", "-w", "start")
    try:
        yield
    finally:
        pg_ctl("-m", "immediate", "-w", "stop")
