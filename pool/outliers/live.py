"""The ejections as they are now, read from Redis for a screen or an answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import time
from typing import cast

from redis import RedisError

from pool.bus import EJECTIONS_KEY
from pool.connection import redis_client
from pool.models import Backend
from pool.outliers.records import Ejection, read_ejections


@dataclass(frozen=True)
class LiveEjections:
    """One reading, good for all rows of a page; `error` says why there is none."""

    records: Mapping[bytes, bytes] = field(default_factory=dict)
    now: float = 0.0
    error: str = ""

    @classmethod
    def read(cls) -> "LiveEjections":
        try:
            records = cast("dict[bytes, bytes]", redis_client().hgetall(EJECTIONS_KEY))
        except RedisError as error:
            return cls(error=f"Redis cannot be reached: {error}")
        return cls(records, time())

    def of(self, backend: Backend) -> Ejection | None:
        """The one that keeps it out now; None if none does, or nobody knows."""
        if not backend.pool.outlier_enabled:
            return None
        return self.of_pool(backend.pool_id).get(backend.pk)

    def of_pool(self, pool_id: int) -> dict[int, Ejection]:
        """Those that are out, by the backends' ids."""
        return read_ejections(self.records.get(str(pool_id).encode())).out(self.now)
