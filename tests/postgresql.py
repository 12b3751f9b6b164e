"""A PostgreSQL of the tests' own: a cluster in a temporary folder, on a unix socket."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

PATIENCE = 30.0


def obstacle() -> str:
    """Why there can be none here; "": nothing."""
    if _find_bin() is None or not _has_server_user():
        return "PostgreSQL's server is not installed"
    if find_spec("psycopg") is None:
        return "psycopg is not installed: pip install -e '.[postgres]'"
    return ""


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


class Server:
    """A new cluster in `folder`, started; only where there is no `obstacle()`."""

    def __init__(self, folder: Path) -> None:
        binaries = _find_bin()
        assert binaries is not None
        self._binaries = binaries
        self._folder = folder
        # A DATABASE_URL.
        self.url = f"postgres://postgres@{quote(str(folder), safe='')}:5432/postgres"
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        self._run("initdb", "-A", "trust", "-U", "postgres", "-N")
        self.start()

    def start(self) -> None:
        """Also after a kill: until the last backend of the one before has gone, it fails."""
        options = f"-k {self._folder} -c listen_addresses= -c fsync=off"
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._pg_ctl("-o", options, "-l", f"{self._folder}/log", "start")
            except subprocess.CalledProcessError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def kill(self) -> None:
        """SIGKILL to the postmaster; its children notice and end."""
        pid_file = self._folder / "data" / "postmaster.pid"
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)

    def stop(self) -> None:
        with suppress(subprocess.CalledProcessError):  # it was killed
            self._pg_ctl("-m", "immediate", "stop")

    def _pg_ctl(self, *arguments: str) -> None:
        self._run("pg_ctl", "-w", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), "-D", f"{self._folder}/data", *arguments]
        subprocess.run(
            [*_as_server_user(), *command],
            check=True,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,  # not a pipe: the server would keep it open
            stderr=subprocess.DEVNULL,
        )
