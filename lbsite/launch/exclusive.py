"""What only one `lb up` can have: a data folder, and its ports. Errors name the fix."""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lbsite.launch.programs import Listen

# sun_path of unix(7) is 108 bytes with its final NUL; Supervisor appends its pid to a name
# of its own while it makes its socket.
_LONGEST_FOLDER = 107 - len("/supervisor.sock.4194304")


class ExclusiveError(RuntimeError):
    """Somebody else has it."""


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Held until this process ends, however it ends: the kernel drops the lock, not the file."""
    with (folder / "up.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ExclusiveError(
                f"lbsite is already running on {folder} (pid {file.read().strip()}); "
                "stop it, or give another folder with --data-dir"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def check_folder(folder: Path) -> None:
    if len(os.fsencode(folder)) > _LONGEST_FOLDER:
        raise ExclusiveError(
            f"{folder} is too long for the unix sockets in it (limit: {_LONGEST_FOLDER} bytes); "
            "give a shorter one with --data-dir"
        )


def check_port(listen: Listen, option: str) -> None:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    try:
        socket.create_server((listen.host, listen.port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ExclusiveError(
                f"port {listen.port} on {listen.host} is in use; choose another with {option}"
            ) from None
        raise ExclusiveError(
            f"cannot listen on {listen}: {error.strerror or error}; change --host or {option}"
        ) from None
