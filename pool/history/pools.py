"""A pool as a whole: how many are left, and what happens when one more goes."""

from collections.abc import Sequence
from dataclasses import dataclass

from pool.choices import AdminState
from pool.failover.live import LiveTraffic, Traffic
from pool.models import Backend, Pool
from pool.policies import TIERS
from pool.snapshot import TierPolicy
from pool.tiers import Place, Share, serving, share_out

_AHEAD = ("one", "two", "three")  # losses that are thought about


@dataclass(frozen=True)
class PoolHealth:
    """`words` say it all; `losses_left` before `danger`, None if that is not near."""

    available: int
    total: int
    panic: bool
    losses_left: int | None
    danger: str
    words: str


def pool_health(pool: Pool, live: LiveTraffic) -> PoolHealth:
    if live.error:
        return PoolHealth(0, 0, False, None, "", f"Nobody knows now. {live.error}.")
    traffic = live.of(pool)
    idle = any(not _in_service(backend) for backend in pool.backends.all())
    return assess(traffic, TIERS.compile(pool), " in service" if idle else "")


def _in_service(backend: Backend) -> bool:
    return backend.admin_state == AdminState.ACTIVE and backend.weight > 0


def assess(traffic: Traffic, policy: TierPolicy, counted: str = "") -> PoolHealth:
    """`counted`: what those that are counted have in common, if the pool has others."""
    shares, floor = traffic.shares, traffic.state.floor
    available, total = sum(one.healthy for one in shares), sum(one.total for one in shares)
    if not total:
        words = "No backend is in service: requests are answered with 503."
        return PoolHealth(0, 0, False, None, "", words)
    left = f"{available} of {total}{counted} {'available' if available == total else 'left'}"
    if traffic.panic:
        words = f"{left}, and panic: unhealthy backends get traffic too."
        return PoolHealth(available, total, True, 0, "panic", words)
    if not available:
        words = f"{left}: nobody can serve, requests are answered with 503."
        return PoolHealth(0, total, False, 0, "outage", words)
    for losses, number in enumerate(_AHEAD, start=1):
        danger, words = _danger(shares, policy, floor, losses)
        if danger:
            words = f"{left}: {number} more {'loss' if losses == 1 else 'losses'} and {words}."
            return PoolHealth(available, total, False, losses, danger, words)
    return PoolHealth(available, total, False, None, "", f"{left}.")


def _danger(
    shares: Sequence[Share], policy: TierPolicy, floor: int, losses: int
) -> tuple[str, str]:
    """What comes about if the tier that serves first loses so many places more."""
    first = next(share for share in shares if share.percent)
    places = [
        Place(share.tier, 1, 0, well=index < share.healthy - (losses if share is first else 0))
        for share in shares
        for index in range(share.total)
    ]
    after = share_out(places, policy, floor)
    if any(share.panic and share.percent for share in after):
        return "panic", "panic starts"
    tiers = serving(after)
    if not tiers:
        return "outage", "nobody can serve"
    if first.tier not in tiers:
        return "failover", f"traffic moves to tier {', '.join(map(str, tiers))}"
    return "", ""
