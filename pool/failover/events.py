"""Moves of traffic between tiers → the timeline, each once; and what it remembers of them."""

from collections.abc import Iterable
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import OuterRef, Subquery
from redis import Redis

from pool.bus import FAILOVER_MOVES, FailoverState
from pool.choices import EventKind
from pool.failover.decide import Move
from pool.models import Event, Pool
from pool.telling import tell_list

_KINDS = (EventKind.FAILOVER, EventKind.FAILBACK)


def write_moves(redis: "Redis") -> None:
    tell_list(redis, FAILOVER_MOVES, Move, _write)


def recall(pool_ids: Iterable[int]) -> dict[int, FailoverState]:
    """Where the traffic of these pools went last, for a Redis that has forgotten it."""
    moves = Event.objects.filter(pool=OuterRef("pk"), kind__in=_KINDS).order_by("-at", "-id")
    rows = Pool.objects.filter(pk__in=list(pool_ids)).values_list(
        "pk", Subquery(moves.values("data")[:1]), Subquery(moves.values("at")[:1])
    )
    return {
        pool_id: FailoverState(
            floor=data.get("floor", 0),
            manual=data.get("manual", False),
            serving=tuple(data.get("to", ())),
            since=at.timestamp(),
            cause=data.get("cause", ""),
        )
        for pool_id, data, at in rows
        if data
    }


def _write(move: Move) -> None:
    """Unless another worker has, which is at the same list or was killed before it took it off."""
    at = datetime.fromtimestamp(move.at, UTC)
    with transaction.atomic():
        pool = Pool.objects.select_for_update().filter(pk=move.pool_id).first()
        same = {"kind": move.kind.value, "at": at, "data__to": list(move.after)}
        if pool is not None and not pool.events.filter(**same).exists():
            pool.tell_of(move)
