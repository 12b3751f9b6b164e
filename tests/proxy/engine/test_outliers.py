"""One worker's outliers, where a configuration comes while others are asked about them."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from pool.bus import Happening
from pool.outliers.records import Ejections
from pool.snapshot import BackendSpec, OutlierPolicy, PoolSpec, build
from proxy.core.configuration import Configuration
from proxy.core.steps import at_once
from proxy.engine.outliers import Outliers

POLICY = OutlierPolicy(enabled=True, consecutive_5xx=2, max_ejected=50)


class Meanwhile:
    """Redis' part: `act` happens before it answers."""

    def __init__(self, act: Callable[[], None], error: Exception | None = None) -> None:
        self.told: list[Happening] = []
        self._act = act
        self._error = error

    async def replace(
        self, pool_id: int, before: bytes, after: Ejections, told: Sequence[Happening]
    ) -> bytes | None:
        self._act()
        if self._error is not None:
            raise self._error
        self.told += told
        return None


class Worker:
    def __init__(self) -> None:
        self.outliers = Outliers(lambda: None)
        self.configuration = Configuration()

    def serve(self, *names: str, **urls: str) -> None:
        backends = tuple(
            BackendSpec(id=ord(name), name=name, url=urls.get(name, f"http://{name}"))
            for name in names
        )
        pool = PoolSpec(
            id=1, name="shop", algorithm="round_robin", outlier=POLICY, backends=backends
        )
        self.configuration = Configuration(build(1, (pool,), ()), self.configuration)
        known = self.outliers.take_over(at_once(self.outliers.prepare(self.configuration)))
        at_once(self.outliers.settle(self.configuration, known))

    def fail(self, name: str) -> None:
        monitor = self.configuration.pools[1].backends[ord(name)].monitor
        assert monitor is not None
        for _ in range(POLICY.consecutive_5xx):
            monitor.failed(500)

    def agree(self, shared: Any) -> None:
        asyncio.run(self.outliers.agree(shared))

    def chosen(self) -> set[str]:
        pool = self.configuration.pools[1]
        return {backend.spec.name for _ in range(20) if (backend := pool.choose()) is not None}


@pytest.fixture
def worker() -> Worker:
    worker = Worker()
    worker.serve("a", "b", "c", "d")
    return worker


def nothing() -> None:
    pass


@pytest.mark.parametrize("error", [None, TimeoutError()])
def test_nobody_is_sent_to_a_backend_that_leaves_while_another_one_is_ejected(
    worker: Worker, error: Exception | None
) -> None:
    worker.fail("a")
    worker.agree(Meanwhile(lambda: worker.serve("a", "b", "c"), error))
    assert worker.chosen() == {"a", "b", "c"}
    worker.agree(Meanwhile(nothing))
    assert worker.chosen() == {"b", "c"}


def test_a_suspect_is_still_one_under_the_next_configuration(worker: Worker) -> None:
    worker.fail("a")
    worker.serve("a", "b", "c")
    worker.agree(Meanwhile(nothing))
    assert worker.chosen() == {"b", "c"}


def test_a_suspect_at_another_url_is_none(worker: Worker) -> None:
    worker.fail("a")
    worker.serve("a", "b", "c", a="http://elsewhere")
    worker.agree(Meanwhile(nothing))
    assert worker.chosen() == {"a", "b", "c"}


def test_one_that_was_moved_comes_back_whatever_is_changed_next(worker: Worker) -> None:
    worker.fail("a")
    worker.agree(Meanwhile(nothing))
    worker.serve("a", "b", "c", "d", a="http://elsewhere")
    worker.serve("a", "b", "c", a="http://elsewhere")
    worker.agree(Meanwhile(nothing))
    assert worker.chosen() == {"a", "b", "c"}
