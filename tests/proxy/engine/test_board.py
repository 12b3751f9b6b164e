"""The board: rows that outlive their worker, and belong to one process at a time."""

import errno
import os
import subprocess
import sys
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pool.snapshot import BackendSpec
from proxy.core.backend import Backend
from proxy.core.histogram import BUCKETS, OCTAVE, bucket_index
from proxy.engine.board import Board, OtherLayout, Row
from proxy.engine.layout import (
    BLOCK,
    BLOCK_WORDS,
    ERRORS,
    HEADER,
    KINDS,
    NEW_HEADER,
    ONE_PIECE,
    PART,
    QUEUE,
    Kind,
    octaves,
    word_of,
)
from proxy.engine.lockfile import Locked
from proxy.engine.row_names import RowName

OpenBoard = Callable[..., Board]
NameOf = Callable[[int], RowName]


def test_a_row_is_made_once_and_rows_do_not_overlap(
    open_board: OpenBoard, row_name: NameOf
) -> None:
    board = open_board()
    count = 2 * BLOCK + 3
    rows = [board.row(row_name(number)) for number in range(count)]
    assert [board.row(row_name(number)) for number in range(count)] == rows
    words = [word + part for row in rows for word in words_of(row) for part in (0, PART)]
    assert len(words) == len(set(words)) == count * 2 * PART // BLOCK
    assert max(words) < max(len(board.live), len(board.frozen_words))


def histogram(row: Row, kind: Kind) -> Iterator[int]:
    return (row.times + kind.histogram + word_of(bucket) for bucket in range(BUCKETS))


def words_of(row: Row) -> Iterator[int]:
    yield from range(row.at, row.at + HEADER)
    for kind in KINDS:
        yield from histogram(row, kind)


def test_the_octaves_from_one_bucket_to_another_hold_all_between() -> None:
    for first, last in [(0, 0), (15, 16), (40, 100), (0, BUCKETS - 1), (BUCKETS - 1, BUCKETS - 1)]:
        found = {word + place for word in octaves(7, first, last) for place in range(OCTAVE)}
        assert {7 + word_of(bucket) for bucket in range(first, last + 1)} <= found
        assert len(found) < last - first + 2 * OCTAVE


def test_what_was_counted_is_there_when_the_board_is_opened_again(
    open_board: OpenBoard, row_name: NameOf
) -> None:
    board = open_board()
    for number in range(3):
        row = board.row(row_name(number))
        board.live[row.at + ERRORS] = 10 + number
    board.freeze(1_700_000_000)
    board.live[row.at + ERRORS] = 5
    board.close(delete=False)
    again = open_board()
    assert [again.frozen_words[row.at + ERRORS] for row in again.rows.values()] == [10, 11, 12]
    assert [again.live[row.at + ERRORS] for row in again.rows.values()] == [0, 0, 5]
    assert list(again.rows) == [row_name(number) for number in range(3)]
    assert (again.frozen, again.frozen_at, again.acknowledged) == (1, 1_700_000_000, 0)


def test_a_board_grows_and_what_was_mapped_before_stays_usable(
    open_board: OpenBoard, row_name: NameOf
) -> None:
    board = open_board()
    first = board.row(row_name(0)).at
    before = board.live
    for number in range(1, 300):
        row = board.row(row_name(number))
        board.live[row.at + ERRORS] = number
    before[first + ERRORS] = 42  # a request that began before the board grew
    assert board.live[first + ERRORS] == 42
    board.close(delete=False)
    again = open_board()
    assert [again.live[row.at + ERRORS] for row in again.rows.values()] == [42, *range(1, 300)]


def test_what_is_counted_after_a_freeze_is_apart_from_what_was_frozen(
    open_board: OpenBoard, row_name: NameOf
) -> None:
    board = open_board()
    row = board.row(row_name(1))
    for number in (1, 2, 3):
        board.live[row.at + ERRORS] += number
        board.freeze(at=number)
        board.live[row.at + ERRORS] += 100
        assert (board.frozen, board.frozen_at) == (number, number)
        assert board.frozen_words[row.at + ERRORS] == number
        board.acknowledge()
        board.clear(row)
        board.live[row.at + ERRORS] -= 100
    assert board.acknowledged == 3


def test_a_part_that_was_cleared_is_as_new(open_board: OpenBoard, row_name: NameOf) -> None:
    board = open_board()
    row, fresh = board.row(row_name(1)), board.row(row_name(2))
    live = board.live
    live[row.at : row.at + 10] = live[fresh.at : fresh.at + 10]
    live[row.at + ERRORS] = live[row.at + ONE_PIECE.sum] = 3
    for kind in KINDS:
        for us in (5, 5000):
            live[row.times + kind.histogram + word_of(bucket_index(us))] = 1
        live[row.at + kind.min], live[row.at + kind.max] = 5, 5000
    board.freeze(1)
    board.acknowledge()
    board.clear(row)
    words = board.frozen_words
    assert words[row.at : row.at + HEADER] == words[fresh.at : fresh.at + HEADER] == NEW_HEADER
    assert not any(words[word] for kind in KINDS for word in histogram(row, kind))


def test_nothing_is_changed_until_something_is_counted(
    open_board: OpenBoard, row_name: NameOf
) -> None:
    board = open_board()
    row = board.row(row_name(1))
    assert not board.changed
    board.live[row.at + QUEUE.sum] += 1
    assert board.changed


