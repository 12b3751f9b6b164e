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

    @property
    def whole(self) -> bool:
        """Whether `page` leaves everything."""
        return self.top is not None or (self.limit is None and not self.offset)

    def of(self, rows: Sequence[Row], rank: Callable[[Row], float]) -> list[Row]:
        return self.best(self.page(rows), rank)

    def page(self, rows: Sequence[Row]) -> list[Row]:
        """Without what can be left out before anything is ranked."""
        if self.whole:
            return list(rows)
        end = None if self.limit is None else self.offset + self.limit
        return list(rows[self.offset : end])

    def best(self, rows: Sequence[Row], rank: Callable[[Row], float]) -> list[Row]:
        """Of what `page` has left."""
        if self.top is None:
            return list(rows)
        return sorted(rows, key=rank, reverse=True)[: self.top]


EVERYTHING = Selection()
