"""System checks: what is misconfigured, told with an id and a hint before it fails at run time."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from redis.connection import parse_url


@checks.register(checks.Tags.compatibility)
def check_redis_url(app_configs: Any = None, **_: Any) -> list[checks.CheckMessage]:
    """Whether the URL can be read; it is never repeated, because it may hold a password."""
    hint = "Write redis://[:password@]host:6379/0, rediss://… for TLS, or unix:///path/redis.sock."
    try:
        parts = urlsplit(settings.LB_REDIS_URL)
        options = parse_url(settings.LB_REDIS_URL)
    except ValueError:
        return [checks.Error("LB_REDIS_URL is not a Redis URL.", hint=hint, id="lbsite.E001")]
    target = options.get("path") if parts.scheme == "unix" else options.get("host")
    if not target:
        return [
            checks.Error("LB_REDIS_URL names no host or socket path.", hint=hint, id="lbsite.E002"),
        ]
    return []


@checks.register(checks.Tags.security, deploy=True)
def check_data_folder_is_private(app_configs: Any = None, **_: Any) -> list[checks.CheckMessage]:
    if settings.DATA_DIR.stat().st_mode & 0o077 == 0:
        return []
    return [
        checks.Warning(
            f"Other users can look into {settings.DATA_DIR}, which holds the secret key, "
            "sessions and API tokens.",
            hint=f"chmod 700 {settings.DATA_DIR}",
            id="lbsite.W001",
        )
    ]
