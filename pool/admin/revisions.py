"""Revisions: what was changed, when and by whom; the way back; and the edges that run them."""

from collections.abc import Iterable
from typing import Any

import msgspec
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.views import ChangeList

from pool.admin.badges import BLUE, GREEN, ORANGE, badge
from pool.admin.base import ReadOnlyAdmin, warn_of_waiting_revision
from pool.admin.changes import changes_table
from pool.admin.edges import EdgesNow
from pool.diff import Change
from pool.models import Revision
from pool.refusals import in_words
from pool.restore import preview_rollback, rehearse_rollback, rollback
from pool.revise import PublishError
from pool.words import counted


class RevisionChangeList(ChangeList):
    """Asks once which edges run which of its rows."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        _attach_edge_counts(self.result_list)


@admin.register(Revision)
class RevisionAdmin(ReadOnlyAdmin):
    list_display = ("number", "summary", "actor", "created_at", "status")
    list_display_links = ("number", "summary")
    search_fields = ("summary", "actor")
    search_help_text = "Words of the summary, or who changed it"
    fields = ("number", "summary", "actor", "created_at", "published_at", "status", "content_hash")
    actions_row = ("roll_back",)
    actions_detail: tuple[Any, ...] = ("roll_back",)
    change_form_outer_after_template = "pool/admin/revision_changes.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Revision]:
        """Without the snapshot, which may be large and is needed for a rollback only."""
        return super().get_queryset(request).defer("snapshot")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RevisionChangeList

    def get_urls(self) -> list[URLPattern]:
        edges = path("edges/", self.admin_site.admin_view(self.edges_view), name="pool_edges")
        numbered = path(
            "number/<int:number>/",
            self.admin_site.admin_view(self.numbered_view),
            name="pool_revision_numbered",
        )
        return [edges, numbered, *super().get_urls()]

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        revision = super().get_object(request, object_id, from_field)
        if revision is not None:
            _attach_edge_counts([revision])
        return revision

    def has_rollback_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("pool.rollback_revision")

    @display(description="Status")
    def status(self, revision: Any) -> str:
        if not revision.published:
            return badge("waiting for Redis", ORANGE, "Edges get it when Redis is back.")
        if not revision.edges:
            return badge("published", BLUE)
        return badge(f"on {counted(revision.edges, 'edge worker')}", GREEN)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        revision = kwargs["obj"]
        context["changes"] = changes_table(msgspec.convert(revision.diff, list[Change]))
        return super().render_change_form(request, context, *args, **kwargs)

    @action(
        description="Roll back to this",
        url_path="rollback",
        icon="undo",
        variant=ActionVariant.PRIMARY,
        permissions=["rollback"],
    )
    def roll_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """On GET shows what would change; on POST does it."""
        revision = self.get_object(request, unquote(object_id))
        if revision is None:
            raise Http404(f"There is no revision {object_id}.")
        if request.method == "POST":
            return self._roll_back(request, revision)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Roll back to revision {revision.number}?",
            "opts": self.opts,
            "object": revision,
            "revision": revision,
            **_preview(revision),
        }
        return TemplateResponse(request, "pool/admin/rollback.html", context)

    def _roll_back(self, request: HttpRequest, revision: Revision) -> HttpResponse:
        try:
            rollback(revision, request.user)
        except (PublishError, ValidationError) as error:
            messages.error(request, _refusal(revision, error))
        else:
            messages.success(request, f"The configuration is that of revision {revision.number}.")
            warn_of_waiting_revision(request)
        return redirect("admin:pool_revision_changelist")

    def numbered_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """The page of a revision, for who knows its number, as events do."""
        revision = get_object_or_404(self.get_queryset(request), number=number)
        return redirect("admin:pool_revision_change", revision.pk)

    def edges_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": "Edges",
            "content_title": "Edges",
            "edges": EdgesNow.read(),
        }
        return TemplateResponse(request, "pool/admin/edges.html", context)


def _attach_edge_counts(revisions: Iterable[Any]) -> None:
    counts = EdgesNow.read().workers_by_hash()
    for revision in revisions:
        revision.edges = counts[revision.content_hash]


def _preview(revision: Revision) -> dict[str, Any]:
    """What a rollback would change now, and why it cannot be done, if so."""
    preview: dict[str, Any] = {}
    try:
        preview["changes"] = changes_table(preview_rollback(revision))
        rehearse_rollback(revision)
    except (PublishError, ValidationError) as error:
        preview["error"] = _refusal(revision, error)
    return preview


def _refusal(revision: Revision, error: PublishError | ValidationError) -> str:
    if isinstance(error, PublishError):
        return str(error)
    return (
        f"Cannot roll back to revision {revision.number}, because today's rules refuse it. "
        f"{in_words(error)}"
    )
