"""The policies of a pool as groups of columns, each with its struct in the snapshot.

A policy is its columns (an abstract model) and a `PolicyGroup`: the mapping between
columns and struct, used in both directions (to compile and to roll back), and the
database's constraint, which is made of the columns' own ranges.
"""

from typing import Any

from pool.policies.balancing import (
    BALANCING,
    STICKY,
    TIERS,
    BalancingPolicyFields,
    StickyPolicyFields,
    TierPolicyFields,
)
from pool.policies.base import PolicyGroup, to_column
from pool.policies.circuit import CIRCUIT, CircuitPolicyFields
from pool.policies.forwarding import (
    HEADERS,
    TIMEOUTS,
    TLS,
    HeaderPolicyFields,
    HeaderRulesFields,
    TimeoutPolicyFields,
    TlsPolicyFields,
)
from pool.policies.health import HEALTH, HealthPolicyFields
from pool.policies.limits import LIMITS, RATE_LIMIT, LimitPolicyFields, RateLimitFields
from pool.policies.outlier import OUTLIER, OutlierPolicyFields
from pool.policies.retry import RETRY, RetryPolicyFields

# By the field of `PoolSpec` that holds the struct.
POOL_GROUPS: dict[str, PolicyGroup[Any]] = {
    "balancing": BALANCING,
    "tiers": TIERS,
    "sticky": STICKY,
    "health": HEALTH,
    "timeouts": TIMEOUTS,
    "retry": RETRY,
    "circuit": CIRCUIT,
    "outlier": OUTLIER,
    "headers": HEADERS,
    "limits": LIMITS,
    "tls": TLS,
}


class PoolPolicies(
    BalancingPolicyFields,
    TierPolicyFields,
    StickyPolicyFields,
    HealthPolicyFields,
    TimeoutPolicyFields,
    RetryPolicyFields,
    CircuitPolicyFields,
    OutlierPolicyFields,
    HeaderPolicyFields,
    LimitPolicyFields,
    TlsPolicyFields,
):
    """All of them, as a pool has them."""

    class Meta:
        abstract = True
        constraints = [
            constraint
            for name, group in POOL_GROUPS.items()
            for constraint in group.constraints(name)
        ]


__all__ = [
    "BALANCING",
    "CIRCUIT",
    "HEADERS",
    "HEALTH",
    "LIMITS",
    "OUTLIER",
    "POOL_GROUPS",
    "RATE_LIMIT",
    "RETRY",
    "STICKY",
    "TIERS",
    "TIMEOUTS",
    "TLS",
    "HeaderRulesFields",
    "PolicyGroup",
    "PoolPolicies",
    "RateLimitFields",
    "to_column",
]
