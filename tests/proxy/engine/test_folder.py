"""Where a worker keeps its files: not where there is no room for them."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.engine import folder as module
from proxy.engine.folder import folders_for, reserve
from tests.proxy.engine.disk import no_file_beyond


@pytest.fixture(autouse=True)
def shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "shm"
    path.mkdir()
    monkeypatch.setattr(module, "SHARED_MEMORY", path)
    return path


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder whose disk is full."""

    def refuse(folder: Path) -> None:
        if folder.parent == tmp_path / "data":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "reserve", refuse)
    return tmp_path / "data"


def test_it_is_in_the_data_folder_while_there_is_room(tmp_path: Path, shared_memory: Path) -> None:
    assert folders_for(tmp_path / "data") == [tmp_path / "data" / "edge"]
    assert list(shared_memory.iterdir()) == []
    assert list((tmp_path / "data" / "edge").iterdir()) == []


def test_on_a_full_disk_it_is_in_shared_memory_and_that_is_said(
    full: Path, shared_memory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        used, usual = folders_for(full)
    assert (used.parent, usual) == (shared_memory, full / "edge")
    assert used.stat().st_mode & 0o777 == 0o700
    assert "No space left on device" in caplog.text


def test_workers_of_one_data_folder_meet_there_and_others_do_not(
    full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "reserve", refuse)
    assert folders_for(full) == folders_for(full)
    assert folders_for(full)[0] != folders_for(tmp_path / "another")[0]


def test_what_was_left_there_is_found_once_there_is_room_again(
    full: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used, usual = folders_for(full)
    monkeypatch.setattr(module, "reserve", lambda folder: None)
    assert folders_for(full) == [usual, used]


@pytest.mark.parametrize("trap", ["open to all", "a link", "a file"])
def test_a_place_that_others_can_write_to_is_not_used(
    full: Path, shared_memory: Path, tmp_path: Path, trap: str
) -> None:
    place, _ = folders_for(full)
    place.rmdir()
    if trap == "open to all":
        place.mkdir()
        place.chmod(0o777)
    elif trap == "a link":
        place.symlink_to(tmp_path)
    else:
        place.touch()
    with pytest.raises(OSError, match="No space left"):
        folders_for(full)


def test_room_is_looked_for_and_nothing_stays_of_that(tmp_path: Path) -> None:
    with no_file_beyond(module.ROOM - 1), pytest.raises(OSError, match="large"):
        reserve(tmp_path)
    reserve(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["shm"]
