"""Models → Revision → Redis. The only publisher.

Every save and delete schedules one publish for the end of its transaction
(`pool.receivers`). Publishing compiles all of the configuration as it stands in
the database, numbers it if it differs from the newest revision, and puts it into
Redis. It is the same function on a save and on the periodic tick, so whatever
went wrong the first time (Redis away, a process killed between commit and
publish, rows changed behind the models' back, Redis emptied) the tick makes right.

Several processes may publish at once:

* Numbers. A higher one is never older content: see `pool.revise`.
* Redis. The key is replaced only if nobody else replaced it since it was read
  (WATCH), and never by a lower number.
* A foreign snapshot (a database restored from a backup, or another one, with the
  old Redis) has a number that this database does not know. The database is the
  truth, but edges go by higher numbers: the content is published above it.
"""

import logging
import threading
from dataclasses import dataclass
from typing import cast

import msgspec
from django.db import transaction
from django.utils import timezone
from redis import RedisError, WatchError

from pool.actor import Actor, acting_as, current_actor
from pool.bus import SNAPSHOT_CHANNEL, SNAPSHOT_KEY, read_record
from pool.choices import EventKind, Severity
from pool.connection import redis_client
from pool.models import Event, Revision
from pool.renewal import renew
from pool.revise import MAX_ATTEMPTS, PublishError, revise

logger = logging.getLogger(__name__)


class Head(msgspec.Struct, frozen=True):
    """As much of the snapshot in Redis as tells which one it is."""

    number: int
    content_hash: str


@dataclass(frozen=True)
class _Result:
    revision: Revision
    written: bool  # Redis held an older one or none
    foreign: Head | None = None  # what Redis held, if this database does not know it


class _Pending(threading.local):
    """Whether this thread's transaction has a publish scheduled that has not run yet."""

    publish = False


_pending = _Pending()


def schedule(note: str = "") -> None:
    """Publish once when the current transaction commits, however often this is called.

    Every call registers, and the first to run does the work: a registration may
    vanish with a savepoint that is rolled back, so none can rely on another one.
    """
    actor = current_actor()
    _pending.publish = True

    def run() -> None:
        if _pending.publish:
            _pending.publish = False
            publish(actor, note)

    # Robust: what is committed is saved, whatever becomes of the publishing.
    transaction.on_commit(run, robust=True)


def publish(actor: Actor = None, note: str = "") -> Revision:
    """Bring Redis up to what the database says, and write down what happened.

    `note` leads the summary if there is a new revision. Redis may be away: the
    revision then stays unpublished until the next tick.
    """
    with acting_as(actor):
        revision, created = revise(note)
        try:
            result = _put_above_foreign(revision)
        except RedisError as error:
            logger.warning("revision %d is not published: %s", revision.number, error)
            if created:
                _record_not_published(revision, error)
            return revision
        _record_published(result)
        return result.revision


def republish_if_lost() -> Revision:
    """The tick: what Redis lost or never got is published now."""
    return publish()


def waiting() -> str:
    """What to tell somebody who has saved something that edges do not get yet; "" if they do.

    To be asked after the transaction: publishing follows the commit.
    """
    newest = Revision.objects.defer("snapshot", "diff").order_by("-number").first()
    if newest is None or newest.published:
        return ""
    return (
        f"Revision {newest.number} is saved, but Redis is away: the edges go on with what they "
        "have, and get it when Redis is back."
    )


def stored_head(data: bytes | None) -> Head | None:
    """Which snapshot `data` is; None if it is none, and may be overwritten."""
    return read_record(data, Head)


def _put_above_foreign(revision: Revision) -> _Result:
    foreign = None
    for _ in range(MAX_ATTEMPTS):
        stored, written = _put(revision)
        if stored is None or written or _is_known(stored):
            return _Result(revision, written, foreign)
        foreign = stored
        revision, _created = revise(f"Published above foreign {stored.number}", stored.number)
    raise PublishError(f"Redis went on holding foreign snapshots {MAX_ATTEMPTS} times.")


def _is_known(head: Head) -> bool:
    return Revision.objects.filter(number=head.number, content_hash=head.content_hash).exists()


def _put(revision: Revision) -> tuple[Head | None, bool]:
    """What Redis held, and whether `revision` has replaced it."""
    with redis_client().pipeline() as pipe:
        while True:
            try:
                pipe.watch(SNAPSHOT_KEY)
                data = cast("bytes | None", pipe.get(SNAPSHOT_KEY))
                stored = stored_head(data)
                if stored and stored.number >= revision.number:
                    return stored, False
                pipe.multi()
                pipe.set(SNAPSHOT_KEY, revision.snapshot)
                pipe.publish(SNAPSHOT_CHANNEL, str(revision.number))
                renew(pipe, data, revision.snapshot)
                pipe.execute()
            except WatchError:
                continue
            return stored, True


def _record_published(result: _Result) -> None:
    """Also marks older revisions that never got to Redis: this one has taken their place."""
    revision = result.revision
    waiting = Revision.objects.filter(number__lte=revision.number, published_at=None)
    with transaction.atomic():
        applied = waiting.update(published_at=timezone.now())
        if result.foreign:
            held = f"Redis held revision {result.foreign.number} of another database"
            _record_republished(revision, held)
        elif applied:
            Event.objects.record(
                EventKind.CONFIGURATION_APPLIED,
                f"Revision {revision.number}: {revision.summary}",
                actor=revision.actor,
                data={"revision": revision.number},
            )
        elif result.written:
            _record_republished(revision, "Redis had lost it")
    if applied:
        revision.refresh_from_db(fields=["published_at"])


def _record_republished(revision: Revision, why: str) -> None:
    Event.objects.record(
        EventKind.CONFIGURATION_REPUBLISHED,
        f"Revision {revision.number} published again: {why}",
        severity=Severity.WARNING,
        data={"revision": revision.number},
    )


def _record_not_published(revision: Revision, error: RedisError) -> None:
    Event.objects.record(
        EventKind.CONFIGURATION_NOT_PUBLISHED,
        f"Revision {revision.number} is saved, but edges do not have it yet: {error}",
        severity=Severity.ERROR,
        actor=revision.actor,
        data={"revision": revision.number},
    )
