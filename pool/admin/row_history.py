"""The page behind the button "History" of what is published."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from pool.admin.changes import changes_table
from pool.admin.history import local
from pool.history.changes import SEARCHED, Changed, changes_of


class RowHistory:
    """For the screens of pools, backends and routes.

    Django's own page tells only of what was saved in this admin, on this very screen.
    """

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponseBase:
        screen: Any = self
        row = screen.get_object(request, object_id)
        if row is None:
            return screen._get_obj_does_not_exist_redirect(request, screen.opts, object_id)
        if not screen.has_view_or_change_permission(request, row):
            raise PermissionDenied
        linked = request.user.has_perm("pool.view_revision")
        context = {
            **screen.admin_site.each_context(request),
            "title": f"History of {row}",
            "opts": screen.opts,
            "object": row,
            "changes": _table(changes_of(row), linked=linked),
            "searched": SEARCHED,
        }
        return TemplateResponse(request, "pool/admin/row_history.html", context)


def _table(history: list[Changed], *, linked: bool) -> dict[str, list[Any]]:
    table = changes_table([])
    rows = [
        [local(changed.at), _revision(changed.number, linked=linked), changed.actor or "-", *row]
        for changed in history
        for row in changes_table(changed.changes)["rows"]
    ]
    return {"headers": ["At", "Revision", "Who", *table["headers"]], "rows": rows}


def _revision(number: int, *, linked: bool) -> Any:
    if not linked:
        return number
    link = reverse("admin:pool_revision_numbered", args=[number])
    return format_html('<a href="{}" class="text-link">{}</a>', link, number)
