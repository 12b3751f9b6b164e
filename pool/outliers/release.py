"""A probe that passes brings an ejected backend back, as Envoy's active checks do."""

from typing import cast

from redis import Redis

from pool.bus import EJECTIONS_KEY
from pool.outliers import script
from pool.outliers.records import end, read_ejections
from pool.outliers.words import tell_back


class Release:
    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._replace = redis.register_script(script.source())

    def passed(self, pool_id: int, backend_id: int, now: float) -> None:
        """Its probe has passed; told once, whoever else brings it back."""
        raw = cast("bytes | None", self._redis.hget(EJECTIONS_KEY, str(pool_id))) or b""
        while (after := end(read_ejections(raw), backend_id, now)) is not None:
            told = [tell_back(backend_id, after.by_id[backend_id], "a probe has passed")]
            reply = self._replace(script.KEYS, script.arguments(pool_id, raw, after, told))
            if not isinstance(reply, bytes):
                return
            raw = reply
