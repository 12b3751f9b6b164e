"""Who may use the view, and whether the project that it is hooked into has said all it needs."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

OFF, STAFF, PUBLIC = "off", "staff", "public"


def access() -> str:
    return getattr(settings, "LB_PROXY_VIEW", OFF)


def check_settings(**_: Any) -> list[CheckMessage]:
    """A system check: a mistake is told when the project starts, and not to its first client."""
    found: list[CheckMessage] = []
    if access() not in (OFF, STAFF, PUBLIC):
        found.append(
            Error(
                f"LB_PROXY_VIEW is {access()!r}.",
                hint=f"Set it to {OFF!r}, {STAFF!r} or {PUBLIC!r}.",
                id="proxy.E001",
            )
        )
    elif access() != OFF and not getattr(settings, "LB_REDIS_URL", ""):
        found.append(
            Error(
                "LB_PROXY_VIEW is on, and there is no LB_REDIS_URL to read the pools from.",
                hint="Set LB_REDIS_URL to the Redis of lbsite, as redis://host:6379/0.",
                id="proxy.E002",
            )
        )
    return found
