"""The board: rows that outlive their worker, and belong to one process at a time."""

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from proxy.engine.board import REQUESTS, WORDS, Board, RowName
from proxy.engine.lockfile import Locked

OpenBoard = Callable[..., Board]
NameOf = Callable[[int], RowName]


def test_a_row_is_made_once_and_rows_do_not_overlap(
    open_board: OpenBoard, row_name: NameOf
) -> None:
    board = open_board()
    rows = [board.row(row_name(number)) for number in range(5)]
    assert [board.row(row_name(number)) for number in range(5)] == rows
    assert all(after - before >= 3 * WORDS for before, after in pairwise(rows))


def test_what_was_counted_is_there_when_the_board_is_opened_again(
    open_board: OpenBoard, row_name: NameOf
) -> None:
    board = open_board()
    for number in range(3):
        row = board.row(row_name(number))
        board.live[row + REQUESTS] = 10 + number
    board.mark_frozen(4, at=1_700_000_000)
    board.mark_acknowledged(3)
    board.close(delete=False)
    again = open_board()
    assert [again.live[row + REQUESTS] for row in again.rows.values()] == [10, 11, 12]
    assert list(again.rows) == [row_name(number) for number in range(3)]
    assert (again.frozen, again.frozen_at, again.acknowledged) == (4, 1_700_000_000, 3)


def test_a_board_grows_and_what_was_mapped_before_stays_usable(
    open_board: OpenBoard, row_name: NameOf
) -> None:
    board = open_board()
    first = board.row(row_name(0))
    before = board.live
    for number in range(1, 300):
        row = board.row(row_name(number))
        board.live[row + REQUESTS] = number
    before[first + REQUESTS] = 42  # a request that began before the board grew
    assert board.live[first + REQUESTS] == 42
    board.close(delete=False)
    again = open_board()
    assert [again.live[row + REQUESTS] for row in again.rows.values()] == [42, *range(1, 300)]


def test_the_two_slots_and_the_live_part_are_apart(open_board: OpenBoard, row_name: NameOf) -> None:
    board = open_board()
    row = board.row(row_name(1))
    board.live[row + REQUESTS] = 1
    for number in (1, 2):
        values = memoryview(bytearray(8 * WORDS)).cast("Q")
        values[REQUESTS] = 100 + number
        board.freeze(row, number, values)
    assert board.live[row + REQUESTS] == 1
    assert [board.slot(row, number)[REQUESTS] for number in (1, 2, 3)] == [101, 102, 101]


def test_a_name_that_a_crash_has_cut_is_left_out(
    open_board: OpenBoard, row_name: NameOf, tmp_path: Path
) -> None:
    board = open_board()
    board.row(row_name(1))
    board.close(delete=False)
    names = tmp_path / "worker.rows"
    names.write_text(names.read_text() + '[2, 1, "shop", 2, "backe')
    assert list(open_board().rows) == [row_name(1)]


def test_names_may_hold_any_character(open_board: OpenBoard) -> None:
    name = RowName(1, 1, 'sh"op\n', 2, "über")
    board = open_board()
    board.row(name)
    board.close(delete=False)
    assert list(open_board().rows) == [name]


def test_a_board_in_use_cannot_be_opened(open_board: OpenBoard) -> None:
    board = open_board()
    with pytest.raises(Locked):
        open_board()
    board.close(delete=False)
    open_board()


def test_a_new_board_is_locked_before_anybody_can_find_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found: list[list[Path]] = []
    rename = Path.rename

    def look_then_rename(self: Path, target: Path) -> Path:
        found.append(list(tmp_path.glob("*.board")))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", look_then_rename)
    Board(tmp_path / "worker.board").close(delete=True)
    assert found == [[]]


def test_the_lock_goes_with_a_killed_process(open_board: OpenBoard, tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys; from proxy.engine.board import *\n"
        "board = Board(pathlib.Path(sys.argv[1]))\n"
        "row = board.row(RowName(1, 1, 'p', 1, 'b'))\n"
        "board.live[row + REQUESTS] = 5\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "worker.board")], check=False)
    board = open_board()
    assert [board.live[row + REQUESTS] for row in board.rows.values()] == [5]


def test_deleting_leaves_no_file(open_board: OpenBoard, row_name: NameOf, tmp_path: Path) -> None:
    board = open_board()
    board.row(row_name(1))
    board.close(delete=True)
    assert list(tmp_path.iterdir()) == []


def test_nobody_else_may_read_it(open_board: OpenBoard, tmp_path: Path) -> None:
    open_board()
    assert os.stat(tmp_path / "worker.board").st_mode & 0o077 == 0
