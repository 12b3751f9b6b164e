"""Panic of pools → the timeline, each once; and what it remembers of it."""

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec
from django.db import transaction
from django.db.models import OuterRef, Subquery
from redis import Redis

from pool.bus import PANIC_ALARMS
from pool.choices import EventKind, Severity
from pool.models import Event, Pool
from pool.panic.judge import Verdict
from pool.telling import tell_list

_KINDS = (EventKind.PANIC, EventKind.NO_HEALTHY_UPSTREAM, EventKind.POOL_RECOVERED)


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """What is so of a pool from `at` on, in Unix seconds."""

    pool_id: int
    at: float
    verdict: Verdict


def write_alarms(redis: "Redis") -> None:
    tell_list(redis, PANIC_ALARMS, Alarm, _write)


def recall(pool_ids: Iterable[int]) -> dict[int, EventKind]:
    """What was told last of these pools, for a Redis that has forgotten it."""
    told = Event.objects.filter(pool=OuterRef("pk"), kind__in=_KINDS).order_by("-at", "-id")
    rows = Pool.objects.filter(pk__in=list(pool_ids)).values_list(
        "pk", Subquery(told.values("kind")[:1])
    )
    return {pool_id: EventKind(kind) for pool_id, kind in rows if kind}


def _write(alarm: Alarm) -> None:
    """Unless another worker has, which is at the same list or was killed before it took it off."""
    at, verdict = datetime.fromtimestamp(alarm.at, UTC), alarm.verdict
    over = verdict.kind is EventKind.POOL_RECOVERED
    with transaction.atomic():
        pool = Pool.objects.select_for_update().filter(pk=alarm.pool_id).first()
        if pool is None or pool.events.filter(kind=verdict.kind.value, at=at).exists():
            return
        Event.objects.record(
            verdict.kind,
            f"Pool {pool}: {verdict}",
            severity=Severity.INFO if over else Severity.ERROR,
            pool=pool,
            data={"healthy": verdict.healthy, "total": verdict.total, "cause": verdict.cause},
            at=at,
        )
