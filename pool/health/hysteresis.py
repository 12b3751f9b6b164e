"""From single probes to a verdict: `rise` passes in a row, or `fall` failures in a row.

One blip must not eject a backend, nor one lucky answer bring it back (HAProxy's
rise and fall). The first pass of all is enough, as in Envoy: at the start there
is no trouble that a backend would have to recover from. The first failures need
`fall`, so that a restart of the control plane ejects nobody by itself.

A pass that comes too late is a pass: it does not make a backend ill, and helps one
that is ill to recover. `fall` of them in a row make it degraded, and `rise` that are
in time make it healthy again, so that this does not flap either.

A `Standing` is immutable and all the memory there is; `now` is passed in.
"""

from collections.abc import Callable

import msgspec

from pool.choices import HealthState, ProbeResult
from pool.snapshot import HealthPolicy


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a backend stands: its state, and the run of equal results that ended just now.

    `reason` explains the state: a first failure of a healthy backend does not replace it.
    `passes`: in a row until now, whether slow or not.
    """

    state: HealthState = HealthState.UNKNOWN
    since: float = 0.0
    reason: str = ""
    last: ProbeResult | None = None
    streak: int = 0
    passes: int = 0


_Needed = Callable[[HealthPolicy], int]


def _one(policy: HealthPolicy) -> int:
    return 1


def _rise(policy: HealthPolicy) -> int:
    return policy.rise


def _fall(policy: HealthPolicy) -> int:
    return policy.fall


# (state, result) → how many such results in a row lead to which state; of one that is
# unhealthy, how many passes of any kind. What is not in the table confirms the state that is.
_TRANSITIONS: dict[tuple[HealthState, ProbeResult], tuple[_Needed, HealthState]] = {
    (HealthState.UNKNOWN, ProbeResult.PASS): (_one, HealthState.HEALTHY),
    (HealthState.UNKNOWN, ProbeResult.SLOW): (_one, HealthState.DEGRADED),
    (HealthState.UNKNOWN, ProbeResult.FAIL): (_fall, HealthState.UNHEALTHY),
    (HealthState.HEALTHY, ProbeResult.SLOW): (_fall, HealthState.DEGRADED),
    (HealthState.HEALTHY, ProbeResult.FAIL): (_fall, HealthState.UNHEALTHY),
    (HealthState.DEGRADED, ProbeResult.PASS): (_rise, HealthState.HEALTHY),
    (HealthState.DEGRADED, ProbeResult.FAIL): (_fall, HealthState.UNHEALTHY),
    (HealthState.UNHEALTHY, ProbeResult.PASS): (_rise, HealthState.HEALTHY),
    (HealthState.UNHEALTHY, ProbeResult.SLOW): (_rise, HealthState.DEGRADED),
}


def in_transition(standing: Standing) -> bool:
    """Whether the last result speaks against the state, and more of them would change it."""
    return standing.last is not None and (standing.state, standing.last) in _TRANSITIONS


def advance(
    standing: Standing, result: ProbeResult, reason: str, policy: HealthPolicy, now: float
) -> Standing:
    """The standing after one more `result`, which came in at `now` with its `reason`."""
    streak = standing.streak + 1 if result is standing.last else 1
    passes = 0 if result is ProbeResult.FAIL else standing.passes + 1
    state, since = standing.state, standing.since
    needed, target = _TRANSITIONS.get((state, result), (_one, state))
    run = passes if state is HealthState.UNHEALTHY else streak
    if target is not state and run >= needed(policy):
        state, since = target, now
    if state is not HealthState.UNKNOWN and (state, result) in _TRANSITIONS:
        reason = standing.reason  # what is on the way to change a state does not explain it
    return Standing(
        state=state, since=since, reason=reason, last=result, streak=streak, passes=passes
    )
