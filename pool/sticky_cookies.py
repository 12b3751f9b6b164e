"""Sticky pools that set the same cookie under one host: browsers keep the last one only."""

from itertools import product

from pool.choices import StickyMode
from pool.models import Pool


def advise(pool: Pool) -> list[str]:
    """A sentence for each other pool whose cookie and this one's overwrite each other."""
    if pool.sticky_mode != StickyMode.COOKIE:
        return []
    others = Pool.objects.filter(sticky_mode=StickyMode.COOKIE, sticky_name=pool.sticky_name)
    hosts = _hosts(pool)
    return [
        f"The pools {pool.name} and {other.name} set the same cookie, {pool.sticky_name}, under "
        f"{host or 'any host'}: a client of both sticks to neither. Give one of them another "
        "cookie name."
        for other in others.exclude(pk=pool.pk).order_by("name").prefetch_related("routes")
        if (host := _common(hosts, _hosts(other))) is not None
    ]


def _hosts(pool: Pool) -> list[str]:
    return sorted({route.host for route in pool.routes.all()})


def _common(hosts: list[str], others: list[str]) -> str | None:
    """One under which both serve, the most specific way to say it."""
    for host, other in product(hosts, others):
        for narrow, wide in ((host, other), (other, host)):
            if not wide or narrow == wide or (wide[0] == "*" and narrow.endswith(wide[1:])):
                return narrow
    return None
