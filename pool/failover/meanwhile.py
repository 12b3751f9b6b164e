"""What a pool's traffic did while edges could ask nobody, told when they can again. Pure.

Without Redis an edge hears nothing of health and of the floor, but it goes on opening
and closing circuits by itself, and traffic follows them between tiers. It tells of
these changes later, each with its time, and the moves that came of them get the same
times. What is over changes nothing any more: nobody could raise the floor then, so
that none was held where it went. Traffic that is still there is held as ever.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter

from msgspec.structs import replace

from pool.bus import FailoverState
from pool.circuits.records import LoneChange
from pool.failover.decide import Move, Out, Tiers, cause_of, follow, move_between
from pool.obstacles import Obstacle
from pool.outage import Known
from pool.snapshot import PoolSpec
from pool.tiers import Share, places_of, serving, share_out

Outages = Sequence[tuple[float, Out]]  # who was out from each time on, in their order


def outages(pool: PoolSpec, known: Mapping[int, Known], changes: Sequence[LoneChange]) -> Outages:
    """What these changes of circuits come to; the first one is what was so before, at 0.

    Of anything else than circuits, what is known now counts as known all the time.
    """
    changes = [change for change in changes if change.backend_id in known]
    if not changes:
        return []
    before = dict(known)
    for change in reversed(changes):  # so that a backend's first one decides
        number = change.backend_id
        before[number] = before[number]._replace(circuit=change.told.before)
    why = {number: one.why_out(pool) for number, one in before.items()}
    found = [(0.0, _those_out(why))]
    for change in sorted(changes, key=attrgetter("told.at")):
        number = change.backend_id
        why[number] = known[number]._replace(circuit=change.told.after).why_out(pool)
        found.append((change.told.at, _those_out(why)))
    return found


def catch_up(
    pool: PoolSpec, state: FailoverState, past: Outages, out: Out, now: float
) -> tuple[FailoverState, list[Move]]:
    """As `follow`, and the moves of which nobody could tell before."""
    begun = state
    if past and not state.serving:
        begun = replace(state, serving=serving(_shares(pool, state, past[0][1])))
    moves = _moves(pool, begun, past[1:], now)
    if not moves:
        after, move = follow(pool, state, out, now)
        return after, [move] if move else []
    last = moves[-1]
    moved = replace(begun, serving=last.after, since=last.at, cause=last.cause)
    after, move = follow(pool, moved, out, now)
    if move:
        return after, [*moves, move]
    lasting, _ = follow(pool, begun, out, now)
    after = replace(after, floor=lasting.floor)
    return after, [*moves[:-1], replace(last, floor=after.floor)]


def _moves(pool: PoolSpec, state: FailoverState, past: Outages, now: float) -> list[Move]:
    """None before the last one that was told, nor ahead of `now` because of a wrong clock."""
    moves = []
    for at, out in {min(max(at, state.since), now): out for at, out in past}.items():
        shares = _shares(pool, state, out)
        after = serving(shares) or state.serving
        if state.serving and after != state.serving:
            cause = _cause(pool, out, shares, (state.serving, after))
            new = replace(state, serving=after, since=at, cause=cause)
            moves.append(move_between(pool, state, new, at))
            state = new
    return moves


def _cause(pool: PoolSpec, out: Out, shares: list[Share], move: tuple[Tiers, Tiers]) -> str:
    return f"{cause_of(pool, out, shares, move)}; decided by edges without Redis"


def _shares(pool: PoolSpec, state: FailoverState, out: Out) -> list[Share]:
    return share_out(places_of(pool.backends, out), pool.tiers, state.floor)


def _those_out(why: Mapping[int, Obstacle | None]) -> Out:
    return {number: reason for number, reason in why.items() if reason}
