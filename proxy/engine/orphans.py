"""Boards whose worker was killed: another worker of the machine sends what is on them."""

import logging
from collections.abc import Iterator
from pathlib import Path

from redis.asyncio import Redis

from pool.bus import TrafficBatch, TrafficSecond
from proxy.engine.board import Board, OtherLayout
from proxy.engine.lockfile import Locked
from proxy.engine.reading import read_remains
from proxy.engine.traffic import send

log = logging.getLogger("lbsite.edge")


class Orphans:
    """Those of one folder."""

    def __init__(self, folder: Path, redis: Redis) -> None:
        self._folder = folder
        self._redis = redis
        self._refused: set[Path] = set()  # is told once

    async def ship(self) -> None:
        """Send what killed workers have left, and delete their boards."""
        for path in sorted(self._folder.glob("*.board")):
            try:
                board = Board(path, create=False)
            except (Locked, FileNotFoundError):  # its worker lives, or another has delivered it
                continue
            except OtherLayout:
                why = "a crash has torn it, or another version has written it, which can deliver it"
                self._refuse(path, why)
                continue
            except OSError as error:  # it may be another user's, or no descriptor is left
                self._refuse(path, f"it cannot be opened: {error}")
                continue
            delivered = False
            try:
                delivered = await self._ship(board)
            finally:  # or else it is nobody's, for as long as this worker lives
                board.close(delete=delivered)
            if delivered:
                log.info("delivered the counts that worker %s had left", board.source)

    async def _ship(self, board: Board) -> bool:
        for batch in _remains(board):
            if not await send(self._redis, batch):
                return False
        return True

    def _refuse(self, path: Path, reason: str) -> None:
        if path not in self._refused:
            self._refused.add(path)
            log.warning("%s is left alone: %s", path.name, reason)


def _remains(board: Board) -> Iterator[TrafficBatch]:
    """The batch that may not have arrived, with its old number, and one with the rest."""
    number = board.frozen
    if number > board.acknowledged:
        yield _batch(board, number, board.frozen_at, board.frozen_words)
    # Numbered as the worker would have: if this is not confirmed, it comes again as it is.
    yield _batch(board, number + 1, board.last_changed, board.live)


def _batch(board: Board, number: int, at: int, words: "memoryview[int]") -> TrafficBatch:
    found = [read_remains(name, row, words) for name, row in board.rows.items()]
    rows = [row for row in found if row is not None]
    seconds = [TrafficSecond(at=at, rows=rows)] if rows else []
    return TrafficBatch(source=board.source, seq=number, seconds=seconds)
