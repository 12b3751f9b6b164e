"""Every saved or deleted part of the configuration schedules a publish.

Signals, and only here and for this: deletions by a cascade, by `QuerySet.delete()`
or by the admin's bulk action call no method of the rows they delete.
"""

from typing import Any

from django.db.models.signals import post_delete, post_save

from pool.models import Backend, Pool, Route
from pool.publish import schedule


def connect() -> None:
    for model in (Pool, Backend, Route):
        for signal in (post_save, post_delete):
            signal.connect(_configuration_changed, model, dispatch_uid="pool.publish")


def _configuration_changed(**_: Any) -> None:
    schedule()
