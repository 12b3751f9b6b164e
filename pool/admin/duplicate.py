"""A pool's duplicate, made from its page."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from unfold.dataclasses import ActionDialog
from unfold.decorators import action
from unfold.widgets import UnfoldAdminTextInputWidget

from pool.admin.base import StyledAdmin, warn_of_waiting_revision
from pool.admin.dialogs import RowForm, done, lead
from pool.duplicate import duplicate, free_name
from pool.models import Pool
from pool.refusals import in_words


class DuplicateForm(RowForm):
    model = Pool
    name = Pool._meta.get_field("name").formfield(widget=UnfoldAdminTextInputWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].initial = free_name(self.row.name)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        try:
            Pool(name=name).validate_unique()
        except ValidationError as error:
            raise ValidationError(error.messages) from error
        return name


class DuplicateAction(StyledAdmin):
    """For the pools' screen."""

    def has_duplicate_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        rights = ("pool.view_pool", "pool.add_pool", "pool.add_backend")
        return request.user.has_perms(rights)

    @action(
        description="Duplicate",
        icon="content_copy",
        permissions=["duplicate"],
        dialog=ActionDialog(
            title="Duplicate this pool?",
            description="The new pool has the same settings and the same backends, which are "
            "probed for it too. It gets no traffic until a route leads to it.",
            form_class=DuplicateForm,
            form_submit_text="Duplicate",
        ),
    )
    def duplicate(self, request: HttpRequest, form: DuplicateForm, object_id: str) -> HttpResponse:
        pool = form.row
        try:
            copy = duplicate(pool, form.cleaned_data["name"], by=request.user)
        except ValidationError as error:
            messages.error(request, f"Nothing changed. {in_words(error)}")
            return done(request, "admin:pool_pool_change", pool.pk)
        self.log_addition(request, copy, f"Duplicated pool {pool}.")
        messages.success(request, f"{copy} is a duplicate of {pool}. No route leads to it yet.")
        warn_of_waiting_revision(request)
        return lead(request, "admin:pool_pool_change", copy.pk)
