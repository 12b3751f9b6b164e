"""Users, groups and their API tokens, and what the admin's front page shows.

`Token` has its key as its text, so a screen of tokens would put every key into
lists, confirmations and the admin's log. A user's token is therefore issued and
revoked on the user's own page, and its key is shown once.
"""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from rest_framework.authtoken.models import Token, TokenProxy
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from pool.admin.base import StyledAdmin

admin.site.index_template = "lbsite/dashboard.html"
admin.site.index_title = "Overview"

for model in (User, Group, TokenProxy):
    admin.site.unregister(model)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, StyledAdmin):
    pass


@admin.register(User)
class UserAdmin(DjangoUserAdmin, StyledAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "token_issued")
    readonly_fields = ("last_login", "date_joined")
    compressed_fields = False  # two lists beside a label are wider than the page
    actions_detail = ("issue_token", "revoke_token")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).select_related("auth_token")

    @display(description="API token issued")
    def token_issued(self, user: User) -> Any:
        token = getattr(user, "auth_token", None)
        return token and token.created

    def has_token_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """May this person act as that user over the API? Nobody gains rights by it."""
        if object_id is None or not self.has_change_permission(request):
            return False
        if not request.user.has_perm("authtoken.add_token"):
            return False
        user = self.get_object(request, object_id)
        return user is None or request.user.is_superuser or not user.is_superuser

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Names what goes with a user, but a token only by what it is."""
        deleted, *rest = super().get_deleted_objects(objs, request)
        keys = Token.objects.filter(user__in=objs).values_list("key", flat=True)
        return _without(set(keys), deleted), *rest

    @action(
        description="Issue API token", url_path="issue-token", icon="key", permissions=["token"]
    )
    def issue_token(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Asks on GET; on POST replaces the user's token and shows the new key, once."""
        user = self._user(request, object_id)
        context = {"issued": Token.objects.filter(user=user).first()}
        if request.method == "POST":
            with transaction.atomic():
                Token.objects.filter(user=user).delete()
                token = Token.objects.create(user=user)
            self.log_change(request, user, "Issued a new API token.")
            context = {"key": token.key}
        return self._token_page(request, user, "Issue API token", context)

    @action(
        description="Revoke API token",
        url_path="revoke-token",
        icon="key_off",
        permissions=["token"],
    )
    def revoke_token(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self._user(request, object_id)
        if request.method != "POST":
            context = {"revoking": True, "issued": Token.objects.filter(user=user).first()}
            return self._token_page(request, user, "Revoke API token", context)
        revoked, _ = Token.objects.filter(user=user).delete()
        if revoked:
            self.log_change(request, user, "Revoked the API token.")
            messages.success(request, f"The API token of {user} no longer works.")
        else:
            messages.info(request, f"{user} has no API token.")
        return redirect("admin:auth_user_change", object_id)

    def _user(self, request: HttpRequest, object_id: str) -> User:
        user = self.get_object(request, object_id)
        if user is None:
            raise Http404(f"There is no user {object_id}.")
        return user

    def _token_page(
        self, request: HttpRequest, user: User, title: str, context: dict[str, Any]
    ) -> TemplateResponse:
        return TemplateResponse(
            request,
            "lbsite/api_token.html",
            {
                **self.admin_site.each_context(request),
                "title": title,
                "object": user,
                "user_url": reverse("admin:auth_user_change", args=[user.pk]),
                **context,
            },
        )


def _without(secrets: set[str], texts: list[Any]) -> list[Any]:
    """A list of texts, and of lists of texts, in which texts with a secret say less."""
    return [
        _without(secrets, text)
        if isinstance(text, list)
        else "API token"
        if any(secret in text for secret in secrets)
        else text
        for text in texts
    ]
