"""What Redis says of circuits and nobody can read is decided without it."""

import asyncio
from typing import Any

import msgspec
import pytest

from proxy.engine.circuits import Circuits


class Unreadable:
    """In the place of `RedisCircuits`."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def apply(self, steps: Any, now: float) -> Any:
        raise self.error


@pytest.mark.parametrize(
    "error",
    [msgspec.DecodeError("?"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "?"), RecursionError()],
    ids=lambda error: type(error).__name__,
)
def test_it_is_as_if_redis_were_away(error: Exception) -> None:
    shared: Any = Unreadable(error)
    step: Any = None
    assert asyncio.run(Circuits()._ask(shared, [step], 1.0)) == [None]
