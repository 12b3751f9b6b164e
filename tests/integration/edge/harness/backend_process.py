"""A backend that is a process of its own, and can be killed as one."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

from pool.snapshot import BackendSpec
from tests.integration.edge.harness.backend import ids
from tests.integration.edge.harness.ports import ReservedPort

ROOT = Path(__file__).parents[4]
PROGRAM = "tests.integration.edge.harness.backend"


class BackendProcess:
    """Its port stays its own while it is down."""

    def __init__(self, number: int) -> None:
        self._port = ReservedPort()
        url = f"http://127.0.0.1:{self._port.number}"
        self.spec = BackendSpec(id=next(ids), name=f"p{number}", url=url)
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", PROGRAM, self.spec.name, str(self._port.number)]
        self.process = subprocess.Popen(command, cwd=ROOT)

    def is_up(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port.number)) == 0

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def end(self) -> None:
        self.kill()
        self._port.release()
