"""The secret key of a data folder."""

import stat
import subprocess
import sys
from pathlib import Path

from lbsite.secrets import load_or_create_secret_key


def test_the_key_is_made_once(tmp_path: Path) -> None:
    key = load_or_create_secret_key(tmp_path)
    assert len(key) >= 50
    assert load_or_create_secret_key(tmp_path) == key


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    load_or_create_secret_key(tmp_path)
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600


def test_nothing_else_is_left_in_the_folder(tmp_path: Path) -> None:
    load_or_create_secret_key(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys; from lbsite.secrets import load_or_create_secret_key as load;"
        "sys.stdin.read(); print(load(pathlib.Path(sys.argv[1])))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        process.stdin.close()  # go
    keys = {process.stdout.read().strip() for process in processes}
    for process in processes:
        process.stdout.close()
        assert process.wait(30) == 0
    (key,) = keys
    assert len(key) >= 50
