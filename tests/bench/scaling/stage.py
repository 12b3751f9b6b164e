"""The edge on its core, a backend on the other: the stage of every measurement here."""

import resource
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pool.snapshot import Snapshot
from tests.bench.backend import Address, Backend
from tests.bench.cores import share_out
from tests.bench.systems.base import Site, System
from tests.bench.systems.edge import Edge

# More than 10,000 clients on one worker, and none of them closed for being idle.
OPTIONS = ["--worker-connections", "20000", "--keep-alive", "300"]


@dataclass(frozen=True)
class Stage:
    folder: Path
    backend: Backend
    running: ExitStack

    def edge(self, name: str, snapshot: Snapshot) -> Edge:
        """A running edge with one worker; stopped when the stage is left."""
        edge = Edge(self._site(name, ()), snapshot)
        edge.options = OPTIONS
        self._run(edge)
        return edge

    def system(self, kind: type[System], name: str, backends: tuple[Address, ...]) -> System:
        """Another system in the same place."""
        system = kind(self._site(name, backends))
        self._run(system)
        return system

    def _site(self, name: str, backends: tuple[Address, ...]) -> Site:
        return Site(self.folder / name, backends, workers=1, cores=share_out(1).proxy)

    def _run(self, system: System) -> None:
        self.running.callback(system.stop)
        system.start()


@contextmanager
def set_up() -> Iterator[Stage]:
    _raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="lb-scale-") as name, ExitStack() as running:
        folder = Path(name)
        backend = Backend(folder / "backend", share_out(1).backend)
        running.callback(backend.stop)
        backend.start()
        yield Stage(folder, backend, running)


def _raise_file_limit() -> None:
    _, highest = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest, highest))


def worker_pid(edge: Edge) -> int:
    """The gunicorn worker: the master's only child."""
    return edge.pids[1]