def test_the_most_that_a_backend_had_in_flight_is_kept_and_begun_anew(
    open_board: OpenBoard, row_name: NameOf
) -> None:
    board = open_board()
    backend = Backend(BackendSpec(id=1, name="a", url="http://10.0.0.1"))
    rows = [board.row(row_name(number)) for number in (1, 2)]  # it serves two routes
    for row in rows:
        row.backend = backend
    backend.take()
    backend.take()
    backend.give_back()
    board.freeze(1)
    assert [row.frozen.in_flight_peak for row in rows] == [2, 2]
    board.take_peaks()
    assert [row.live.in_flight_peak for row in rows] == [1, 1]


# --- rows that nobody uses any more ---


def count_in(board: Board, name: RowName) -> None:
    board.live[board.row(name).at + ERRORS] += 1


def settle(board: Board) -> None:
    board.freeze(1)
    board.acknowledge()
    for row in board.rows.values():
        board.clear(row)
    board.free_unused(1000)


def test_a_row_that_two_configurations_had_no_use_for_is_given_to_another(
    open_board: OpenBoard, row_name: NameOf
) -> None:
    board = open_board()
    count_in(board, row_name(1))
    count_in(board, row_name(2))
    place = board.row(row_name(1)).at
    for _ in range(2):
        board.look_anew()
        board.row(row_name(2))
        settle(board)
    assert list(board.rows) == [row_name(2)]
    assert board.row(row_name(3)).at == place
    board.live[place + ERRORS] = 7
    board.close(delete=False)
    again = open_board()
    found = {name: again.live[row.at + ERRORS] for name, row in again.rows.items()}
    assert found == {row_name(2): 0, row_name(3): 7}


def test_a_row_with_counts_that_nobody_has_read_stays_where_it_is(
    open_board: OpenBoard, row_name: NameOf
) -> None:
    board = open_board()
    count_in(board, row_name(1))
    board.freeze(1)  # Redis has not confirmed it
    count_in(board, row_name(2))
    for _ in range(3):
        board.look_anew()
        board.free_unused(1000)
    assert list(board.rows) == [row_name(1), row_name(2)]
    board.acknowledge()
    board.clear(board.rows[row_name(1)])
    for _ in range(2):
        board.look_anew()
        board.free_unused(1000)
    assert list(board.rows) == [row_name(2)]


def test_a_board_on_which_backends_come_and_go_does_not_grow(
    open_board: OpenBoard, row_name: NameOf, tmp_path: Path
) -> None:
    board = open_board()
    sizes = []
    for turn in range(1500):
        board.look_anew()
        for number in range(turn, turn + 10):
            count_in(board, row_name(number))
        settle(board)
        sizes.append([path.stat().st_size for path in sorted(tmp_path.iterdir())])
    (last, names) = sizes[-1]
    assert last == sizes[0][0]
    assert names < 60_000
    count_in(board, row_name(9999))
    held = {name: row.at for name, row in board.rows.items()}
    board.close(delete=False)
    again = open_board()
    assert {name: row.at for name, row in again.rows.items()} == held
    assert again.live[again.rows[row_name(9999)].at + ERRORS] == 1


def test_a_row_beyond_the_boards_end_is_nobodys(open_board: OpenBoard, tmp_path: Path) -> None:
    open_board().close(delete=False)
    (tmp_path / "worker.rows").write_text('[1000000,[1,1,"shop",1,"a"]]\n')
    with pytest.raises(OtherLayout):
        open_board()


# --- who may read it ---


@pytest.mark.parametrize("head", [(0,) * 8, (7, 6, 1_700_000_000), (3 << 32 | BLOCK_WORDS + 8,)])
def test_a_board_of_another_layout_is_not_read(
    open_board: OpenBoard, tmp_path: Path, head: tuple[int, ...]
) -> None:
    path = tmp_path / "worker.board"
    path.write_bytes(array("Q", [*head, *range(1000)]).tobytes())
    for _ in range(2):  # nor is it left locked
        with pytest.raises(OtherLayout):
            open_board()


def test_a_board_whose_worker_was_killed_before_its_first_word_is_empty(
    open_board: OpenBoard, tmp_path: Path
) -> None:
    (tmp_path / "worker.board").touch()
    assert open_board().rows == {}


@pytest.mark.parametrize("line", ["not a name", "7", '["a", "b"]', '"abcde"'])
def test_a_board_whose_names_cannot_be_read_is_left_alone(
    open_board: OpenBoard, tmp_path: Path, line: str
) -> None:
    open_board().close(delete=False)
    (tmp_path / "worker.rows").write_text(f"{line}\n")
    for _ in range(2):  # nor is it left locked
        with pytest.raises(OtherLayout):
            open_board()


def test_a_board_that_could_not_be_opened_is_not_left_locked(
    open_board: OpenBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_board().close(delete=False)
    before = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as full:
        full.setattr(os, "posix_fallocate", raise_no_space)
        with pytest.raises(OSError, match="No space"):
            open_board()
    assert len(os.listdir("/proc/self/fd")) == before
    assert open_board().rows == {}


def raise_no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


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
        "board.live[row.at + 10] = 5\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "worker.board")], check=False)
    board = open_board()
    assert [board.live[row.at + ERRORS] for row in board.rows.values()] == [5]


def test_deleting_leaves_no_file(open_board: OpenBoard, row_name: NameOf, tmp_path: Path) -> None:
    board = open_board()
    board.row(row_name(1))
    board.close(delete=True)
    assert list(tmp_path.iterdir()) == []


def test_nobody_else_may_read_it(open_board: OpenBoard, tmp_path: Path) -> None:
    open_board()
    assert os.stat(tmp_path / "worker.board").st_mode & 0o077 == 0
