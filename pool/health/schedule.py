"""When each backend is probed next, and where it stands: kept in Redis, moved on by scripts.

=================  =====  ===========================================================
key                type   content
=================  =====  ===========================================================
lb:probe:due       zset   backend id → Unix time of its next probe
lb:probe:plan      hash   backend id → period, phase, lease, jitter; "version" → the plan's
lb:probe:pace      hash   backend id → another period that holds for now, and whether it hurries
lb:probe:claims    zset   "backend id:due time" of a running probe → when that expires
lb:probe:standing  hash   backend id → `Standing`
lb:health          hash   backend id → `HealthStatus`, for everybody else
=================  =====  ===========================================================

A claim and the move to the next due time are one step, so that any number of
beats and workers share the probes and none is run twice. A worker that dies
leaves its claims behind; they expire, and the probes are due again. Whatever
else goes wrong, `sync` puts right: it compares everything with the plan.
"""

from importlib import resources
from typing import Any

import msgspec
from redis import Redis

from pool.bus import (
    FAILOVER_KEY,
    FAILOVER_MOVES,
    HEALTH_CHANNEL,
    HEALTH_KEY,
    HealthChange,
    HealthStatus,
    by_id,
    read_record,
)
from pool.choices import CircuitEvent, HealthState
from pool.circuits import script as circuits
from pool.circuits.records import Order, Terms
from pool.failover.store import Replacement
from pool.health.hysteresis import Standing
from pool.health.plan import Plan, Target

DUE_KEY = "lb:probe:due"
PLAN_KEY = "lb:probe:plan"
PACE_KEY = "lb:probe:pace"
CLAIMS_KEY = "lb:probe:claims"
STANDING_KEY = "lb:probe:standing"

CLAIM_LIMIT = 5000  # backends at once: more than a second's work of any worker


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The right to run one probe. `standing` as it was when it was claimed."""

    key: str
    backend_id: int
    due: float
    expiry: float
    standing: bytes


class Next(msgspec.Struct, frozen=True, kw_only=True):
    """When to probe a backend again. `pace`: b"" for the plan's own period."""

    due: float
    pace: bytes
    hurry: bool

    @classmethod
    def after(cls, target: Target, standing: Standing, now: float) -> "Next":
        """What a probe that ended `now` with this standing makes of it."""
        period, hurry = target.period_after(standing), target.hurries(standing)
        usual = period == target.period and not hurry
        pace = b"" if usual else b"%.17g %d" % (period, hurry)
        return cls(due=target.next_after(standing, now), pace=pace, hurry=hurry)


class Stale(msgspec.Struct, frozen=True):
    """Somebody else moved the standing on, or the pool's failover; it is now `standing`."""

    standing: bytes


class Schedule:
    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._claim = redis.register_script(_script("claim.lua"))
        self._sync = redis.register_script(_script("sync.lua"))
        step_circuit = circuits.as_function("step_circuit")
        self._record = redis.register_script(step_circuit + _script("record.lua"))

    def sync(self, plan: Plan, now: float) -> None:
        """Make the schedule that of `plan`; what is not in it any more is forgotten."""
        targets = {
            str(target.backend_id): (target.period, target.phase, target.lease, target.jitter)
            for target in plan.targets.values()
        }
        idle = {str(backend_id): True for backend_id in plan.idle}
        forgotten: Any = self._sync(
            [DUE_KEY, PLAN_KEY, CLAIMS_KEY, STANDING_KEY, HEALTH_KEY, PACE_KEY],
            [now, plan.version, msgspec.msgpack.encode(targets), msgspec.msgpack.encode(idle)],
        )
        for backend_id in by_id(dict.fromkeys(forgotten)):
            self._announce(backend_id, _forgotten(now))

    def claim(
        self, version: str, now: float, until: float, limit: int = CLAIM_LIMIT
    ) -> list[Claim] | None:
        """What is due until `until`, soonest first; None if the schedule is of another version.

        `limit`: of backends, the longest due ones.
        """
        rows: Any = self._claim(
            [DUE_KEY, PLAN_KEY, CLAIMS_KEY, STANDING_KEY, PACE_KEY],
            [now, until, version, min(limit, CLAIM_LIMIT)],
        )
        if rows is None:
            return None
        claims = [
            Claim(
                key=key.decode(),
                backend_id=int(backend_id),
                due=float(due),
                expiry=float(expiry),
                standing=standing,
            )
            for key, backend_id, due, expiry, standing in rows
        ]
        return sorted(claims, key=lambda claim: claim.due)

    def record(
        self,
        claim: Claim,
        before: bytes,
        after: Standing,
        following: Next,
        failover: Replacement | None = None,
        circuit: Terms | None = None,
    ) -> bool | Stale:
        """Replace `before` by `after`, unless somebody else did; False if the claim is gone.

        A new verdict is announced with it, the next probe moved to `following` where the
        pace is another one, and what it makes of the pool's failover put in place, all in
        one step. If it was unhealthy, its circuit is tried by these terms.
        """
        status = status_of(after)
        was = read_standing(before).state
        changed = was is not after.state
        tried = circuit if changed and was is HealthState.UNHEALTHY else None
        change = HealthChange(backend_id=claim.backend_id, status=status)
        reply: Any = self._record(
            [
                CLAIMS_KEY,
                STANDING_KEY,
                HEALTH_KEY,
                FAILOVER_KEY,
                FAILOVER_MOVES,
                DUE_KEY,
                PACE_KEY,
                *(circuits.keys(tried) if tried else ()),
            ],
            [
                claim.key,
                claim.backend_id,
                before,
                msgspec.json.encode(after),
                msgspec.json.encode(status),
                HEALTH_CHANNEL,
                msgspec.json.encode(change) if changed else b"",
                following.pace,
                following.due,
                int(following.hurry),
                *(failover.arguments if failover else [b""] * 6),
                *(_trial(claim.backend_id, tried, after.since) if tried else ()),
            ],
        )
        return Stale(reply) if isinstance(reply, bytes) else bool(reply)

    def seed(self, standings: dict[int, Standing]) -> None:
        """Put remembered standings in place where there are none."""
        for backend_id, standing in standings.items():
            if self._redis.hsetnx(STANDING_KEY, str(backend_id), _encode(standing)):
                status = status_of(standing)
                self._redis.hset(HEALTH_KEY, str(backend_id), _encode(status))
                self._announce(backend_id, status)

    def _announce(self, backend_id: int, status: HealthStatus) -> None:
        self._redis.publish(
            HEALTH_CHANNEL, _encode(HealthChange(backend_id=backend_id, status=status))
        )


def read_standing(data: bytes) -> Standing:
    """The standing in `data`; a fresh one if there is none that this version can read."""
    return read_record(data, Standing) or Standing()


def status_of(standing: Standing) -> HealthStatus:
    return HealthStatus(state=standing.state, since=standing.since, reason=standing.reason)


def _trial(backend_id: int, terms: Terms, now: float) -> list[str | bytes | float]:
    order = Order(event=CircuitEvent.PROBED, cause="probes pass again")
    return circuits.arguments(backend_id, order, terms, now)


def _forgotten(now: float) -> HealthStatus:
    return HealthStatus(state=HealthState.UNKNOWN, since=now, reason="not probed any more")


def _encode(record: msgspec.Struct) -> bytes:
    return msgspec.json.encode(record)


def _script(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text()
