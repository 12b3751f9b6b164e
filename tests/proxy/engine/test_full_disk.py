"""A disk without room may cost a row of one's own, but mixes up no rows and refuses nothing."""

from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from pool.snapshot import BackendSpec, PoolSpec, RateLimitPolicy, RouteSpec, build
from proxy.core.backend import Backend
from proxy.core.configuration import Configuration
from proxy.core.steps import at_once
from proxy.engine.board import Board
from proxy.engine.live import LiveBoard
from proxy.engine.rates import Rates
from proxy.engine.row_names import RowName
from tests.proxy.engine.disk import no_file_beyond

OpenBoard = Callable[..., Board]
NameOf = Callable[[int], RowName]


@pytest.mark.parametrize("room", [0, 10])
def test_a_name_for_which_there_is_no_room_leaves_no_trace(
    open_board: OpenBoard, row_name: NameOf, tmp_path: Path, room: int
) -> None:
    board = open_board()
    board.row(row_name(1))
    names = tmp_path / "worker.rows"
    with no_file_beyond(names.stat().st_size + room), pytest.raises(OSError, match=r"worker|large"):
        board.row(row_name(2))
    third = board.row(row_name(3)).at
    board.close(delete=False)
    rows = {name: row.at for name, row in open_board().rows.items()}
    assert rows == {row_name(1): board.rows[row_name(1)].at, row_name(3): third}


def test_a_board_that_cannot_grow_goes_on_with_the_rows_it_has(
    open_board: OpenBoard, row_name: NameOf, tmp_path: Path
) -> None:
    board = open_board()
    held = 0
    with no_file_beyond((tmp_path / "worker.board").stat().st_size), suppress(OSError):
        for held in count():
            board.row(row_name(held))
    rows = [board.row(row_name(number)).at for number in range(held)]
    assert len(set(rows)) == held > 0
    assert board.row(row_name(held)).at > rows[-1]
    board.close(delete=False)
    assert list(open_board().rows) == [row_name(number) for number in range(held + 1)]


def test_backends_that_cannot_be_shown_to_other_workers_are_served_all_the_same(
    tmp_path: Path,
) -> None:
    def backends() -> list[Backend]:
        specs = (BackendSpec(id=n, name=f"b{n}", url="http://10.0.0.1") for n in range(1, 1000))
        return [Backend(spec) for spec in specs]

    live, file = LiveBoard(tmp_path / "worker.live"), tmp_path / "worker.live"
    shown = backends()
    with no_file_beyond(file.stat().st_size):
        at_once(live.show(shown))
        live.refresh()
    for backend in shown:
        backend.take()
    assert {backend.load() for backend in shown} == {1}
    other, theirs = LiveBoard(tmp_path / "other.live"), backends()
    at_once(other.show(theirs))
    other.refresh()
    seen = [backend.load() for backend in theirs]
    assert sum(seen) > 0
    at_once(live.show(shown))  # there is room again
    other.refresh()
    assert {backend.load() for backend in theirs} == {1}


def test_rate_limits_hold_without_room_for_the_machines_counters(tmp_path: Path) -> None:
    limit = RateLimitPolicy(requests=2, period=3600.0)
    route = RouteSpec(id=1, pool_id=1, rate_limit=limit)
    configuration = Configuration(build(1, (PoolSpec(id=1, name="shop"),), (route,)))
    with no_file_beyond(4096):
        at_once(Rates(tmp_path / "rates").prepare(configuration))
    found = configuration.routes[0].limit
    assert found is not None
    now = 10**12
    assert [found.take(1, now) for _ in range(3)] == [True, True, False]
