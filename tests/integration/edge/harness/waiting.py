"""Waiting for what is soon so, however busy the machine is."""

import time
from collections.abc import Callable

PATIENCE = 20.0  # seconds


def wait_until(what: str, met: Callable[[], object], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not met():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience:g} s in vain: {what}")
        time.sleep(0.01)


def wait_until_still(what: str, figure: Callable[[], int], pause: float = 0.3) -> None:
    """Until `figure` has stayed the same for so many seconds."""
    seen = [figure()]

    def still() -> bool:
        time.sleep(pause)
        seen.append(figure())
        return seen[-1] == seen[-2]

    wait_until(f"{what} stands still", still)
