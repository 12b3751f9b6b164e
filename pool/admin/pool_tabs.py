"""The tabs of a pool's form: a policy each, and what its settings come to in that pool."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from django.db.models import prefetch_related_objects

from pool.admin.failover import advise as advise_on_tiers
from pool.circuits.advice import advise as advise_on_circuits
from pool.models import Pool
from pool.outliers.advice import advise as advise_on_outliers
from pool.policies import (
    BALANCING,
    CIRCUIT,
    HEALTH,
    LIMITS,
    OUTLIER,
    RETRY,
    STICKY,
    TIERS,
    TIMEOUTS,
    PolicyGroup,
)
from pool.snapshot import PoolSpec
from pool.sticky_cookies import advise as advise_on_cookies

Tab = tuple[str, dict[str, Any]]

FAILOVER_TAB = "Failover"
CIRCUIT_TAB = "Circuit breaker"
OUTLIER_TAB = "Outliers"
STICKY_TAB = "Stickiness"

LISTENER_SETTINGS = (
    "A request that does not come in time is answered with 408; what a backend is too slow for, "
    "and a request that takes too long as a whole, with 504. "
    "Before a request's pool is known, limits of the whole edge apply. They are set in its "
    "environment; in brackets are the defaults, and the answers to what is beyond. In seconds: "
    "LB_REQUEST_HEAD_TIMEOUT (10; 408), LB_KEEP_ALIVE_TIMEOUT (75) and LB_TUNNEL_TIMEOUT (3600); "
    "in bytes: LB_MAX_REQUEST_LINE (8192; 414) and LB_MAX_REQUEST_HEAD (65536; 431); "
    "LB_MAX_REQUEST_FIELDS (100; 431); and LB_MAX_CONNECTIONS of one worker (10000; 503)."
)


def _policy_tab(title: str, *policies: PolicyGroup[Any], about: str = "", first: str = "") -> Tab:
    """All columns of the policies: a switch, if one has it, and then two in a row.

    `first`: what to show above them.
    """
    rows: list[Any] = [first] if first else []
    for policy in policies:
        names = list(policy.columns.values())
        rows += [names.pop(0)] if "enabled" in policy.columns else []
        rows += [tuple(names[index : index + 2]) for index in range(0, len(names), 2)]
    return title, {"classes": ["tab"], "description": about, "fields": rows}


_HEADERS_AND_TLS: Tab = (
    "Headers & TLS",
    {
        "classes": ["tab"],
        "fields": (
            "host_header",
            ("forwarded_header", "request_id_header"),
            ("request_headers", "response_headers"),
            ("tls_server_name", "tls_verify"),
            "tls_ca",
        ),
    },
)

TABS: tuple[Tab, ...] = (
    ("General", {"classes": ["tab"], "fields": ("name", "algorithm")}),
    _policy_tab("Balancing", BALANCING),
    _policy_tab(FAILOVER_TAB, TIERS, first="traffic_now"),
    _policy_tab(STICKY_TAB, STICKY),
    _policy_tab("Health checks", HEALTH),
    _policy_tab("Timeouts & limits", TIMEOUTS, LIMITS, about=LISTENER_SETTINGS),
    _policy_tab("Retries", RETRY),
    _policy_tab(CIRCUIT_TAB, CIRCUIT),
    _policy_tab(OUTLIER_TAB, OUTLIER),
    _HEADERS_AND_TLS,
)


class _Advice(NamedTuple):
    """`columns`: how the names of those begin that it is about."""

    columns: str
    sentences: Callable[[Pool, PoolSpec], list[str]]


_ADVICE = {
    STICKY_TAB: _Advice("sticky_", lambda pool, _: advise_on_cookies(pool)),
    CIRCUIT_TAB: _Advice("circuit_", lambda _, spec: advise_on_circuits(spec)),
    OUTLIER_TAB: _Advice("outlier_", lambda _, spec: advise_on_outliers(spec)),
}


def with_advice(tabs: Iterable[Tab], pool: Pool) -> list[Tab]:
    """Says in each tab what its settings come to. Reads the pool's backends once, for all of it."""
    prefetch_related_objects([pool], "backends")
    spec = _compile(pool)
    told = {title: " ".join(one.sentences(pool, spec)) for title, one in _ADVICE.items()}
    told[FAILOVER_TAB] = advise_on_tiers(spec)
    return [
        (title, tab | {"description": told.get(title, tab.get("description", ""))})
        for title, tab in tabs
    ]


def advice_on(pool: Pool, changed: Sequence[str]) -> list[str]:
    """Of the tabs that have a column among `changed`."""
    touched = [
        one for one in _ADVICE.values() if any(name.startswith(one.columns) for name in changed)
    ]
    if not touched:
        return []
    spec = _compile(pool)
    return [sentence for one in touched for sentence in one.sentences(pool, spec)]


def _compile(pool: Pool) -> PoolSpec:
    return pool.compile(backend.compile() for backend in pool.backends.all())
