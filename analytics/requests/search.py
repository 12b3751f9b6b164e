"""Which requests somebody looks for."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.db.models.functions import Left

from analytics.reports.scope import EVERYWHERE, Scope
from analytics.requests.models import RequestRecord


@dataclass(frozen=True)
class Search:
    """All that is not empty or None must be so; `statuses` are those from one to the other."""

    scope: Scope = EVERYWHERE
    since: datetime | None = None
    until: datetime | None = None
    statuses: tuple[int, int] | None = None
    method: str = ""
    host: str = ""
    path: str = ""  # its beginning
    client: str = ""
    cause: str = ""
    request_id: str = ""
    notable: bool | None = None
    min_ms: float | None = None

    def find(self) -> QuerySet[RequestRecord]:
        """Newest first."""
        rows = RequestRecord.objects.filter(self.scope.of_series(), **self._exact())
        if self.path:
            # Not `startswith`, which on SQLite takes small letters for large ones.
            rows = rows.alias(begins=Left("path", len(self.path))).filter(begins=self.path)
        return rows.order_by("-at", "-key")

    def _exact(self) -> dict[str, object]:
        wanted = {
            "at__gte": self.since,
            "at__lt": self.until,
            "status__range": self.statuses,
            "method": self.method or None,
            "host": self.host or None,
            "client": self.client or None,
            "cause": self.cause or None,
            "request_id": self.request_id or None,
            "notable": self.notable,
            "total__gte": None if self.min_ms is None else self.min_ms * 1000,
        }
        return {name: value for name, value in wanted.items() if value is not None}
