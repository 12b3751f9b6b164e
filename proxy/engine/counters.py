"""Counting what happened, on the board, at the end of each request."""

import logging
from pathlib import Path

from proxy.core.backend import Backend
from proxy.core.histogram import bucket_index
from proxy.core.routing import Route
from proxy.engine.board import (
    ACTIVITY,
    BYTES_IN,
    BYTES_OUT,
    CLIENT_ABORTS,
    DURATION_MAX,
    DURATION_MIN,
    DURATION_SUM,
    ERRORS,
    HEDGES,
    HISTOGRAM,
    REJECTED,
    REQUESTS,
    RETRIES,
    STATUS,
    Board,
    RowName,
)

log = logging.getLogger("lbsite.edge")


class Counters:
    def __init__(self, path: Path) -> None:
        self.board = Board(path)
        self._unrouted = self.board.row(_row_name(None, None))
        self.requests = 0
        self._rows: dict[Route | None, dict[Backend | None, int]] = {}

    def configuration_changed(self) -> None:
        """Names may have changed: rows are looked up by name again."""
        self._rows = {}

    def request(
        self,
        route: Route | None,
        backend: Backend | None,
        status: int,
        *,
        attempts: int,
        bytes_in: int,
        bytes_out: int,
        duration: int,
        aborted: bool = False,
    ) -> None:
        """A request has ended. `duration` in microseconds; `backend` None: the edge answered.

        `aborted`: the client has gone first.
        """
        try:
            row = self._rows[route][backend]
        except KeyError:
            row = self._find_row(route, backend)
        self.requests += 1
        live = self.board.live
        live[row] += 1  # ACTIVITY
        live[row + REQUESTS] += 1
        if aborted:
            live[row + CLIENT_ABORTS] += 1
        # RFC 9110 §15: a status outside of all classes is taken for a server error.
        live[row + STATUS + (status // 100 if status < 600 else 5)] += 1
        live[row + BYTES_IN] += bytes_in
        live[row + BYTES_OUT] += bytes_out
        live[row + DURATION_SUM] += duration
        live[row + HISTOGRAM + bucket_index(duration)] += 1
        if duration > live[row + DURATION_MAX]:
            live[row + DURATION_MAX] = duration
        shortest = live[row + DURATION_MIN]
        if duration < shortest or not shortest:
            live[row + DURATION_MIN] = duration
        if attempts > 1:
            live[row + RETRIES] += 1

    def failed_try(self, route: Route | None, backend: Backend | None) -> None:
        """A backend gave no usable response; the request may have gone on to another one."""
        self._count(self._find_row(route, backend), ERRORS)

    def hedge(self, route: Route, backend: Backend) -> None:
        """A backend has been given a request that another one is slow with."""
        self._count(self._find_row(route, backend), HEDGES)

    def rejected(self, route: Route) -> None:
        """A request was refused for the route's rate limit; it is counted as one beside that."""
        self._count(self._find_row(route, None), REJECTED)

    def _count(self, row: int, word: int) -> None:
        self.board.live[row + ACTIVITY] += 1
        self.board.live[row + word] += 1

    def _find_row(self, route: Route | None, backend: Backend | None) -> int:
        rows = self._rows.setdefault(route, {})
        row = rows.get(backend)
        if row is None:
            row = rows[backend] = self._make_row(_row_name(route, backend))
        return row

    def _make_row(self, name: RowName) -> int:
        try:
            return self.board.row(name)
        except OSError as error:  # a request must not fail because it cannot be counted apart
            log.error("no room to count %s/%s apart: %s", name.pool, name.backend, error)
            return self._unrouted


def _row_name(route: Route | None, backend: Backend | None) -> RowName:
    return RowName(
        route_id=route.id if route is not None else 0,
        pool_id=route.pool.spec.id if route is not None else 0,
        pool=route.pool.spec.name if route is not None else "",
        backend_id=backend.id if backend is not None else 0,
        backend=backend.spec.name if backend is not None else "",
    )
