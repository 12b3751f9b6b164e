"""Names to addresses: fresh ones, outages, and names that hang."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from proxy.engine import resolver
from proxy.engine.resolver import MANY, UNUSED, Resolver


class Clock:
    """A loop's time that the test moves; everything else is the loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.ahead = 0.0

    def time(self) -> float:
        return self._loop.time() + self.ahead

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


class Names:
    """A directory of names that tests change; `asked` are the look-ups in order."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.known: dict[str, tuple[str, ...]] = {}
        self.hanging: dict[str, threading.Event] = {}

    def look_up(self, host: str) -> tuple[str, ...]:
        self.asked.append(host)
        if host in self.hanging:
            self.hanging[host].wait(10)
        try:
            return self.known[host]
        except KeyError:
            raise OSError("unknown name") from None


Scenario = Callable[[Resolver, Names, Clock], Coroutine[Any, Any, None]]


def play(scenario: Scenario) -> None:
    async def on_loop() -> None:
        clock, names = Clock(asyncio.get_running_loop()), Names()
        under_test = Resolver(clock, names.look_up)  # type: ignore[arg-type]
        try:
            await scenario(under_test, names, clock)
        finally:
            for event in names.hanging.values():
                event.set()
            under_test.close()

    asyncio.run(on_loop())


async def until(met: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not met():
            await asyncio.sleep(0.001)


def test_a_fresh_answer_is_not_asked_for_again() -> None:
    async def scenario(under_test: Resolver, names: Names, clock: Clock) -> None:
        names.known["a"] = ("10.0.0.1", "10.0.0.2")
        for _ in range(3):
            assert await under_test.addresses("a") == ("10.0.0.1", "10.0.0.2")
        assert names.asked == ["a"]

    play(scenario)


def test_a_change_is_found_without_a_request_that_waits_for_it() -> None:
    async def scenario(under_test: Resolver, names: Names, clock: Clock) -> None:
        names.known["a"] = ("10.0.0.1",)
        await under_test.addresses("a")
        names.known["a"] = ("10.0.0.2",)
        clock.ahead += resolver.FRESH
        assert await under_test.addresses("a") == ("10.0.0.1",)
        await until(lambda: under_test.watch("a") == ("10.0.0.2",))
        assert await under_test.addresses("a") == ("10.0.0.2",)
        assert names.asked == ["a", "a"]

    play(scenario)


def test_a_name_that_is_watched_is_looked_up_again_in_its_time() -> None:
    async def scenario(under_test: Resolver, names: Names, clock: Clock) -> None:
        assert under_test.watch("a") == ()
        names.known["a"] = ("10.0.0.1",)
        await under_test.addresses("a")
        names.known["a"] = ("10.0.0.2",)
        assert under_test.watch("a") == ("10.0.0.1",)
        clock.ahead += resolver.FRESH
        await until(lambda: under_test.watch("a") == ("10.0.0.2",))
        assert names.asked == ["a", "a"], "nobody asks for what nobody uses, nor too often"

    play(scenario)


def test_who_finds_the_old_addresses_dead_can_wait_for_new_ones() -> None:
    async def scenario(under_test: Resolver, names: Names, clock: Clock) -> None:
        names.known["a"] = ("10.0.0.1",)
        await under_test.addresses("a")
        assert await under_test.renewed("a") == ("10.0.0.1",)
        names.known["a"] = ("10.0.0.2",)
        clock.ahead += resolver.FRESH
        assert await under_test.addresses("a") == ("10.0.0.1",)
        assert await under_test.renewed("a") == ("10.0.0.2",)

    play(scenario)


def test_new_addresses_are_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(under_test: Resolver, names: Names, clock: Clock) -> None:
        names.known["a"] = ("10.0.0.1",)
        await under_test.addresses("a")
        names.hanging["a"] = threading.Event()
        clock.ahead += resolver.FRESH
        assert await under_test.addresses("a") == ("10.0.0.1",)
        assert await under_test.renewed("a") == ("10.0.0.1",)

    monkeypatch.setattr(resolver, "PATIENCE", 0.01)
    play(scenario)


def test_known_addresses_outlive_an_outage_of_the_resolver() -> None:
    async def scenario(under_test: Resolver, names: Names, clock: Clock) -> None:
        names.known["a"] = ("10.0.0.1",)
        await under_test.addresses("a")
        names.known.clear()
        for asked in (2, 3):
            clock.ahead += resolver.FRESH
            assert await under_test.addresses("a") == ("10.0.0.1",)
            await until(lambda asked=asked: len(names.asked) == asked)
            await until(lambda: not under_test._under_way)

    play(scenario)


def test_a_failure_is_remembered_and_then_tried_again() -> None:
    async def scenario(under_test: Resolver, names: Names, clock: Clock) -> None:
        for _ in range(3):
            with pytest.raises(OSError, match="the name a does not resolve: unknown name"):
                await under_test.addresses("a")
        assert names.asked == ["a"]
        names.known["a"] = ("10.0.0.1",)
        clock.ahead += resolver.FRESH
        assert await under_test.addresses("a") == ("10.0.0.1",)

    play(scenario)


def test_those_who_ask_at_a_time_share_one_look_up() -> None:
    async def scenario(under_test: Resolver, names: Names, clock: Clock) -> None:
        names.known["a"] = ("10.0.0.1",)
        names.hanging["a"] = threading.Event()
        waiting = [asyncio.create_task(under_test.addresses("a")) for _ in range(10)]
        await until(lambda: names.asked)
        waiting[0].cancel()  # its request has been given up: the others go on waiting
        await asyncio.wait([waiting[0]])
        names.hanging["a"].set()
        assert await asyncio.gather(*waiting[1:]) == [("10.0.0.1",)] * 9
        assert names.asked == ["a"]

    play(scenario)


def test_a_name_that_hangs_holds_up_no_other() -> None:
    async def scenario(under_test: Resolver, names: Names, clock: Clock) -> None:
        names.known["a"] = ("10.0.0.1",)
        names.hanging["slow"] = threading.Event()
        waiting = asyncio.create_task(under_test.addresses("slow"))
        await until(lambda: names.asked)
        async with asyncio.timeout(1):
            assert await under_test.addresses("a") == ("10.0.0.1",)
        assert not waiting.done()
        waiting.cancel()

    play(scenario)


def test_hundreds_of_names_that_hang_hold_up_none_that_was_found() -> None:
    async def scenario(under_test: Resolver, names: Names, clock: Clock) -> None:
        names.known["a"] = ("10.0.0.1",)
        await under_test.addresses("a")
        never = threading.Event()
        names.hanging |= {f"slow{number}": never for number in range(300)}
        waiting = [asyncio.create_task(under_test.addresses(name)) for name in names.hanging]
        await until(lambda: len(names.asked) > 100)
        names.known["a"] = ("10.0.0.2",)
        clock.ahead += resolver.FRESH
        await until(lambda: under_test.watch("a") == ("10.0.0.2",))
        for task in waiting:
            task.cancel()

    play(scenario)


@pytest.mark.parametrize("host", ["x" * 64 + ".test", "a..b"])
def test_a_name_that_cannot_be_one_is_an_error_like_any_other(host: str) -> None:
    async def scenario() -> None:
        under_test = Resolver(asyncio.get_running_loop())
        with pytest.raises(OSError, match="does not resolve"):
            await under_test.addresses(host)
        under_test.close()

    asyncio.run(scenario())


def test_names_that_nobody_has_asked_for_lately_are_forgotten() -> None:
    """Where each new backend has a name of its own, they would become more and more."""

    async def scenario(resolver: Resolver, names: Names, clock: Clock) -> None:
        old = [f"old-{number}.test" for number in range(MANY - 1)]
        names.known = dict.fromkeys([*old, "kept.test", "new.test"], ("10.0.0.1",))
        for name in old:
            await resolver.addresses(name)
        clock.ahead += UNUSED + 1
        await resolver.addresses("kept.test")
        assert resolver.watch(old[0])
        await resolver.renewed(old[0])  # somebody has connections to this one
        names.known = {}
        await resolver.addresses("kept.test")
        with pytest.raises(OSError, match=r"new\.test"):
            await resolver.addresses("new.test")
        assert resolver.watch("kept.test") == resolver.watch(old[0]) == ("10.0.0.1",)
        assert not any(resolver.watch(name) for name in old[1:])

    play(scenario)
