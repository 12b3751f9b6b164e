"""The URLs of hosts, as programs write them: an origin, and a path in front of all paths."""

import re

from pool.addresses import normalise_origin, normalise_path_prefix

_ABSOLUTE = re.compile("[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def normalise_base(text: str) -> str:
    """`scheme://host[:port][/prefix]` in one spelling; ValueError with the fix.

    The text is never repeated in an error: it may hold a password.
    """
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        raise ValueError("Start a host with http:// or https://, for example http://10.0.0.5:8080.")
    authority, slash, path = rest.partition("/")
    origin = normalise_origin(f"{scheme}://{authority}")
    prefix = normalise_path_prefix(slash + path.rstrip("/")) if path.strip("/") else ""
    return origin + prefix


def origin_of(base: str) -> str:
    scheme, _, rest = base.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def join(base: str, path: str) -> str:
    """The URL of `path` at a host. Nothing in `path` can lead to another one."""
    if _ABSOLUTE.match(path):
        raise ValueError("Give a path, as in /api/users: the balancer chooses the host.")
    return base + (path if path.startswith("/") else f"/{path}")
