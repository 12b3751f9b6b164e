"""How things are now, read from Redis for a screen or an answer; and the backends' health."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self, cast

from redis import RedisError

from pool.bus import HEALTH_KEY, HealthStatus, read_record
from pool.choices import HealthState
from pool.connection import redis_client

NOT_PROBED = HealthStatus(state=HealthState.UNKNOWN, since=0, reason="Not probed yet")
UNREADABLE = HealthStatus(state=HealthState.UNKNOWN, since=0, reason="Unreadable record in Redis")


def why_away(error: RedisError) -> str:
    """A sentence without its full stop."""
    return f"Redis cannot be reached: {error}".rstrip(".")


@dataclass(frozen=True)
class LiveRecords:
    """One reading of a hash in Redis, good for all rows of a page.

    `error` says why there is none.
    """

    key: ClassVar[str]

    records: Mapping[bytes, bytes] = field(default_factory=dict)
    error: str = ""

    @classmethod
    def read(cls) -> Self:
        try:
            return cls(cast("dict[bytes, bytes]", redis_client().hgetall(cls.key)))
        except RedisError as error:
            return cls(error=why_away(error))


class LiveHealth(LiveRecords):
    key = HEALTH_KEY

    def of(self, backend_id: int) -> HealthStatus:
        """The status of a backend; `since` is 0 where nobody knows."""
        if self.error:
            return HealthStatus(state=HealthState.UNKNOWN, since=0, reason=self.error)
        record = self.records.get(str(backend_id).encode())
        if record is None:
            return NOT_PROBED
        return read_record(record, HealthStatus) or UNREADABLE
