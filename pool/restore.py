"""Snapshot → models: the way back."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, models, transaction
from django.db.models import CharField, F, ProtectedError, RestrictedError, Value
from django.db.models.deletion import Collector
from django.db.models.functions import Cast, Concat

from pool.actor import Actor, acting_as
from pool.compilation import compile_configuration
from pool.diff import Action, Change, Kind, compare
from pool.models import Backend, Pool, Revision, Route
from pool.policies import POOL_GROUPS, RATE_LIMIT, to_column
from pool.policies.health import HEALTH_OVERRIDES
from pool.publish import schedule
from pool.refusals import told_of, users_in_words
from pool.revise import PublishError
from pool.snapshot import (
    BackendSpec,
    PoolSpec,
    RouteSpec,
    Snapshot,
    SnapshotError,
    build,
    decode,
)

MODELS: dict[Kind, type[Pool] | type[Backend] | type[Route]] = {
    Kind.POOL: Pool,
    Kind.BACKEND: Backend,
    Kind.ROUTE: Route,
}

# Texts that the models themselves would refuse, so that no row can have them.
_PARKED = {Kind.POOL: ("name", "~"), Kind.BACKEND: ("name", "~"), Kind.ROUTE: ("path_prefix", "/?")}


_Remove = Callable[[models.QuerySet[Any]], object]


def preview_rollback(revision: Revision) -> list[Change]:
    """What a rollback would change now; PublishError if it cannot be read."""
    return _changes_to(_target(revision))


def rehearse_rollback(revision: Revision) -> None:
    """Raise what `rollback` would, and change nothing: done, and undone in the end."""
    target = _target(revision)
    with transaction.atomic(), _conflicts_told(revision):
        restore(target, remove=_would_remove)
        transaction.set_rollback(True)


def rollback(revision: Revision, by: Actor) -> None:
    """Make the configuration what it was in `revision`; it is published as a new revision.

    PublishError if the revision was written by a version whose snapshots this one does not
    read, or if what is there now, or is done at the same time, leaves no room for it;
    ValidationError if today's rules refuse it: its message_dict says of a backend's field
    "backend web/a, url". Either way nothing is changed.
    """
    target = _target(revision)
    # Around the transaction: some constraints are checked when it ends.
    with _conflicts_told(revision), transaction.atomic(), acting_as(by):
        schedule(f"Rolled back to revision {revision.number}")
        restore(target)


@contextmanager
def _conflicts_told(revision: Revision) -> Iterator[None]:
    refused = f"Cannot roll back to revision {revision.number}"
    try:
        yield
    except (ProtectedError, RestrictedError) as error:
        users = users_in_words(error)
        raise PublishError(
            f"{refused}: what it would remove is used by {users}. Change or delete that first."
        ) from error
    except _Taken as error:
        raise PublishError(
            f"{refused}: somebody else saved the like of {error} at the same time. Try again."
        ) from error
    except IntegrityError as error:
        raise PublishError(
            f"{refused}: somebody else changed the same at the same time. Try again."
        ) from error


class _Taken(Exception):
    """Names the row that the database refused, although the models' rules let it pass."""


def _would_remove(rows: models.QuerySet[Any]) -> None:
    """Raise what their deletion would: it takes long where there are many health records."""
    Collector(using=rows.db, origin=rows).collect(rows)


def _target(revision: Revision) -> Snapshot:
    try:
        return decode(revision.snapshot.encode())
    except SnapshotError as error:
        raise PublishError(f"Cannot roll back to revision {revision.number}: {error}.") from error


def _changes_to(target: Snapshot) -> list[Change]:
    """What would make the models say what `target` says."""
    return compare(build(0, *compile_configuration()), target)


def restore(target: Snapshot, remove: _Remove = models.QuerySet.delete) -> None:
    """Make the models say what `target` says, keeping ids. Call it in a transaction.

    Rows that are equal already are not touched, and rows that stay are changed
    rather than replaced: their health records and events stay with them. `remove` is
    for pools and backends.
    """
    ids: dict[tuple[Kind, Action], set[int]] = {
        (kind, action): set() for kind in Kind for action in Action
    }
    for change in _changes_to(target):
        ids[change.kind, change.action].add(change.id)
    for kind in Kind:
        _park(kind, ids[kind, Action.CHANGED] | ids[kind, Action.REMOVED])
    _rows(Kind.ROUTE, ids[Kind.ROUTE, Action.REMOVED]).delete()
    for kind in Kind:
        _save(kind, ids[kind, Action.CHANGED] | ids[kind, Action.ADDED], target)
    for kind in (Kind.BACKEND, Kind.POOL):
        remove(_rows(kind, ids[kind, Action.REMOVED]))


def _park(kind: Kind, ids: set[int]) -> None:
    """Free the unique names: two rows may be about to swap theirs."""
    column, prefix = _PARKED[kind]
    number = Cast(F("pk"), CharField())
    _rows(kind, ids).update(**{column: Concat(Value(prefix), number, output_field=CharField())})


def _save(kind: Kind, ids: set[int], target: Snapshot) -> None:
    model = MODELS[kind]
    existing = model._default_manager.in_bulk(ids)
    for row_id, columns in _columns(kind, target):
        if row_id in ids:
            row = existing.get(row_id) or model(pk=row_id)
            for name, value in columns.items():
                setattr(row, name, value)
            with told_of(f"{kind} {row}"), _taken_told_of(f"{kind} {row}"):
                row.save()


@contextmanager
def _taken_told_of(row: str) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise _Taken(row) from error


def _rows(kind: Kind, ids: set[int]) -> models.QuerySet[Any]:
    return MODELS[kind]._default_manager.filter(pk__in=ids)


def _columns(kind: Kind, target: Snapshot) -> Iterable[tuple[int, dict[str, Any]]]:
    match kind:
        case Kind.POOL:
            return [(pool.id, _pool_columns(pool)) for pool in target.pools]
        case Kind.BACKEND:
            # Stand-ins last: the backend that one stands in for has to be there.
            return [
                (backend.id, _backend_columns(backend, pool))
                for pool in target.pools
                for backend in sorted(pool.backends, key=lambda backend: backend.backup_of != 0)
            ]
        case Kind.ROUTE:
            return [(route.id, _route_columns(route)) for route in target.routes]


def _pool_columns(pool: PoolSpec) -> dict[str, Any]:
    columns = {"name": pool.name, "algorithm": pool.algorithm}
    for field, group in POOL_GROUPS.items():
        columns |= group.restore(getattr(pool, field))
    return columns


def _backend_columns(backend: BackendSpec, pool: PoolSpec) -> dict[str, Any]:
    return {
        "pool_id": pool.id,
        "name": backend.name,
        "url": backend.url,
        "weight": backend.weight,
        "tier": backend.tier,
        "max_connections": backend.max_connections,
        "admin_state": backend.admin_state.value,
        "backup_of_id": backend.backup_of or None,
        "metadata": backend.metadata,
        **HEALTH_OVERRIDES.restore(backend.health),
    }


def _route_columns(route: RouteSpec) -> dict[str, Any]:
    return {
        "pool_id": route.pool_id,
        "host": route.host,
        "path_prefix": route.path_prefix,
        "strip_prefix": route.strip_prefix,
        "priority": route.priority,
        "request_headers": to_column(route.request_rules),
        "response_headers": to_column(route.response_rules),
        **RATE_LIMIT.restore(route.rate_limit),
    }
