"""Workers of a machine see what the others have in flight, and nothing of dead ones."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from time import monotonic_ns

import pytest

from pool.snapshot import BackendSpec, LimitPolicy
from proxy.core.backend import Backend
from proxy.core.latency import FORGET
from proxy.core.queue import Queue
from proxy.core.steps import at_once
from proxy.engine.live import LiveBoard


def backend(number: int) -> Backend:
    return Backend(BackendSpec(id=number, name=f"b{number}", url=f"http://10.0.0.1:{number}"))


@pytest.fixture
def board(tmp_path: Path) -> Callable[[str], LiveBoard]:
    return lambda name: LiveBoard(tmp_path / f"{name}.live")


def test_a_worker_sees_the_requests_of_another(board: Callable[[str], LiveBoard]) -> None:
    here, there = board("here"), board("there")
    mine, theirs = backend(7), backend(7)
    at_once(here.show([mine]))
    at_once(there.show([backend(1), theirs]))
    here.refresh()
    theirs.take()
    theirs.take()
    mine.take()
    assert (mine.load(), mine.in_flight) == (3, 1)
    theirs.give_back()
    assert mine.load() == 2


def test_requests_of_a_backend_that_was_moved_are_none_of_its_new_server(
    board: Callable[[str], LiveBoard],
) -> None:
    here, there = board("here"), board("there")
    old, new, mine = backend(1), backend(1), backend(1)
    at_once(here.show([mine]))
    at_once(there.show([old]))
    here.refresh()
    old.take()
    at_once(there.show([new]))
    assert mine.load() == 0
    new.take()
    old.give_back()
    assert mine.load() == 1


def test_what_a_backend_had_when_it_left_is_not_shown_for_ever(
    board: Callable[[str], LiveBoard],
) -> None:
    here, there = board("here"), board("there")
    leaving, mine = backend(1), backend(1)
    at_once(here.show([mine]))
    at_once(there.show([leaving]))
    here.refresh()
    leaving.take()
    at_once(there.show([backend(2)]))
    assert mine.load() == 0


def test_backends_that_come_later_are_seen_too(board: Callable[[str], LiveBoard]) -> None:
    here, there = board("here"), board("there")
    numbers = range(1, 1000)  # more than fits at first
    mine = {number: backend(number) for number in numbers}
    at_once(here.show(mine.values()))
    at_once(there.show([backend(1)]))
    here.refresh()
    theirs = {number: backend(number) for number in numbers}
    at_once(there.show(theirs.values()))
    theirs[999].take()
    assert mine[999].load() == 0
    here.refresh()
    assert mine[999].load() == 1


def test_a_worker_that_leaves_takes_its_numbers_along(board: Callable[[str], LiveBoard]) -> None:
    here, there = board("here"), board("there")
    mine, theirs = backend(1), backend(1)
    at_once(here.show([mine]))
    at_once(there.show([theirs]))
    theirs.take()
    here.refresh()
    assert mine.load() == 1
    there.close()
    here.refresh()
    assert mine.load() == 0


def test_what_a_killed_worker_had_in_flight_is_forgotten(
    board: Callable[[str], LiveBoard], tmp_path: Path
) -> None:
    here = board("here")
    mine = backend(1)
    at_once(here.show([mine]))
    ready, done = os.pipe()
    child = os.fork()
    if child == 0:
        there, theirs = board("there"), backend(1)
        at_once(there.show([theirs]))
        theirs.take()
        os.write(done, b"x")
        signal.pause()
        os._exit(0)
    os.read(ready, 1)
    try:
        here.refresh()
        assert mine.load() == 1
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    here.refresh()
    assert mine.load() == 0
    assert [path.name for path in tmp_path.glob("*.live")] == ["here.live"]


def test_a_running_request_stays_counted_over_a_new_configuration(
    board: Callable[[str], LiveBoard],
) -> None:
    here, there = board("here"), board("there")
    mine, theirs = backend(1), backend(1)
    at_once(there.show([theirs]))
    theirs.take()
    at_once(there.show([backend(2), theirs]))
    at_once(here.show([mine]))
    here.refresh()
    assert mine.load() == 1


def test_what_was_measured_is_told_to_those_who_have_measured_nothing(
    board: Callable[[str], LiveBoard],
) -> None:
    boards = [board(name) for name in "abc"]
    backends = [backend(1) for _ in boards]
    for one, shown in zip(boards, backends, strict=True):
        at_once(one.show([shown]))
    first, second, idle = backends
    now = monotonic_ns()
    first.latency.observe(1000, now)
    second.latency.observe(3000, now)
    for one in boards:
        one.refresh()
    for one in boards:
        one.refresh()
    assert idle.latency.known_mean(now) == 2000
    assert first.latency.known_mean(now) == 1000, "one's own is the better figure"


def test_hearsay_is_not_passed_on(board: Callable[[str], LiveBoard]) -> None:
    """Or two workers would tell each other for ever what neither has measured of late."""
    here, there = board("here"), board("there")
    mine, theirs = backend(1), backend(1)
    at_once(here.show([mine]))
    at_once(there.show([theirs]))
    theirs.latency.observe(5000, monotonic_ns())
    there.refresh()
    here.refresh()
    assert mine.latency.known_mean(monotonic_ns()) == 5000
    theirs.latency.at -= 2 * FORGET  # as if it had been long ago
    for one in (there, here, there):
        one.refresh()
    assert theirs.latency.known_mean(monotonic_ns()) == 0
    assert mine.latency.known_mean(monotonic_ns()) == 0


def test_workers_see_what_a_pool_has_in_flight_elsewhere_and_who_waits_there(
    board: Callable[[str], LiveBoard],
) -> None:
    here, there = board("here"), board("there")
    mine, theirs = (Queue(LimitPolicy(max_in_flight=2)) for _ in range(2))
    theirs.take()
    at_once(here.show([backend(1)], {1: mine}))
    at_once(there.show([backend(1)], {1: theirs}))
    here.refresh()
    assert mine.has_place(1, waited=False)
    theirs.take()
    assert not mine.has_place(1, waited=True), "a pool's number is not its backend's"
    theirs.give_back()
    theirs.cell[1] = 1
    assert (mine.has_place(2, waited=False), mine.has_place(2, waited=True)) == (False, True)


def test_places_of_backends_that_have_left_are_given_to_those_that_come(
    board: Callable[[str], LiveBoard], tmp_path: Path
) -> None:
    here, there = board("here"), board("there")
    size = (tmp_path / "there.live").stat().st_size
    for number in range(1, 2000, 50):
        at_once(there.show([backend(one) for one in range(number, number + 100)]))
    assert (tmp_path / "there.live").stat().st_size == size
    mine, theirs = backend(5001), backend(5001)
    at_once(there.show([theirs]))
    theirs.take()
    at_once(here.show([mine]))
    here.refresh()
    assert mine.load() == 1


def test_a_place_that_was_given_on_is_no_longer_read_for_who_had_it(
    board: Callable[[str], LiveBoard],
) -> None:
    """Though there are as many as before."""
    here, there = board("here"), board("there")
    one, two = backend(1), backend(2)
    at_once(here.show([one, two]))
    leaving, coming = backend(1), backend(2)
    at_once(there.show([leaving]))
    leaving.take()
    here.refresh()
    assert (one.load(), two.load()) == (1, 0)
    at_once(there.show([coming]))
    coming.take()
    leaving.give_back()
    here.refresh()
    assert (one.load(), two.load()) == (0, 1)


def test_a_queue_that_has_left_writes_nothing_where_another_one_is_shown(
    board: Callable[[str], LiveBoard],
) -> None:
    here, there = board("here"), board("there")
    mine, old, new = (Queue(LimitPolicy(max_in_flight=5)) for _ in range(3))
    at_once(there.show([], {1: old}))
    old.take()
    at_once(there.show([], {}))
    at_once(there.show([], {1: new}))
    new.take()
    old.give_back()
    at_once(here.show([], {1: mine}))
    here.refresh()
    assert [cell[0] for cell in mine.elsewhere] == [1]
