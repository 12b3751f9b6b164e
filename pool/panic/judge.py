"""Whether a pool has enough backends that are well, as Envoy says it. Pure.

In panic, backends that are ill get traffic too. Without a healthy upstream requests are
answered with 503: nobody is well and the pool knows no panic, or circuits keep requests
from all that would be asked in it.
"""

from collections.abc import Mapping

import msgspec

from pool.choices import CircuitMode, EventKind
from pool.circuits.records import SHUT
from pool.outage import Known
from pool.snapshot import PoolSpec
from pool.tiers import places_of, share_out

_WORDS = {
    EventKind.PANIC: "panic, unhealthy backends get traffic too",
    EventKind.NO_HEALTHY_UPSTREAM: "no healthy upstream, requests are answered with 503",
    EventKind.POOL_RECOVERED: "there are enough healthy backends again",
}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`healthy` of `total` places with a backend; of none there is nothing to be said."""

    kind: EventKind = EventKind.POOL_RECOVERED
    healthy: int = 0
    total: int = 0

    @property
    def cause(self) -> str:
        if not self.total:
            return "no backend is in service"
        return f"{self.healthy} of {self.total} backends well"

    def __str__(self) -> str:
        words = _WORDS[self.kind] if self.total else "nobody has to be healthy any more"
        return f"{words} ({self.cause})"


def judge(pool: PoolSpec, known: Mapping[int, Known], floor: int) -> Verdict:
    """`floor`: as in `pool.failover`."""
    out = {number for number, one in known.items() if one.why_out(pool)}
    shares = share_out(places_of(pool.backends, out), pool.tiers, floor)
    asked = [place.holder for share in shares for place in share.places]
    kind = EventKind.POOL_RECOVERED
    if shares and all(_is_shut(pool, known[number]) for number in asked):
        kind = EventKind.NO_HEALTHY_UPSTREAM
    elif any(share.panic and share.percent for share in shares):
        kind = EventKind.PANIC
    healthy, total = sum(one.healthy for one in shares), sum(one.total for one in shares)
    return Verdict(kind=kind, healthy=healthy, total=total)


def _is_shut(pool: PoolSpec, known: Known) -> bool:
    """Whether its circuit lets nothing through, which no panic changes."""
    return pool.circuit.mode is not CircuitMode.OFF and known.circuit in SHUT
