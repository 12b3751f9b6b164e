"""Where a backend stands with its probes: when the next one comes, and what it may change."""

from dataclasses import dataclass
from typing import cast

from redis import Redis

from pool.choices import AdminState, HealthState, ProbeResult
from pool.health.hysteresis import Standing, advance
from pool.health.plan import Target, plan_of
from pool.health.schedule import DUE_KEY, STANDING_KEY, read_standing
from pool.models import Backend
from pool.snapshot import build

_MOST = 100  # passes that a policy can ask for


@dataclass(frozen=True)
class Probing:
    """`next_at` is Unix time, None if no probe is planned. `streak`: of results like `last`.

    `passes_needed` until it is up again, or no longer degraded, of which there were `passes`
    until now; `failures_left` until it is down. None where that is no question.
    """

    enabled: bool
    target: Target | None = None
    next_at: float | None = None
    last: ProbeResult | None = None
    streak: int = 0
    passes: int = 0
    passes_needed: int | None = None
    failures_left: int | None = None


def read_probing(redis: "Redis", backend: Backend) -> Probing:
    """RedisError while Redis is away."""
    pool = backend.pool.compile([backend.compile()])
    target = plan_of(build(0, (pool,), ())).targets.get(backend.pk)
    if target is None:
        probed = backend.pool.health_enabled and backend.admin_state != AdminState.MAINTENANCE
        return Probing(enabled=probed)
    field = str(backend.pk)
    with redis.pipeline(transaction=False) as pipe:
        pipe.hget(STANDING_KEY, field)
        pipe.zscore(DUE_KEY, field)
        raw, due = pipe.execute()
    return describe(target, read_standing(cast("bytes", raw or b"")), due)


def describe(target: Target, standing: Standing, due: float | None) -> Probing:
    ill = standing.state in (HealthState.UNHEALTHY, HealthState.DEGRADED)
    serves = standing.state in (HealthState.HEALTHY, HealthState.DEGRADED)
    return Probing(
        enabled=True,
        target=target,
        next_at=due,
        last=standing.last,
        streak=standing.streak,
        passes=_passes(standing),
        passes_needed=_until_change(target, standing, ProbeResult.PASS) if ill else None,
        failures_left=_until_change(target, standing, ProbeResult.FAIL) if serves else None,
    )


def _passes(standing: Standing) -> int:
    """That count for its recovery: of one that is degraded, only those in time do."""
    if standing.state is HealthState.DEGRADED:
        return standing.streak if standing.last is ProbeResult.PASS else 0
    return standing.passes


def _until_change(target: Target, standing: Standing, result: ProbeResult) -> int | None:
    """How many such results in a row change the state, by the rules of the probes themselves."""
    after = standing
    for count in range(1, _MOST + 1):
        after = advance(after, result, "", target.policy, standing.since)
        if after.state is not standing.state:
            return count
    return None
