"""The first administrator."""

import os
import secrets
from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.db.models import Q

DEFAULT_NAME = "admin"


@dataclass(frozen=True, kw_only=True)
class AdminUser:
    """`password` only if it was made just now; it is stored nowhere in this form."""

    name: str
    password: str | None = None

    def __repr__(self) -> str:
        return f"AdminUser(name={self.name!r})"


def ensure_admin_user() -> AdminUser:
    """The administrator, made from LB_ADMIN_USER and LB_ADMIN_PASSWORD if there is none yet.

    An existing user is left as it is: somebody may have changed the password since.
    """
    users = get_user_model()._default_manager
    name = os.environ.get("LB_ADMIN_USER", "")
    wanted = Q(username=name) if name else Q(is_superuser=True) | Q(username=DEFAULT_NAME)
    if (user := users.filter(wanted).order_by("pk").first()) is not None:
        return AdminUser(name=user.get_username())
    given = os.environ.get("LB_ADMIN_PASSWORD", "")
    password = given or secrets.token_urlsafe(12)
    user = users.create_superuser(username=name or DEFAULT_NAME, email="", password=password)
    return AdminUser(name=user.get_username(), password=None if given else password)
