"""Who of a pool is ejected, and the rules for it, after Envoy's outlier detection. Pure.

An ejection lasts its base time, times how often in a row the backend was ejected; each
interval that it spends in service takes one off. No more than a share of the pool may be
out; of a small pool that share is nobody. Times are Unix seconds. No Django in here.
"""

from math import floor

import msgspec

from pool.bus import read_record
from pool.snapshot import OutlierPolicy, PoolSpec


class Ejection(msgspec.Struct, frozen=True, kw_only=True):
    """One backend's last one. `times` in a row; `ended`: 0 while it is out."""

    since: float
    until: float
    times: int
    cause: str
    ended: float = 0.0

    def out(self, now: float) -> bool:
        return not self.ended and now < self.until


class Ejections(msgspec.Struct, frozen=True, kw_only=True):
    """Of one pool, by the backends' ids; a backend whose last one counts no more is not here."""

    by_id: dict[int, Ejection] = {}

    def out(self, now: float) -> dict[int, Ejection]:
        return {number: one for number, one in self.by_id.items() if one.out(now)}


class EjectionsChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is announced."""

    pool_id: int
    ejections: Ejections


def most_ejected(policy: OutlierPolicy, size: int) -> int:
    """Of `size` backends: Envoy's `100 * (ejected + 1) / size <= max_ejection_percent`."""
    return policy.max_ejected * size // 100


def eject(
    state: Ejections, pool: PoolSpec, backend_id: int, cause: str, now: float
) -> Ejections | None:
    """With that backend out; None if it is already, or no more of the pool may be."""
    policy, out = pool.outlier, state.out(now)
    members = {backend.id for backend in pool.backends}
    ejected = len(out.keys() & members)
    if backend_id in out or ejected >= most_ejected(policy, len(members)):
        return None
    times = _more(_in_a_row(state.by_id.get(backend_id), policy, now), policy)
    lasts = min(policy.base_time * times, max(policy.base_time, policy.max_time))
    ejection = Ejection(since=now, until=now + lasts, times=times, cause=cause)
    return _with(state, backend_id, ejection)


def end(state: Ejections, backend_id: int, now: float) -> Ejections | None:
    """With that backend back; None if nobody has to bring it back."""
    ejection = state.by_id.get(backend_id)
    if ejection is None or ejection.ended:
        return None
    return _with(state, backend_id, msgspec.structs.replace(ejection, ended=now))


def tidy(state: Ejections, pool: PoolSpec, now: float) -> Ejections:
    """Without those that have left the pool, or that count no more."""
    members = {backend.id for backend in pool.backends}
    return Ejections(
        by_id={
            number: one
            for number, one in state.by_id.items()
            if number in members and (not one.ended or _in_a_row(one, pool.outlier, now))
        }
    )


def read_ejections(record: bytes | None) -> Ejections:
    """Those in `record`; none if there are none that this version can read."""
    return read_record(record, Ejections) or Ejections()


def _in_a_row(last: Ejection | None, policy: OutlierPolicy, now: float) -> int:
    if last is None:
        return 0
    in_service = max(0.0, now - last.ended) if last.ended else 0.0
    return max(0, last.times - floor(in_service / policy.interval))


def _more(times: int, policy: OutlierPolicy) -> int:
    """One more, unless that makes nothing longer: it would take all the longer to fall."""
    grows = policy.base_time * times < policy.max_time + policy.base_time
    return times + 1 if grows else times


def _with(state: Ejections, backend_id: int, ejection: Ejection) -> Ejections:
    return Ejections(by_id={**state.by_id, backend_id: ejection})
