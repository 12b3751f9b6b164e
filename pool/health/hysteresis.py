"""From single probes to a verdict: `rise` passes in a row, or `fall` failures in a row.

One blip must not eject a backend, nor one lucky answer bring it back (HAProxy's
rise and fall). The first pass of all is enough, as in Envoy: at the start there
is no trouble that a backend would have to recover from. The first failures need
`fall`, so that a restart of the control plane ejects nobody by itself.

A `Standing` is immutable and all the memory there is; `now` is passed in.
"""

from collections.abc import Callable

import msgspec

from pool.choices import HealthState, ProbeResult
from pool.snapshot import HealthPolicy


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a backend stands: its state, and the run of equal results that ended just now.

    `reason` explains the state: a first failure of a healthy backend does not replace it.
    """

    state: HealthState = HealthState.UNKNOWN
    since: float = 0.0
    reason: str = ""
    last: ProbeResult | None = None
    streak: int = 0


_Needed = Callable[[HealthPolicy], int]


def _one(policy: HealthPolicy) -> int:
    return 1


def _rise(policy: HealthPolicy) -> int:
    return policy.rise


def _fall(policy: HealthPolicy) -> int:
    return policy.fall


# (state, result) → how many such results in a row lead to which state. What is
# not in the table confirms the state that is.
_TRANSITIONS: dict[tuple[HealthState, ProbeResult], tuple[_Needed, HealthState]] = {
    (HealthState.UNKNOWN, ProbeResult.PASS): (_one, HealthState.HEALTHY),
    (HealthState.UNKNOWN, ProbeResult.FAIL): (_fall, HealthState.UNHEALTHY),
    (HealthState.HEALTHY, ProbeResult.FAIL): (_fall, HealthState.UNHEALTHY),
    (HealthState.UNHEALTHY, ProbeResult.PASS): (_rise, HealthState.HEALTHY),
}


# A result against its state is on the way to change it, and does not explain it.
_AGAINST = {
    (HealthState.HEALTHY, ProbeResult.FAIL),
    (HealthState.UNHEALTHY, ProbeResult.PASS),
}


def advance(
    standing: Standing, result: ProbeResult, reason: str, policy: HealthPolicy, now: float
) -> Standing:
    """The standing after one more `result`, which came in at `now` with its `reason`."""
    streak = standing.streak + 1 if result is standing.last else 1
    state, since = standing.state, standing.since
    needed, target = _TRANSITIONS.get((state, result), (_one, state))
    if target is not state and streak >= needed(policy):
        state, since = target, now
    if (state, result) in _AGAINST:
        reason = standing.reason
    return Standing(state=state, since=since, reason=reason, last=result, streak=streak)
