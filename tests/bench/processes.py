"""Start, await, weigh and stop processes; figures come from /proc."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
START_SECONDS = 30.0
STOP_SECONDS = 10.0


class StartError(RuntimeError):
    """A program did not come up; the message holds the end of its output."""


@dataclass(frozen=True)
class CpuTime:
    """Seconds of CPU time."""

    user: float
    system: float

    def __sub__(self, earlier: "CpuTime") -> "CpuTime":
        return CpuTime(self.user - earlier.user, self.system - earlier.system)

    @property
    def total(self) -> float:
        return self.user + self.system


def stop_cleanly_when_terminated() -> None:
    """SIGTERM ends the bench as Ctrl-C does: by way of every `finally`."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _stat_fields(pid: int) -> list[str]:
    """proc(5): the fields after the program's name, the state first. Empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _all_parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat_fields(int(entry.name))):
            yield int(entry.name), int(fields[1])


def process_tree(root: int) -> list[int]:
    """`root` and all its descendants."""
    children: dict[int, list[int]] = {}
    for pid, parent in _all_parents():
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:
        found.extend(children.get(pid, []))
    return found


def cpu_time(pids: Iterable[int]) -> CpuTime:
    """Of these processes and of their children that have ended and been waited for."""
    user = system = 0
    for pid in pids:
        if fields := _stat_fields(pid):
            user += int(fields[11]) + int(fields[13])
            system += int(fields[12]) + int(fields[14])
    return CpuTime(user / TICKS_PER_SECOND, system / TICKS_PER_SECOND)


def busy_time(cores: Iterable[int]) -> float:
    """Seconds in which these cores were not idle, whoever used them (proc(5), /proc/stat)."""
    names = {f"cpu{core}" for core in cores}
    ticks = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name in names:
            user, nice, system, _idle, _waiting, irq, soft_irq, steal = map(int, fields[:8])
            ticks += user + nice + system + irq + soft_irq + steal
    return ticks / TICKS_PER_SECOND


def reset_peak_memory(pids: Iterable[int]) -> None:
    """Make VmHWM count anew from what is resident now (proc(5), clear_refs)."""
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_memory(pids: Iterable[int]) -> int:
    """Bytes: the sum of the highest resident sizes since the last reset."""
    return sum(_status_kib(pid, "VmHWM") for pid in pids) * 1024


def memory(pids: Iterable[int]) -> int:
    """Bytes resident now. Pages that processes share count once for each."""
    return sum(_status_kib(pid, "VmRSS") for pid in pids) * 1024


def _status_kib(pid: int, field: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{field}:")), 0)


class Program:
    """A process that was started here, its output in a file, stopped by its own pid."""

    def __init__(self, command: list[str], log: Path, environment: dict[str, str] | None = None):
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | (environment or {}),
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def pids(self) -> list[int]:
        return process_tree(self.pid)

    def wait_until(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if self._process.poll() is not None:
                raise StartError(f"exited with {self._process.returncode}: {self._last_output()}")
            if time.monotonic() > deadline:
                raise StartError(f"not ready after {START_SECONDS:.0f} s: {self._last_output()}")
            time.sleep(0.05)

    def stop(self) -> None:
        family = self.pids
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            _kill(family)
            self._process.wait()

    def _last_output(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n")
        return " | ".join(line for line in lines if line)[-600:] or "(no output)"


def _kill(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            continue
