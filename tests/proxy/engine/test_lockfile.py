"""Files that belong to a process for as long as it lives."""

import errno
import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from proxy.engine.lockfile import Locked, create_locked, lock


def test_a_file_whose_process_lives_is_locked(tmp_path: Path) -> None:
    path = tmp_path / "file"
    owned = create_locked(path)
    with pytest.raises(Locked):
        lock(path, os.O_RDWR)
    os.close(owned)
    os.close(lock(path, os.O_RDWR))


def test_a_file_system_without_locks_does_not_pass_for_a_process_that_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match=os.strerror(errno.ENOLCK)):
        create_locked(tmp_path / "file")
