from typing import Any

from django.apps import AppConfig
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created


class AnalyticsConfig(AppConfig):
    name = "analytics"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        connection_created.connect(_suit_reports, dispatch_uid="analytics")


def _suit_reports(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """PostgreSQL's compiler takes longer over a report's forty sums than to add them up; and a
    day's histograms of a thousand backends do not fit into its 4 MB: it sorts them on the disk.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET jit = off; SET work_mem = '32MB'")
