"""Probes → rows: the history of health, and what is remembered of it when Redis is emptied."""

import logging
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from math import inf
from threading import Lock

from django.db import DatabaseError, transaction
from django.db.models import OuterRef, Subquery

from pool.choices import EventKind, HealthState, ProbeResult, Severity
from pool.health.hysteresis import Standing
from pool.history.sampling import Finding, Kept, Sampler
from pool.models import Backend, Event, HealthRecord
from pool.trouble import Trouble

logger = logging.getLogger(__name__)

MAX_WAITING = 50_000  # findings kept while the database is away: 250 s of 1,000 backends at 5 s
BATCH = 1000
_TROUBLE = (HealthState.DEGRADED, HealthState.UNHEALTHY)
_MEMORY = timedelta(hours=1)  # older records say nothing about now


class Recorder:
    """Keeps findings until the database has them; drops the oldest when there are too many.

    Of backends that go on passing it keeps one in `sample` seconds.
    """

    def __init__(self, sample: float = 0, max_waiting: int = MAX_WAITING) -> None:
        self._sample = sample
        self._sampler = Sampler(sample)
        self._sampling = Lock()
        self._waiting: deque[Kept] = deque()
        self._max_waiting = max_waiting
        self._flushing = Lock()
        self._failure = Trouble(
            logger,
            "probe results wait for the database (%s)",
            "probe results are written again; %d were lost",
            level=logging.ERROR,
        )
        self._dropped = 0

    def add(self, finding: Finding) -> None:
        with self._sampling:
            self._waiting.extend(self._sampler.take(finding))
        while len(self._waiting) > self._max_waiting:
            self._waiting.popleft()
            self._dropped += 1

    def close(self) -> None:
        """Write everything, what was left out as well: nobody will count it later."""
        self._release(inf)
        self.flush()

    def release_late(self, now: float) -> None:
        """Let go of what was left out and is not followed by anything any more."""
        self._release(now - 2 * self._sample)

    def flush(self) -> None:
        """Write what waits; while the database is away it goes on waiting, which is said once."""
        if not self._flushing.acquire(blocking=False):
            return  # another tick is at it
        try:
            while batch := self._take():
                self._write(batch)
        except DatabaseError as error:
            self._waiting.extendleft(reversed(batch))
            self._failure.met(error)
        else:
            self._failure.over(self._dropped)
            self._dropped = 0
        finally:
            self._flushing.release()

    def _release(self, before: float) -> None:
        with self._sampling:
            self._waiting.extend(self._sampler.release(before))

    def _take(self) -> list[Kept]:
        return [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]

    def _write(self, batch: list[Kept]) -> None:
        with transaction.atomic():
            # Those that still exist. One that is deleted between here and the insert fails
            # the batch, which is tried again without it.
            known = _existing(kept.finding.backend_id for kept in batch)
            found = [kept for kept in batch if kept.finding.backend_id in known]
            HealthRecord.objects.bulk_create([_row(kept) for kept in found])
            _record_changes([one.finding for one in found if one.finding.changed])


def _existing(ids: Iterable[int]) -> set[int]:
    return set(Backend.objects.filter(pk__in=set(ids)).values_list("pk", flat=True))


def _record_changes(findings: list[Finding]) -> None:
    ids = {finding.backend_id for finding in findings}
    backends = Backend.objects.select_related("pool").in_bulk(ids) if ids else {}
    for finding in findings:
        if finding.backend_id in backends:
            _record_event(finding, backends[finding.backend_id])


def _row(kept: Kept) -> HealthRecord:
    finding, omitted = kept.finding, kept.omitted
    outcome = finding.outcome
    return HealthRecord(
        backend_id=finding.backend_id,
        at=_datetime(finding.at),
        result=outcome.result.value,
        status=outcome.status,
        latency_ms=outcome.latency_ms,
        reason="" if outcome.result is ProbeResult.PASS else outcome.reason,
        excerpt=outcome.excerpt,
        state=finding.after.value,
        omitted=omitted.count,
        omitted_latency_sum_ms=omitted.latency_sum,
        omitted_latency_max_ms=omitted.latency_max,
    )


def _record_event(finding: Finding, backend: Backend) -> None:
    before, after, reason = finding.before, finding.after, finding.outcome.reason
    Event.objects.record(
        EventKind.HEALTH_CHANGED,
        f"Backend {backend}: {before} → {after} ({reason})",
        severity=Severity.WARNING if after in _TROUBLE else Severity.INFO,
        backend=backend,
        data={"from": before.value, "to": after.value, "reason": reason},
        at=_datetime(finding.at),
    )


def recall(ids: Iterable[int], now: float) -> dict[int, Standing]:
    """What the last records say of these backends, for a Redis that has forgotten it."""
    records = HealthRecord.objects.filter(
        backend=OuterRef("pk"), at__gte=_datetime(now) - _MEMORY
    ).order_by("-at", "-id")
    changes = Event.objects.filter(
        backend=OuterRef("pk"), kind=EventKind.HEALTH_CHANGED.value
    ).order_by("-at", "-id")
    rows = Backend.objects.filter(pk__in=list(ids)).values_list(
        "pk",
        Subquery(records.values("state")[:1]),
        Subquery(records.values("at")[:1]),
        Subquery(changes.values("at")[:1]),
        Subquery(changes.values("data")[:1]),
    )
    return {
        backend_id: Standing(
            state=HealthState(state),
            since=(changed or at).timestamp(),
            reason=(data or {}).get("reason", ""),
        )
        for backend_id, state, at, changed, data in rows
        if state and state != HealthState.UNKNOWN
    }


def _datetime(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
