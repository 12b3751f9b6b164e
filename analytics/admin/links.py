"""Ways from the screens of pools, backends and revisions to the reports about them.

The screens belong to an app that knows nothing of reports: here they are registered once
more, with the links.
"""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.decorators import action

from pool.admin import BackendAdmin, PoolAdmin, RevisionAdmin
from pool.models import Backend, Pool, Revision

admin.site.unregister((Pool, Backend, Revision))


class _Link:
    """A way to a page of reports, for who may see these."""

    def has_traffic_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("analytics.view_trafficrollup")

    def follow(self, request: HttpRequest, object_id: str, page: str) -> HttpResponse:
        """To `page`, which is told of which object it comes."""
        row = self.get_object(request, unquote(object_id))  # type: ignore[attr-defined]
        if row is None:
            raise Http404(f"There is nothing with the number {object_id}.")
        return redirect(f"{reverse(page)}?{urlencode(self.name_of(row))}")

    def name_of(self, row: Any) -> dict[str, str]:
        """How reports name it."""
        raise NotImplementedError


class _TrafficLink(_Link):
    @action(description="Traffic", icon="monitoring", url_path="traffic", permissions=["traffic"])
    def traffic(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.follow(request, object_id, "admin:analytics_trafficrollup_changelist")


@admin.register(Pool)
class PoolWithTraffic(_TrafficLink, PoolAdmin):
    actions_detail = (*PoolAdmin.actions_detail, "traffic")  # type: ignore[assignment]

    def name_of(self, row: Pool) -> dict[str, str]:
        return {"pool": row.name}


@admin.register(Backend)
class BackendWithTraffic(_TrafficLink, BackendAdmin):
    actions_detail = (*BackendAdmin.actions_detail, "traffic")  # type: ignore[assignment]

    def name_of(self, row: Backend) -> dict[str, str]:
        return {"pool": row.pool.name, "backend": row.name}


@admin.register(Revision)
class RevisionWithTraffic(_Link, RevisionAdmin):
    actions_detail = (*RevisionAdmin.actions_detail, "compare")  # type: ignore[assignment]

    @action(
        description="Compare before and after",
        icon="compare_arrows",
        url_path="compare",
        permissions=["traffic"],
    )
    def compare(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.follow(request, object_id, "admin:analytics_compare")

    def name_of(self, row: Revision) -> dict[str, str]:
        return {"revision": str(row.number)}
