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

from pool.admin import BackendAdmin, PoolAdmin
from pool.models import Backend, Pool

admin.site.unregister((Pool, Backend))


class TrafficLink:
    """For a screen whose objects have traffic. `traffic_of` says how the report names one."""

    def has_traffic_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("analytics.view_trafficrollup")

    def traffic_of(self, row: Any) -> dict[str, str]:
        raise NotImplementedError

    @action(description="Traffic", icon="monitoring", url_path="traffic", permissions=["traffic"])
    def traffic(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))  # type: ignore[attr-defined]
        if row is None:
            raise Http404(f"There is nothing with the number {object_id}.")
        page = reverse("admin:analytics_trafficrollup_changelist")
        return redirect(f"{page}?{urlencode(self.traffic_of(row))}")


@admin.register(Pool)
class PoolWithTraffic(TrafficLink, PoolAdmin):
    actions_detail = (*PoolAdmin.actions_detail, "traffic")  # type: ignore[assignment]

    def traffic_of(self, row: Pool) -> dict[str, str]:
        return {"pool": row.name}


@admin.register(Backend)
class BackendWithTraffic(TrafficLink, BackendAdmin):
    actions_detail = (*BackendAdmin.actions_detail, "traffic")  # type: ignore[assignment]

    def traffic_of(self, row: Backend) -> dict[str, str]:
        return {"pool": row.pool.name, "backend": row.name}
