"""Happenings in Redis → rows of the timeline, each once."""

from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from redis import Redis

from pool.bus import CIRCUITS_KEY, EJECTIONS_KEY, EVENTS_FIELD, EVENTS_STREAM, Happening
from pool.models import Backend, Event, Pool
from pool.telling import tell_all

_BATCH = 500


def write_happenings(redis: "Redis") -> None:
    messages: Any = redis.xrange(EVENTS_STREAM, count=_BATCH)
    waiting = ((message_id, fields.get(EVENTS_FIELD, b"")) for message_id, fields in messages)
    tell_all(waiting, Happening, _write, lambda message_id: redis.xdel(EVENTS_STREAM, message_id))


def _write(happening: Happening) -> None:
    """Unless another worker has, which is at the same message or was killed before it went."""
    at = datetime.fromtimestamp(happening.at, UTC)
    with transaction.atomic():
        backends = Backend.objects.select_for_update(of=("self",)).select_related("pool")
        backend = backends.filter(pk=happening.backend_id).first()
        if backend is None:  # deleted meanwhile: there is nothing left to tell of
            return
        if not backend.events.filter(kind=happening.kind.value, at=at).exists():
            Event.objects.record(
                happening.kind,
                f"Backend {backend}: {happening.message}",
                severity=happening.severity,
                actor=happening.actor,
                backend=backend,
                data=happening.data,
                at=at,
            )


def forget_deleted(redis: "Redis") -> None:
    """Drop the circuits of backends that are gone, and the ejections of pools that are."""
    for key, rows in ((CIRCUITS_KEY, Backend.objects), (EJECTIONS_KEY, Pool.objects)):
        kept = {str(pk).encode() for pk in rows.values_list("pk", flat=True)}
        stored: Any = redis.hkeys(key)
        gone = [name for name in stored if name not in kept]
        if gone:
            redis.hdel(key, *gone)
