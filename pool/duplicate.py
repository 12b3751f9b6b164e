"""A pool once more, to change what is tried on it while the first one serves."""

from itertools import count
from typing import Any, cast

from django.db import models, transaction

from pool.actor import Actor, acting_as
from pool.models import Backend, Pool
from pool.publish import schedule
from pool.refusals import told_of

_OF_THE_ROW = {"id", "created_at", "updated_at"}


def free_name(name: str) -> str:
    """`name` with "-copy" behind it, and a number too where there is such a pool already."""
    longest = cast("int", Pool._meta.get_field("name").max_length)
    endings = ("-copy" if number == 1 else f"-copy-{number}" for number in count(1))
    names = (f"{name[: longest - len(ending)]}{ending}" for ending in endings)
    return next(free for free in names if not Pool.objects.filter(name=free).exists())


def duplicate(pool: Pool, name: str, by: Actor = None) -> Pool:
    """With its policies, and with its backends as they are; no route leads to it.

    ValidationError if it cannot be called `name`, or if today's rules refuse what is copied: its
    message_dict says of a backend's field "backend a, url".
    """
    with transaction.atomic(), acting_as(by):
        schedule(f"Duplicated pool {pool}")
        copy = Pool(**_columns(pool) | {"name": name})
        copy.save()
        ids: dict[int | None, int | None] = {None: None}
        # Stand-ins last: the backend that one stands in for has to be there.
        for backend in sorted(pool.backends.all(), key=lambda row: row.backup_of_id is not None):
            of_the_copy = {"pool_id": copy.pk, "backup_of_id": ids[backend.backup_of_id]}
            made = Backend(**_columns(backend) | of_the_copy)
            with told_of(f"backend {made.name}"):
                made.save()
            ids[backend.pk] = made.pk
    return copy


def _columns(row: models.Model) -> dict[str, Any]:
    names = {field.attname for field in row._meta.concrete_fields} - _OF_THE_ROW
    return {name: getattr(row, name) for name in names}
