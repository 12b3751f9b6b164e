"""What the three Python balancers share: where to forward, and what not to."""

import itertools
import os
from collections.abc import Iterable, Iterator

BACKENDS_VARIABLE = "BENCH_BACKENDS"

# RFC 9110, 7.6.1: for the next hop only.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def round_robin() -> Iterator[str]:
    """The backends' URLs in turn, for ever."""
    return itertools.cycle(os.environ[BACKENDS_VARIABLE].split(","))


def end_to_end(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP]
