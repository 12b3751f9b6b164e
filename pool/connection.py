"""The control plane's connection to Redis."""

from functools import cache

from django.conf import settings
from redis import Redis


@cache
def redis_client() -> Redis:
    """One client a process; it keeps a pool of connections and reconnects by itself.

    Times out rather than hangs: a form must answer even while Redis is away.
    """
    return Redis.from_url(settings.LB_REDIS_URL, socket_timeout=2, socket_connect_timeout=1)
