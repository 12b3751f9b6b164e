"""What every system under test has in common."""

import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tests.bench.backend import SMALL, Address
from tests.bench.cores import pinned
from tests.bench.probe import answers, wrong_answer
from tests.bench.processes import Program, StartError, free_port


@dataclass(frozen=True)
class Site:
    """Where one instance lives and what it forwards to."""

    folder: Path
    backends: tuple[Address, ...]
    workers: int
    cores: tuple[int, ...]


class System(ABC):
    """One proxy: it writes its configuration into its folder and runs in the foreground."""

    name: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, site: Site) -> None:
        self.site = site
        self.port = free_port()
        self._program: Program | None = None

    @classmethod
    @abstractmethod
    def missing(cls) -> str | None:
        """Why it cannot run here and what to install, or None."""

    @classmethod
    @abstractmethod
    def version(cls) -> str: ...

    @abstractmethod
    def command(self) -> list[str]:
        """Write the configuration; return the command that runs it."""

    def environment(self) -> dict[str, str]:
        return {}

    def start(self) -> None:
        """Returns once requests of every kind have come back through it as they should."""
        self.site.folder.mkdir(parents=True, exist_ok=True)
        self._program = Program(
            pinned(self.site.cores, self.command()), self.site.folder / "log", self.environment()
        )
        self._program.wait_until(lambda: answers(self.port, SMALL))
        if complaint := wrong_answer(self.port):
            raise StartError(complaint)

    def stop(self) -> None:
        if self._program is not None:
            self._program.stop()

    @property
    def pids(self) -> list[int]:
        """Its whole process tree as it is now."""
        return self._program.pids if self._program else []

    @property
    def apart(self) -> list[int]:
        """Processes that it needs but does not own, weighed apart."""
        return []

    @property
    def growing(self) -> list[Path]:
        """Files to which each run adds: they are emptied before it."""
        return []


def missing_program(program: str, hint: str) -> str | None:
    return None if shutil.which(program) else f"{program} is not installed ({hint})"
