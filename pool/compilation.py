"""Models → specs. Reads everything in three queries, however much there is."""

from collections import defaultdict

from pool.models import Backend, Pool, Route
from pool.snapshot import BackendSpec, PoolSpec, RouteSpec

Content = tuple[tuple[PoolSpec, ...], tuple[RouteSpec, ...]]


def compile_configuration() -> Content:
    """All pools and routes, in the order in which they were made.

    By id, because the order shows: equal backends take turns in it.
    """
    backends: dict[int, list[BackendSpec]] = defaultdict(list)
    for backend in Backend.objects.order_by("id"):
        backends[backend.pool_id].append(backend.compile())
    pools = tuple(pool.compile(backends[pool.pk]) for pool in Pool.objects.order_by("id"))
    return pools, tuple(route.compile() for route in Route.objects.order_by("id"))
