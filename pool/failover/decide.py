"""Where a pool's traffic is to go: failover, failback, and holding it where it went. Pure.

Edges move traffic between tiers by themselves, the moment they hear of a backend's
health (`pool.tiers`). What needs a memory is decided here: the *floor*, below which
edges leave tiers alone. A failover raises it to the tier that serves now, if the
policy has traffic wait there; it falls when the lower tier has been well for long
enough, when an operator says so, or when nobody from the floor on is well any more.
A floor that an operator has set stays until an operator takes it away.
"""

from collections import Counter
from collections.abc import Mapping

import msgspec

from pool.bus import FailoverState
from pool.choices import EventKind, Failback
from pool.obstacles import Obstacle
from pool.snapshot import PoolSpec, TierPolicy
from pool.tiers import Share, places_of, serving, share_out

Tiers = tuple[int, ...]
Out = Mapping[int, Obstacle]  # why a backend cannot serve now, by its id


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """Traffic has moved between tiers, or an operator has tied it to one: for the timeline."""

    pool_id: int
    at: float
    kind: EventKind
    before: Tiers
    after: Tiers
    cause: str
    floor: int
    manual: bool

    def __str__(self) -> str:
        if self.before == self.after:
            where = f"traffic stays {_in_words('on', self.after)}"
        else:
            where = f"traffic moved {_in_words('from', self.before)} {_in_words('to', self.after)}"
        return f"{where} ({self.cause})"


class Refused(Exception):
    """What an operator asked for cannot be done; says why."""


def is_tiered(pool: PoolSpec) -> bool:
    return len({backend.tier for backend in pool.backends if not backend.backup_of}) > 1


def follow(
    pool: PoolSpec, state: FailoverState, out: Out, now: float
) -> tuple[FailoverState, Move | None]:
    """The state at `now`, with these backends out; the first one of a pool tells no move."""
    places = places_of(pool.backends, out)
    shares = share_out(places, pool.tiers)
    well = [share.tier for share in shares if share.healthy]
    well_since = {tier: state.well_since.get(tier, now) for tier in well}
    floor = _lowered(pool.tiers, state, well_since, now)
    after = serving(share_out(places, pool.tiers, floor)) or state.serving
    if after and not state.manual:
        floor = min(floor, after[0])
        if state.serving and after > state.serving and _holds(pool.tiers):
            floor = after[0]
    same = after == state.serving
    cause = state.cause if same else cause_of(pool, out, shares, (state.serving or after, after))
    new = msgspec.structs.replace(
        state,
        floor=floor,
        serving=after,
        since=state.since if same else now,
        cause=cause,
        well_since=well_since,
        out=tuple(backend.id for backend in pool.backends if backend.id in out),
    )
    if same or not state.serving:
        return new, None
    return new, move_between(pool, state, new, now)


def fail_over(
    pool: PoolSpec, state: FailoverState, out: Out, now: float, *, to: int
) -> tuple[FailoverState, Move]:
    """Tie the traffic to tier `to` and those above it."""
    shares = {share.tier: share for share in share_out(places_of(pool.backends, out), pool.tiers)}
    if to not in shares:
        known = ", ".join(map(str, sorted(shares))) or "none"
        raise Refused(f"No backend serves in tier {to}; choose one of these: {known}.")
    if to == min(shares):
        raise Refused(f"Tier {to} is the lowest one: fail back to have traffic there.")
    if not shares[to].healthy:
        raise Refused(f"No backend of tier {to} is well, so that no traffic would go there.")
    tied = msgspec.structs.replace(state, floor=to, manual=True)
    return _by_hand(pool, state, tied, out, now, EventKind.FAILOVER)


def fail_back(
    pool: PoolSpec, state: FailoverState, out: Out, now: float
) -> tuple[FailoverState, Move]:
    """Let the traffic return to the lowest tier that is well, now or when one is."""
    if not state.floor:
        raise Refused("Traffic is not kept from any tier: there is nothing to fail back from.")
    free = msgspec.structs.replace(state, floor=0, manual=False)
    return _by_hand(pool, state, free, out, now, EventKind.FAILBACK)


def _by_hand(
    pool: PoolSpec,
    before: FailoverState,
    wanted: FailoverState,
    out: Out,
    now: float,
    kind: EventKind,
) -> tuple[FailoverState, Move]:
    if not before.serving:
        before, _ = follow(pool, before, out, now)
    # Without a past: what follows is the operator's doing and no failover of its own.
    after, _ = follow(pool, msgspec.structs.replace(wanted, serving=()), out, now)
    after = msgspec.structs.replace(
        after, serving=after.serving or before.serving, since=now, cause="by hand"
    )
    return after, msgspec.structs.replace(move_between(pool, before, after, now), kind=kind)


def _lowered(
    policy: TierPolicy, state: FailoverState, well_since: dict[int, float], now: float
) -> int:
    """The floor, after those below it that have waited for long enough."""
    if state.manual or policy.failback is Failback.MANUAL:
        return state.floor
    ready = [
        tier
        for tier, since in well_since.items()
        if tier < state.floor and now - since >= policy.failback_delay
    ]
    return min(ready, default=state.floor)


def _holds(policy: TierPolicy) -> bool:
    return policy.failback is Failback.MANUAL or policy.failback_delay > 0


def _in_words(preposition: str, tiers: Tiers) -> str:
    return f"{preposition} {'tiers' if len(tiers) > 1 else 'tier'} {', '.join(map(str, tiers))}"


def cause_of(pool: PoolSpec, out: Out, shares: list[Share], move: tuple[Tiers, Tiers]) -> str:
    """The state of the tier that the move is about."""
    before, after = move
    by_tier = {share.tier: share for share in shares}
    lost = by_tier.get(before[0]) if before else None
    tier = before[0] if lost is None or not lost.healthy else after[0]
    share = by_tier.get(tier)
    if share is None:
        return f"tier {tier}: no backend in service"
    reasons = Counter(out.get(backend.id) for backend in pool.backends if backend.tier == tier)
    said = [f"tier {tier}: {share.healthy} of {share.total} backends well"]
    if circuits := reasons[Obstacle.CIRCUIT_OPEN]:
        said.append(f"{circuits} {'circuits' if circuits > 1 else 'circuit'} open")
    if ejected := reasons[Obstacle.EJECTED]:
        said.append(f"{ejected} ejected")
    return ", ".join(said)


def move_between(pool: PoolSpec, before: FailoverState, after: FailoverState, now: float) -> Move:
    """From where one state had the traffic to where the other one has it."""
    return Move(
        pool_id=pool.id,
        at=now,
        kind=EventKind.FAILOVER if after.serving > before.serving else EventKind.FAILBACK,
        before=before.serving,
        after=after.serving,
        cause=after.cause,
        floor=after.floor,
        manual=after.manual,
    )
