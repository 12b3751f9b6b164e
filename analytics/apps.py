from typing import Any

from django.apps import AppConfig
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created


class AnalyticsConfig(AppConfig):
    name = "analytics"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        connection_created.connect(_compile_no_queries, dispatch_uid="analytics")


def _compile_no_queries(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """PostgreSQL's compiler takes longer over a report's forty sums than to add them up."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET jit = off")
