"""One `lb up`: the whole product as a user starts it, on free loopback ports."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil

from tests.integration.edge.harness.ports import ReservedPort
from tests.integration.edge.harness.processes import runs

MANAGE = Path(__file__).parents[2] / "manage.py"
PATIENCE = 120.0  # seconds; generous, for machines that do other things as well


MARKS = {
    "redis": "redis",
    "edge": "lbsite-edge",
    "web": "lbsite-web",
    "worker": " worker ",
    "beat": " beat",
}


class Product:
    """One `lb up`, with what it printed. `variables`: of its environment."""

    def __init__(self, folder: Path, variables: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._variables = variables or {}
        self._ports = [ReservedPort(), ReservedPort()]
        self.port, self.admin_port = (port.number for port in self._ports)
        self.lines: list[str] = []
        self.process: psutil.Popen | None = None
        self._family: list[psutil.Process] = []

    def start(self, *arguments: str) -> "Product":
        self.lines = []
        self.process = psutil.Popen(
            [sys.executable, str(MANAGE), "up", *self.arguments(), *arguments],
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, args=[self.process.stdout], daemon=True).start()
        return self

    def environment(self) -> dict[str, str]:
        return environment() | self._variables

    def arguments(self) -> list[str]:
        return [
            *("--data-dir", str(self.folder)),
            *("--port", str(self.port), "--admin-port", str(self.admin_port)),
        ]

    def _read(self, stream: Iterator[str]) -> None:
        self.lines.extend(line.rstrip("\n") for line in stream)

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    @staticmethod
    def wait_until(condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"waited {PATIENCE} s for {what}"
            time.sleep(0.05)

    def wait_for(self, text: str) -> "Product":
        def said() -> bool:
            if text in self.output:
                return True
            assert self.process.poll() is None, f"up ended without {text!r}:\n{self.output}"
            return False

        try:
            self.wait_until(said, text)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output}") from None
        return self

    def wait_until_running(self) -> "Product":
        self.wait_for("Stop it with Ctrl+C.")
        self.family()
        return self

    def get(self, path: str = "/", port: int | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def serves(self, path: str = "/", port: int | None = None) -> bool:
        try:
            return self.get(path, port)[0] == 200
        except OSError:
            return False

    def wait_for_the_admin(self) -> None:
        """A program that runs (again) need not listen yet."""
        self.wait_until(lambda: self.serves("/admin/login/", self.admin_port), "the admin")

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, str(MANAGE), *arguments, "--data-dir", str(self.folder)]
        return subprocess.run(
            command, env=self.environment(), capture_output=True, text=True, check=True
        ).stdout

    @cached_property
    def _token(self) -> str:
        return self.manage("token", "admin").strip()

    def rest(self, method: str, path: str, body: Any = None) -> Any:
        """What /api/v1/ answers to a request that it takes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=10)
        headers = {"Authorization": f"Token {self._token}", "Content-Type": "application/json"}
        with contextlib.closing(connection):
            connection.request(method, f"/api/v1/{path}", json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read().decode()
        assert 200 <= response.status < 300, f"{response.status} {text}"
        return json.loads(text) if text else None

    def settle(self, figure: Callable[[], int]) -> None:
        """Until `figure` has stayed the same for longer than a batch takes to be counted."""
        seen = [figure()]

        def settled() -> bool:
            time.sleep(0.5)
            seen.append(figure())
            return len(set(seen[-8:])) == 1 and len(seen) > 8

        self.wait_until(settled, "the figure to settle")

    def program(self, name: str) -> psutil.Process:
        """The process that supervises itself or runs alone as `name`, once it runs (again).

        Not its own workers.
        """
        found: list[psutil.Process] = []

        def found_it() -> bool:
            children = self.process.children()
            found[:] = [one for one in children if MARKS.get(name, name) in command_of(one)]
            return bool(found)

        self.wait_until(found_it, name)
        return found[0]

    def family(self) -> list[psutil.Process]:
        """Every process there ever was: some may have lost their parent since."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._family += [self.process, *self.process.children(recursive=True)]
        return self._family

    def survivors(self) -> list[psutil.Process]:
        return [process for process in {*self._family} if runs(process)]

    def stop(self) -> int:
        self.family()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def destroy(self) -> None:
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(psutil.TimeoutExpired):
                self.stop()
        for process in self.survivors():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for port in self._ports:
            port.release()


def command_of(process: psutil.Process) -> str:
    """Of one that has ended: nothing."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def environment() -> dict[str, str]:
    """Without what this test run, or the user, has set for the product."""
    return {
        name: value
        for name, value in os.environ.items()
        if not re.match("LB_|DATABASE_URL$|DJANGO_", name)
    } | {"PYTHONUNBUFFERED": "1"}
