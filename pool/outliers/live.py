"""The ejections as they are now, read from Redis for a screen or an answer."""

from dataclasses import dataclass, field
from time import time

from pool.bus import EJECTIONS_KEY
from pool.live import LiveRecords
from pool.models import Backend
from pool.outliers.records import Ejection, read_ejections


@dataclass(frozen=True)
class LiveEjections(LiveRecords):
    key = EJECTIONS_KEY

    now: float = field(default_factory=time)
    _out: dict[int, dict[int, Ejection]] = field(default_factory=dict, repr=False)

    def of(self, backend: Backend) -> Ejection | None:
        """The one that keeps it out now; None if none does, or nobody knows."""
        if not backend.pool.outlier_enabled:
            return None
        return self.of_pool(backend.pool_id).get(backend.pk)

    def of_pool(self, pool_id: int) -> dict[int, Ejection]:
        """Those that are out, by the backends' ids. Decoded once, however many ask."""
        if pool_id not in self._out:
            record = self.records.get(str(pool_id).encode())
            self._out[pool_id] = read_ejections(record).out(self.now)
        return self._out[pool_id]
