"""The control plane's connection to Redis."""

from functools import cache

from django.conf import settings
from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry


@cache
def redis_client() -> Redis:
    """One client a process; it keeps a pool of connections and reconnects by itself.

    Times out rather than hangs: a form must answer even while Redis is away. One
    retry, at once, is for a kept connection that a restart of Redis has cut. Hundreds
    of probing threads share the connections: one waits for its turn.
    """
    connections = BlockingConnectionPool.from_url(
        settings.LB_REDIS_URL,
        max_connections=32,
        timeout=5,
        socket_timeout=2,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 1),
    )
    return Redis(connection_pool=connections)
