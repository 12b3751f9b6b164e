"""A data folder and a port belong to one `lb up`."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lbsite.launch.exclusive import ExclusiveError, check_folder, check_port, folder_lock
from lbsite.launch.programs import Listen
from tests.integration.edge.harness.ports import ReservedPort


def test_a_folder_can_be_had_once(tmp_path: Path) -> None:
    with (
        folder_lock(tmp_path),
        pytest.raises(ExclusiveError, match=rf"\(pid {os.getpid()}\)"),
        folder_lock(tmp_path),
    ):
        pass
    with folder_lock(tmp_path):
        pass


def test_the_lock_of_a_killed_process_holds_nobody_back(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys; from lbsite.launch.exclusive import folder_lock\n"
        "with folder_lock(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    result = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert result.returncode == -9
    assert (tmp_path / "up.lock").read_text().strip().isdecimal()
    with folder_lock(tmp_path):
        pass


def test_a_folder_too_long_for_unix_sockets_is_refused() -> None:
    check_folder(Path("/" + "a" * 80))
    with pytest.raises(ExclusiveError, match=r"too long .* --data-dir"):
        check_folder(Path("/" + "a" * 100))


def test_a_port_in_use_is_refused_with_the_option_to_change() -> None:
    port = ReservedPort()
    listen = Listen(host="127.0.0.1", port=port.number)
    with (
        socket.create_server(("127.0.0.1", port.number)),
        pytest.raises(ExclusiveError, match="in use; choose another with --port"),
    ):
        check_port(listen, "--port")
    check_port(listen, "--port")
    port.release()


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ExclusiveError, match=r"cannot listen on 192\.0\.2\.1:8000: "):
        check_port(Listen(host="192.0.2.1", port=8000), "--port")
