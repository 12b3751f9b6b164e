"""Which core runs what: the proxy alone on its own, the load and the backend elsewhere."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

_AVAILABLE = sorted(os.sched_getaffinity(0))  # before `step_aside` narrows it


@dataclass(frozen=True)
class Cores:
    """Core numbers. `shared`: the proxy shares them with the load, its requests/s say little."""

    proxy: tuple[int, ...]
    load: tuple[int, ...]
    backend: tuple[int, ...]
    shared: bool


def share_out(workers: int) -> Cores:
    """The last core to the backend, the one before it to the load, the first ones to the proxy.

    On two cores the load and the backend share one. Where nothing is left for
    all workers, the proxy gets every core: CPU per request is still right.
    """
    backend = _AVAILABLE[-1]
    load = _AVAILABLE[-2] if len(_AVAILABLE) > 2 else backend
    own = tuple(core for core in _AVAILABLE if core not in (load, backend))
    enough = len(own) >= workers
    proxy = own[:workers] if enough else tuple(_AVAILABLE)
    return Cores(proxy=proxy, load=(load,), backend=(backend,), shared=not enough)


def step_aside() -> None:
    """Keep this process off the proxy's core."""
    os.sched_setaffinity(0, share_out(1).load)


def pinned(cores: tuple[int, ...], command: list[str]) -> list[str]:
    """`command` on these cores from its first instruction; taskset execs, so the pid is kept."""
    return ["taskset", "--cpu-list", ",".join(map(str, cores)), *command]


def describe_machine() -> str:
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return (
        f"{len(_AVAILABLE)} cores, {model}, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load average {os.getloadavg()[0]:.2f} at the start"
    )
