"""Runs probes at their due times. Celery says when to look; this is what is done then.

One tick claims what is due until a little after the next tick, and hands each
probe to a thread when its time has come. It looks for what is due a few times: a
first failure may have made the next probe due sooner. It does not wait for the
answers: each probe records its own verdict the moment it has one, however long its
neighbours hang. Rows for the database are collected, and written by the following ticks.

The configuration is the published snapshot, the same that the edges run. So
probing needs Redis and no database; while the database is away, it goes on.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from django.db import DatabaseError
from redis import Redis, RedisError

from pool.bus import SNAPSHOT_KEY
from pool.choices import HealthState, ProbeResult
from pool.failover import events
from pool.failover.watch import FailoverWatch
from pool.health import records
from pool.health.hysteresis import advance
from pool.health.plan import NO_PLAN, Plan, Target, plan_of
from pool.health.probe import Outcome, probe
from pool.health.records import Recorder
from pool.health.schedule import Claim, Next, Schedule, Stale, read_standing
from pool.history.sampling import Finding
from pool.outliers.release import Release
from pool.panic.events import write_alarms
from pool.panic.watch import PanicWatch
from pool.snapshot import HealthPolicy, SnapshotError, TlsPolicy, decode
from pool.trouble import Trouble

logger = logging.getLogger(__name__)

TICK = 1.0
LOOKS = 4  # of each tick for what is due
SLACK = 0.25  # how late the next look may come without a probe being late
RESYNC = 10.0  # seconds between two comparisons of the schedule with the plan
CLOSING = 3.0  # seconds that running probes get when the process ends

Probe = Callable[[str, HealthPolicy, TlsPolicy, str], Outcome]


class Prober:
    """One a process; its ticks may overlap, and other processes may have one too."""

    def __init__(
        self,
        redis: "Redis",
        threads: int,
        *,
        sample: float = 0,
        probe: Probe = probe,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._redis = redis
        self._schedule = Schedule(redis)
        self._recorder = Recorder(sample)
        self._failover = FailoverWatch(redis)
        self._panic = PanicWatch(redis)
        self._threads = threads
        self._release = Release(redis)
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="probe")
        self._running: set[Future[None]] = set()
        self._probe = probe
        self._clock = clock
        self._sleep = sleep
        self._raw: object = None
        self._plan: Plan = NO_PLAN
        self._synced_at = 0.0
        self._absence = Trouble(logger, "probing waits for Redis (%s)", level=logging.ERROR)

    def tick(self) -> None:
        """Write what earlier ticks found, then start what is due until the next one."""
        self._recorder.release_late(self._clock())
        self._recorder.flush()
        try:
            plan = self._current_plan()
            self._failover.follow(self._clock())
            events.write_moves(self._redis)
            self._panic.follow(self._clock())
            write_alarms(self._redis)
            self._run_due(plan)
        except RedisError as error:
            self._absence.met(error)
            return
        self._absence.over()

    def close(self) -> None:
        """Give running probes a moment to end, and write what they found.

        The claims of the others expire, and another worker runs their probes.
        """
        self.settle(CLOSING)
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._recorder.close()

    def settle(self, timeout: float | None = None) -> None:
        """Wait until the probes that were started have ended."""
        wait(set(self._running), timeout)

    def _run_due(self, plan: Plan) -> None:
        begun = self._clock()
        waiting: list[Claim] = []
        for look in range(1, LOOKS + 1):
            looking_again = begun + TICK * look / LOOKS
            waiting += self._claim(plan, looking_again + SLACK, self._room - len(waiting))
            waiting.sort(key=lambda claim: claim.due)
            last = look == LOOKS
            while waiting and (last or waiting[0].due <= looking_again):
                claim = waiting.pop(0)
                self._wait_until(claim.due)
                self._start(claim, plan.targets[claim.backend_id])
            if not last:
                self._wait_until(looking_again)

    @property
    def _room(self) -> int:
        """How many more claims will certainly run before they expire.

        Each thread may have one that runs, and one that waits for it no longer than a
        timeout. What is left is later, or another worker's; claimed by one that cannot
        keep up, it would expire in the queue and be due again on top of everything else.
        """
        return 2 * self._threads - len(self._running)

    def _start(self, claim: Claim, target: Target) -> None:
        future = self._executor.submit(self._run, claim, target)
        self._running.add(future)
        future.add_done_callback(self._running.discard)

    def _current_plan(self) -> Plan:
        """From the snapshot in Redis; the last one known while Redis has none."""
        raw = self._redis.get(SNAPSHOT_KEY)
        if isinstance(raw, bytes) and raw != self._raw:
            try:
                snapshot = decode(raw)
                self._plan = plan_of(snapshot)
                self._failover.take(snapshot)
                self._panic.take(snapshot)
            except SnapshotError as error:
                logger.error("probing goes on by the snapshot before: %s", error)
            self._raw = raw
        return self._plan

    def _claim(self, plan: Plan, until: float, room: int) -> list[Claim]:
        now = self._clock()
        if plan is NO_PLAN or room <= 0:
            return []
        if not 0 <= now - self._synced_at < RESYNC:
            self._sync(plan, now)
        claims = self._schedule.claim(plan.version, now, until, room)
        if claims is None:
            self._sync(plan, now)
            claims = self._schedule.claim(plan.version, now, until, room) or []
        self._restore(claims, now)
        return claims

    def _sync(self, plan: Plan, now: float) -> None:
        self._schedule.sync(plan, now)
        self._synced_at = now

    def _restore(self, claims: list[Claim], now: float) -> None:
        """Redis was emptied, or the backend is new: ask the database what it remembers."""
        unknown = {claim.backend_id for claim in claims if not claim.standing}
        if not unknown:
            return
        try:
            self._schedule.seed(records.recall(unknown, now))
        except DatabaseError as error:
            logger.warning("health starts from nothing, the database is away: %s", error)

    def _wait_until(self, due: float) -> None:
        seconds = due - self._clock()
        if seconds > 0:
            self._sleep(seconds)

    def _run(self, claim: Claim, target: Target) -> None:
        try:
            if self._clock() < claim.expiry:
                self._conclude(claim, target, self._ask(target))
        except RedisError as error:
            self._absence.met(error)  # the claim expires, and the probe is run again
        except Exception:
            logger.exception("the probe of %s was not concluded", target.name)

    def _ask(self, target: Target) -> Outcome:
        try:
            return self._probe(target.origin, target.policy, target.tls, target.host)
        except Exception as error:
            # Whatever a backend manages to trigger must count against it, not end its probing.
            logger.exception("probing %s failed", target.name)
            reason = f"probing failed: {type(error).__name__}"
            return Outcome(result=ProbeResult.FAIL, reason=reason)

    def _conclude(self, claim: Claim, target: Target, outcome: Outcome) -> None:
        now = self._clock()
        known = claim.standing
        while True:
            before = read_standing(known)
            after = advance(before, outcome.result, outcome.reason, target.policy, now)
            following = Next.after(target, after, now)
            failover = None
            if before.state is not after.state:
                failover = self._failover.foresee(target.backend_id, after.state, now)
            recorded = self._schedule.record(
                claim, known, after, following, failover, target.circuit
            )
            if not isinstance(recorded, Stale):
                break
            known = recorded.standing
        if not recorded:
            return
        if before.state is not after.state:
            _log_change(target, before.state, after.state, outcome)
        self._recorder.add(
            Finding(
                backend_id=target.backend_id,
                at=now,
                outcome=outcome,
                before=before.state,
                after=after.state,
            )
        )
        passed = outcome.result is not ProbeResult.FAIL
        if target.returns_to and passed and after.state is not HealthState.UNHEALTHY:
            self._release.passed(target.returns_to, target.backend_id, now)


def _log_change(target: Target, before: HealthState, after: HealthState, found: Outcome) -> None:
    level = logging.WARNING if after is HealthState.UNHEALTHY else logging.INFO
    logger.log(level, "%s: %s → %s (%s)", target.name, before, after, found.reason)
