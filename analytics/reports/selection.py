"""Which rows of a long list are told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Row = TypeVar("Row")


@dataclass(frozen=True)
class Selection:
    """The `top` rows by what a report ranks them by, or else `limit` of them from `offset` on."""

    limit: int | None = None
    offset: int = 0
    top: int | None = None

    def of(self, rows: Sequence[Row], rank: Callable[[Row], float]) -> list[Row]:
        if self.top is not None:
            return sorted(rows, key=rank, reverse=True)[: self.top]
        end = None if self.limit is None else self.offset + self.limit
        return list(rows[self.offset : end])
