"""Whose traffic a report is about, and what there is to choose from."""

from dataclasses import dataclass, replace

from django.db.models import Q

from analytics.models import TrafficSeries
from analytics.reports.span import BadParameter
from pool.models import Backend, Pool, Route

_NAMES_SHOWN = 20
EDGE = ""  # the backend of what the edge answered itself


@dataclass(frozen=True)
class Scope:
    """All that is not empty must be so. `route`: its number, 0 where none matched."""

    pool: str = ""
    backend: str = ""
    route: int | None = None

    def all_backends(self) -> "Scope":
        """What a backend's share is of."""
        return replace(self, backend="")

    def of_series(self, prefix: str = "") -> Q:
        found = Q()
        for name, value in (("pool", self.pool), ("backend", self.backend)):
            if value:
                found &= Q(**{f"{prefix}{name}": value})
        if self.route is not None:
            found &= Q(**{f"{prefix}route_id": self.route})
        return found


EVERYWHERE = Scope()


def parse_scope(pool: str = "", backend: str = "", route: str = "") -> Scope:
    """BadParameter if something is neither configured nor was ever seen."""
    if pool:
        _known("pool", pool, pool_names())
    if backend:
        _known("backend", backend, backend_names(pool))
    return Scope(pool, backend, _route(route) if route else None)


def pool_names() -> list[str]:
    """All that a report can be about: configured, or seen before."""
    seen = TrafficSeries.objects.exclude(pool="").values_list("pool", flat=True)
    return sorted({*Pool.objects.values_list("name", flat=True), *seen.distinct()})


def backend_names(pool: str = "") -> list[str]:
    """The same for the backends, of one pool if named."""
    seen = TrafficSeries.objects.exclude(backend=EDGE)
    configured = Backend.objects.all()
    if pool:
        seen, configured = seen.filter(pool=pool), configured.filter(pool__name=pool)
    names = configured.values_list("name", flat=True)
    return sorted({*names, *seen.values_list("backend", flat=True).distinct()})


def route_names() -> dict[int, str]:
    """Number of a route → host and path prefix; "" if it is configured no more."""
    seen = TrafficSeries.objects.values_list("route_id", flat=True).distinct()
    names: dict[int, str] = dict.fromkeys(seen, "")
    for route in Route.objects.all():
        names[route.pk] = str(route)
    return dict(sorted(names.items()))


def _route(asked: str) -> int:
    """By its number, or by its host and path prefix."""
    names = route_names()
    for number, name in names.items():
        if asked == name or (asked.isdecimal() and int(asked) == number):
            return number
    shown = [f"{number} ({name})" if name else str(number) for number, name in names.items()]
    raise _unknown("route", asked, shown)


def _known(kind: str, value: str, names: list[str]) -> None:
    if value not in names:
        raise _unknown(kind, value, names)


def _unknown(kind: str, value: str, names: list[str]) -> BadParameter:
    shown = ", ".join(names[:_NAMES_SHOWN]) or "none yet"
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return BadParameter(kind, f"There is no {kind} “{value}”; there are: {shown}{more}.")
