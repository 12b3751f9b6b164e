"""What the admin's screens have in common."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.db.models import Model
from django.forms.widgets import Script
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin

from pool import publish


@dataclass(frozen=True)
class Deletion:
    """What the page before a deletion tells. `tree`: texts, and lists of what goes with them."""

    tree: list[Any]
    counts: dict[str, int]
    missing_rights: set[str] = field(default_factory=set)
    protected: list[str] = field(default_factory=list)


class StyledAdmin(ModelAdmin):
    class Media:
        css = {"all": ("pool/admin.css",)}
        js = (Script("pool/labels.js", defer=True),)


class ConfigurationAdmin(StyledAdmin):
    """A screen whose changes go out to the edges."""

    warn_unsaved_form = True
    list_filter_submit = True

    def describe_deletion(self, rows: Iterable[Any], request: HttpRequest) -> Deletion:
        names = [str(row) for row in rows]
        return Deletion(names, {str(self.opts.verbose_name_plural): len(names)})

    def get_deleted_objects(self, objs: Iterable[Any], request: HttpRequest) -> Any:
        """Django's own lists every health record that goes with a backend, of which there may
        be a million, and asks for the right to delete them, which nobody has.
        """
        deletion = self.describe_deletion(objs, request)
        return deletion.tree, deletion.counts, deletion.missing_rights, deletion.protected

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        response = super().changeform_view(request, *args, **kwargs)
        return _with_warning(request, response)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return _with_warning(request, super().delete_view(request, *args, **kwargs))

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return _with_warning(request, super().changelist_view(request, *args, **kwargs))


class ReadOnlyAdmin(StyledAdmin):
    """A screen to look at: what it shows is written by the program."""

    list_filter_submit = True
    list_per_page = 50
    show_facets = ShowFacets.NEVER  # each would count a table without end

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Without the button for the history of its changes: nobody can change it."""
        context = {**(extra_context or {}), "show_history": False}
        return super().changeform_view(request, object_id, form_url, context)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def warn_of_waiting_revision(request: HttpRequest) -> None:
    """Say so if what was just saved has not reached the edges' Redis."""
    if warning := publish.waiting():
        messages.warning(request, warning)


def _with_warning(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """A redirect that answers a POST means that something was saved."""
    if request.method == "POST" and response.status_code == HTTPStatus.FOUND:
        warn_of_waiting_revision(request)
    return response
