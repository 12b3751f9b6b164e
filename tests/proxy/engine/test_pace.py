"""Long work lets others have their turn, and does not ask them after every bit of it."""

import asyncio
from collections.abc import Iterator

import pytest

from proxy.core.steps import Steps
from proxy.engine import pace
from proxy.engine.pace import in_slices


def work(steps: int, log: list[str]) -> Steps[str]:
    for number in range(steps):
        log.append(f"step {number}")
        yield
    return "done"


@pytest.mark.parametrize(
    ("lasts", "expected"),
    [
        (1.0, ["step 0", "request", "step 1", "request", "step 2", "request"]),
        (0.0001, ["step 0", "step 1", "step 2", "request"]),
    ],
)
def test_requests_have_their_turn_when_a_slice_of_time_is_over(
    monkeypatch: pytest.MonkeyPatch, lasts: float, expected: list[str]
) -> None:
    """`lasts`: seconds that a step takes."""
    log: list[str] = []

    def clock() -> Iterator[float]:
        now = 0.0
        while True:
            yield now
            now += lasts

    async def requests() -> None:
        while True:
            await asyncio.sleep(0)
            log.append("request")

    async def run() -> None:
        others = asyncio.create_task(requests())
        await asyncio.sleep(0)
        assert await in_slices(work(3, log)) == "done"
        others.cancel()

    ticks = clock()
    monkeypatch.setattr(pace, "perf_counter", lambda: next(ticks))
    monkeypatch.setattr(pace, "_PAUSE", 0)  # the shortest: one turn of the others
    asyncio.run(run())
    assert log == expected
