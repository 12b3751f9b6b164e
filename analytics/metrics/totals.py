"""What was ever counted, by pool and backend: one row a series, however old it is."""

from typing import NamedTuple

from analytics.aggregate import SUMMED, Counters, Times, sum_of
from analytics.histograms import unpack
from analytics.levels import EVER
from analytics.models import TrafficRollup
from pool.models import Backend, Pool

EDGE = ""  # in a backend's place: the edge answered itself


class Name(NamedTuple):
    """`pool` "": no route matched."""

    pool: str
    backend: str


Totals = dict[Name, Counters]


def read_totals() -> Totals:
    """Of what is configured: what was deleted or renamed would pile up for ever.

    The sums of all routes to a pool; `total` is the only one of the times. Three queries.
    """
    parts: dict[Name, list[Counters]] = {name: [] for name in _configured()}
    rows = TrafficRollup.objects.filter(step=EVER).values_list(
        "series__pool", "series__backend", "total_sum", "total_histogram", *SUMMED
    )
    for pool, backend, duration, histogram, *numbers in rows.order_by().iterator():
        own = parts.get(Name(pool, backend))
        if own is not None:
            times = Times(sum=duration, histogram=unpack(histogram))
            own.append(Counters(total=times, **dict(zip(SUMMED, numbers, strict=True))))
    return {name: sum_of(own) for name, own in parts.items()}


def _configured() -> list[Name]:
    pools = Pool.objects.order_by("name").values_list("name", flat=True)
    backends = Backend.objects.order_by("pool__name", "name").values_list("pool__name", "name")
    return [
        Name("", EDGE),
        *(Name(pool, EDGE) for pool in pools),
        *(Name(*one) for one in backends),
    ]
