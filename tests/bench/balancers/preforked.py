"""Several processes that serve the same port."""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType


def run(workers: int, serve: Callable[[], None]) -> None:
    """`serve` in this process, or in `workers` children that end with it."""
    if workers == 1:
        serve()
        return
    children = [_fork(serve) for _ in range(workers)]

    def stop(_signal: int, _frame: FrameType | None) -> None:
        for child in children:
            os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    for child in children:
        os.waitpid(child, 0)


def _fork(serve: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        serve()
        sys.exit()
    return child
