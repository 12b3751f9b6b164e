"""The compiled configuration: what the control plane publishes and edges run.

A `Snapshot` is immutable, numbered and complete: it holds everything that an
operator configured, so that it can be compared with another one and restored.
`content_hash` covers the content and not the number, so that two snapshots of
the same configuration are recognised as equal.

No Django in here: edges decode snapshots without it.
"""

from pool.snapshot.balancing import BalancingPolicy, StickyPolicy, TierPolicy
from pool.snapshot.circuit import CircuitPolicy
from pool.snapshot.codec import SnapshotError, build, decode, encode
from pool.snapshot.configuration import EMPTY, BackendSpec, PoolSpec, RouteSpec, Snapshot
from pool.snapshot.forwarding import HeaderPolicy, HeaderRule, TimeoutPolicy, TlsPolicy
from pool.snapshot.health import HealthOverrides, HealthPolicy
from pool.snapshot.limits import LimitPolicy, RateLimitPolicy
from pool.snapshot.outlier import OutlierPolicy
from pool.snapshot.retry import RetryPolicy

__all__ = [
    "EMPTY",
    "BackendSpec",
    "BalancingPolicy",
    "CircuitPolicy",
    "HeaderPolicy",
    "HeaderRule",
    "HealthOverrides",
    "HealthPolicy",
    "LimitPolicy",
    "OutlierPolicy",
    "PoolSpec",
    "RateLimitPolicy",
    "RetryPolicy",
    "RouteSpec",
    "Snapshot",
    "SnapshotError",
    "StickyPolicy",
    "TierPolicy",
    "TimeoutPolicy",
    "TlsPolicy",
    "build",
    "decode",
    "encode",
]
