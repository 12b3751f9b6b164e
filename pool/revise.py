"""Models → Revision: numbered if it differs from the newest one.

A revision is compiled from one point in time and takes the number after the newest revision
of that same point. If another publisher took that number meanwhile, the unique constraint
says so, and all of it is done again from what is in the database now. So a higher number is
never older content.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from django.db import IntegrityError, connection, transaction

from pool.actor import current_actor
from pool.compilation import compile_configuration
from pool.diff import compare, summarise
from pool.models import Revision
from pool.snapshot import EMPTY, Snapshot, SnapshotError, build, decode, encode

MAX_ATTEMPTS = 50  # each failed one means that another publisher succeeded


class PublishError(Exception):
    """A revision that cannot be made or brought back."""


def revise(note: str, above: int = 0) -> tuple[Revision, bool]:
    """The revision of the present configuration, numbered over `above`; True if it is new."""
    for _ in range(MAX_ATTEMPTS):
        try:
            with _one_point_in_time():
                return _revise_once(note, above)
        except IntegrityError:
            continue
    raise PublishError(f"Other publishers took the next number {MAX_ATTEMPTS} times.")


def _revise_once(note: str, above: int) -> tuple[Revision, bool]:
    latest = Revision.objects.order_by("-number").defer("snapshot", "diff").first()
    snapshot = build(max(latest.number if latest else 0, above) + 1, *compile_configuration())
    if latest and latest.content_hash == snapshot.content_hash and latest.number > above:
        return latest, False
    changes = compare(_content(latest), snapshot)
    summary = summarise(changes)
    return (
        Revision.objects.create(
            number=snapshot.number,
            content_hash=snapshot.content_hash,
            actor=current_actor(),
            summary=f"{note}: {summary}" if note else summary,
            diff=msgspec.to_builtins(changes),
            snapshot=encode(snapshot).decode(),
        ),
        True,
    )


def _content(revision: Revision | None) -> Snapshot:
    """The content to compare with; nothing if another version wrote it."""
    try:
        return decode(revision.snapshot.encode()) if revision else EMPTY
    except SnapshotError:
        return EMPTY


@contextmanager
def _one_point_in_time() -> Iterator[None]:
    """A transaction whose queries all see the same committed state.

    SQLite's always do. PostgreSQL's do from REPEATABLE READ on, which can only
    be asked for before a transaction's first query.
    """
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost and connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield
