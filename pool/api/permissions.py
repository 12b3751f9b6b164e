"""Who may do what over REST: Django's model permissions, as in the admin."""

from typing import Any

from rest_framework.permissions import DjangoModelPermissions
from rest_framework.request import Request

_VIEW = ["%(app_label)s.view_%(model_name)s"]


class ModelPermissions(DjangoModelPermissions):
    """Reading takes the view permission too; DRF's own lets every user read."""

    perms_map = DjangoModelPermissions.perms_map | {"GET": _VIEW, "HEAD": _VIEW, "OPTIONS": _VIEW}
    message = ""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Names what is lacking: whoever gives rights has a long list of them."""
        allowed = super().has_permission(request, view)
        if not allowed:
            model = self._queryset(view).model
            lacking = self.get_required_permissions(request.method or "", model)
            self.message = f"You lack the right {' and '.join(lacking)}."
        return allowed


class MayChange(ModelPermissions):
    """For actions that change what is there: POST takes the change permission."""

    perms_map = ModelPermissions.perms_map | {"POST": ["%(app_label)s.change_%(model_name)s"]}


class MayRollBack(ModelPermissions):
    perms_map = ModelPermissions.perms_map | {"POST": ["%(app_label)s.rollback_%(model_name)s"]}
