"""Which settings of a pool or a route matter, given the others: the form shows only those.

Column → an expression over the form's values, in JavaScript. What is not shown keeps
its value. A field with an error is shown in any case (admin.css).
"""

from pool.choices import CircuitMode, ProbeKind, StickyMode, TierMode
from pool.policies import CIRCUIT, HEALTH, OUTLIER, RATE_LIMIT, RETRY

_STICKY = f"sticky_mode != '{StickyMode.OFF}'"
_OWN_COOKIE = f"sticky_mode == '{StickyMode.COOKIE}'"
_CIRCUIT = f"circuit_mode != '{CircuitMode.OFF}'"
_SLOW = f"circuit_mode == '{CircuitMode.SLOW_RATIO}'"
_RETRY = "retry_attempts > 1"
_RATIO = f"(circuit_mode == '{CircuitMode.FAILURE_RATIO}' || {_SLOW})"

_PROBED = "health_enabled"
_PROBED_BY_HTTP = f"{_PROBED} && health_kind != '{ProbeKind.TCP}'"
_HTTP_ONLY = ("method", "path", "host", "expected_status", "headers", "body")

RELEVANT_IF = {
    **{name: _PROBED for name in HEALTH.columns.values() if name != "health_enabled"},
    **{HEALTH.columns[field]: _PROBED_BY_HTTP for field in _HTTP_ONLY},
    "health_degraded_weight": f"{_PROBED} && health_degraded_latency > 0",
    "slow_start_min": "slow_start > 0",
    "slow_start_aggression": "slow_start > 0",
    "tier_overprovisioning": f"tier_mode == '{TierMode.SPILL_OVER}'",
    "sticky_name": _STICKY,
    "sticky_lifetime": _OWN_COOKIE,
    "sticky_same_site": _OWN_COOKIE,
    "sticky_secure": _OWN_COOKIE,
    "sticky_http_only": _OWN_COOKIE,
    **{
        name: _RETRY
        for name in RETRY.columns.values()
        if name not in ("retry_attempts", "try_timeout")
    },
    "queue_timeout": "max_queue > 0",
    **{name: _CIRCUIT for name in CIRCUIT.columns.values() if name != "circuit_mode"},
    "circuit_threshold": f"circuit_mode == '{CircuitMode.CONSECUTIVE}'",
    "circuit_ratio": _RATIO,
    "circuit_window": _RATIO,
    "circuit_minimum_calls": _RATIO,
    "circuit_slow_call": _SLOW,
    **{name: "outlier_enabled" for name in OUTLIER.columns.values() if name != "outlier_enabled"},
}

RELEVANT_OF_ROUTE = {
    name: "rate_requests > 0" for name in RATE_LIMIT.columns.values() if name != "rate_requests"
}
