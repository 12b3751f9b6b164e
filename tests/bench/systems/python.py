"""The balancers that one would write in Python with the usual libraries."""

import importlib.util
import platform
import sys
from importlib.metadata import version
from typing import ClassVar

from tests.bench.balancers.settings import BACKENDS_VARIABLE
from tests.bench.systems.base import System

_FOLDER = "tests.bench.balancers"


class PythonBalancer(System):
    """A module of `balancers`; the backends are named in the environment."""

    packages: ClassVar[tuple[str, ...]]

    @classmethod
    def missing(cls) -> str | None:
        absent = [name for name in cls.packages if importlib.util.find_spec(name) is None]
        return f"{', '.join(absent)} not installed (pip install '.[bench]')" if absent else None

    @classmethod
    def version(cls) -> str:
        return ", ".join(f"{name} {version(name)}" for name in cls.packages)

    def environment(self) -> dict[str, str]:
        return {BACKENDS_VARIABLE: ",".join(address.url for address in self.site.backends)}


class AiohttpBalancer(PythonBalancer):
    name = "aiohttp"
    title = "aiohttp balancer"
    packages = ("aiohttp", "uvloop")

    def command(self) -> list[str]:
        module = f"{_FOLDER}.aiohttp_balancer"
        return [sys.executable, "-m", module, str(self.port), str(self.site.workers)]


class FastApiBalancer(PythonBalancer):
    name = "fastapi"
    title = "FastAPI + httpx balancer"
    packages = ("fastapi", "httpx", "uvicorn", "uvloop")

    def command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "uvicorn", f"{_FOLDER}.fastapi_balancer:app"),
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--workers", str(self.site.workers)),
            *("--loop", "uvloop", "--no-access-log", "--log-level", "error"),
        ]


class ThreadedBalancer(PythonBalancer):
    name = "threads"
    title = "Thread-per-connection balancer"
    packages = ()

    @classmethod
    def version(cls) -> str:
        return f"http.server of Python {platform.python_version()}"

    def command(self) -> list[str]:
        module = f"{_FOLDER}.threaded_balancer"
        return [sys.executable, "-m", module, str(self.port), str(self.site.workers)]
