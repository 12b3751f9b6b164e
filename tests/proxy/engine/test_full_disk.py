"""A disk without room may cost a row of one's own, but mixes up no rows."""

from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from proxy.engine.board import Board, RowName
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
