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
from pool.admin.base import StyledAdmin
from pool.models import Backend, Pool, Revision

admin.site.unregister((Pool, Backend, Revision))


_TRAFFIC = "admin:analytics_trafficrollup_changelist"
_to_traffic = action(
    description="Traffic", icon="monitoring", url_path="traffic", permissions=["traffic"]
)


class _Links(StyledAdmin):
    """Ways to pages of reports, for who may see these."""

    def has_traffic_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("analytics.view_trafficrollup")

    def row(self, request: HttpRequest, object_id: str) -> Any:
        found = self.get_object(request, unquote(object_id))
        if found is None:
            raise Http404(f"There is nothing with the number {object_id}.")
        return found


def _follow(page: str, **names: str) -> HttpResponse:
    """To `page`, about what reports know by `names`."""
    return redirect(f"{reverse(page)}?{urlencode(names)}")


@admin.register(Pool)
class PoolWithTraffic(_Links, PoolAdmin):
    actions_detail = (*PoolAdmin.actions_detail, "traffic")

    @_to_traffic
    def traffic(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return _follow(_TRAFFIC, pool=self.row(request, object_id).name)


@admin.register(Backend)
class BackendWithTraffic(_Links, BackendAdmin):
    actions_detail = (*BackendAdmin.actions_detail, "traffic")

    @_to_traffic
    def traffic(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.row(request, object_id)
        return _follow(_TRAFFIC, pool=row.pool.name, backend=row.name)


@admin.register(Revision)
class RevisionWithTraffic(_Links, RevisionAdmin):
    actions_detail = (*RevisionAdmin.actions_detail, "compare")

    @action(
        description="Compare before and after",
        icon="compare_arrows",
        url_path="compare",
        permissions=["traffic"],
    )
    def compare(self, request: HttpRequest, object_id: str) -> HttpResponse:
        number = self.row(request, object_id).number
        return _follow("admin:analytics_compare", revision=str(number))
