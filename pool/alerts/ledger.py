"""The alerts that a batch of events is about: read at once, changed in memory, written at once."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Prefetch

from pool.alerts import conditions, grouping, queue
from pool.alerts.conditions import Condition, Effect, Occurrence
from pool.alerts.messages import of_alert
from pool.choices import AlertState, MessageKind, Severity
from pool.models import Event, Pool
from pool.models.alerts import Alert, AlertRule

_RANK = {severity.value: rank for rank, severity in enumerate(Severity)}
_CHANGING = [
    *("severity", "title", "reason", "ending"),
    *("state", "count", "last_at", "ended_at", "due"),
]


class _Watch:
    """A rule, ready to be asked of many events."""

    def __init__(self, rule: AlertRule) -> None:
        self.rule = rule
        self._kinds = frozenset(rule.kinds)
        self._pools = frozenset(pool.pk for pool in rule.pools.all())
        self._rank = _RANK[rule.minimum_severity]

    def wants(self, event: Event) -> bool:
        return (
            event.kind in self._kinds
            and _RANK.get(event.severity, 0) >= self._rank
            and (not self._pools or event.pool_id in self._pools)
        )


class Ledger:
    """To be used under the cursor's lock. `due`: alerts that wait for a time that has come."""

    def __init__(self, events: list[Event], due: Iterable[Alert]) -> None:
        self._events = [(event, conditions.read(_occurrence(event))) for event in events]
        self._watches = {rule.pk: _Watch(rule) for rule in _enabled_rules()}
        self._open: dict[tuple[int, str], Alert] = {}
        self._changed: dict[object, Alert] = {}
        self._forgotten: list[int] = []
        self._posts: list[queue.Post] = []
        for alert in (*_open_alerts(self._events), *due):
            if alert.rule_id in self._watches:
                alert.rule = self._watches[alert.rule_id].rule
                self._open.setdefault((alert.rule_id, alert.subject), alert)

    def apply(self) -> None:
        for event, condition in self._events:
            for watch in self._watches.values():
                self._apply(watch, event, condition)

    def step(self, now: datetime) -> None:
        """After the events, which may have been before what is due."""
        for alert in list(self._open.values()):
            self._step(alert, now)

    def write(self, now: datetime) -> None:
        changed = self._changed.values()
        Alert.objects.filter(pk__in=self._forgotten).delete()
        # First those that exist: where one closes, a new one of its subject may begin. An upsert,
        # because an UPDATE of many rows by cases takes Django ten times as long to write.
        Alert.objects.bulk_create(
            [alert for alert in changed if alert.pk],
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=_CHANGING,
        )
        Alert.objects.bulk_create([alert for alert in changed if not alert.pk])
        queue.add(self._posts, now)

    def _apply(self, watch: _Watch, event: Event, condition: Condition) -> None:
        alert = self._current(watch.rule, condition.subject, event.at)
        if condition.effect is Effect.ENDS and alert is not None:
            self._end(alert, event, condition)
        elif watch.wants(event):
            self._begin(watch.rule, event, condition)

    def _begin(self, rule: AlertRule, event: Event, condition: Condition) -> None:
        subject = _own_subject(event, condition)
        alert = self._current(rule, subject, event.at)
        if alert is not None:
            alert.severity = max(alert.severity, event.severity, key=lambda s: _RANK.get(s, 0))
            alert.title, alert.reason = condition.title, condition.reason
            grouping.again(alert, event.at)
            self._keep(alert)
            return
        alert = _alert(rule, subject, event, condition)
        if condition.effect is Effect.BEGINS:
            self._tell(alert, grouping.start(alert, event.at))
        else:
            self._tell(alert, grouping.notice(alert, event.at))

    def _end(self, alert: Alert, event: Event, condition: Condition) -> None:
        alert.ending = condition.title
        grouping.end(alert, event.at)
        self._keep(alert)
        if alert.state == AlertState.CLOSED:  # before anybody was told of it
            self._forget(alert)

    def _current(self, rule: AlertRule, subject: str, at: datetime) -> Alert | None:
        """The open alert as it is at `at`: what was due before then has happened."""
        alert = self._open.get((rule.pk, subject))
        if alert is not None:
            self._step(alert, at)
        return self._open.get((rule.pk, subject))

    def _step(self, alert: Alert, now: datetime) -> None:
        if alert.due is not None and alert.due <= now:
            self._tell(alert, grouping.step(alert))

    def _tell(self, alert: Alert, kind: MessageKind | None) -> None:
        self._keep(alert)
        if kind is not None:
            self._posts.append(queue.Post(alert, kind, of_alert(alert, kind)))

    def _keep(self, alert: Alert) -> None:
        self._changed[alert.key] = alert
        key = (alert.rule_id, alert.subject)
        if alert.state == AlertState.CLOSED:
            self._open.pop(key, None)
        else:
            self._open[key] = alert

    def _forget(self, alert: Alert) -> None:
        del self._changed[alert.key]
        if alert.pk:
            self._forgotten.append(alert.pk)


def _enabled_rules() -> Iterable[AlertRule]:
    pools = Prefetch("pools", Pool.objects.only("id"))
    return AlertRule.objects.filter(enabled=True).prefetch_related("channels", pools)


def _open_alerts(events: list[tuple[Event, Condition]]) -> Iterable[Alert]:
    subjects = {condition.subject for _, condition in events}
    subjects |= {_own_subject(event, condition) for event, condition in events}
    return Alert.objects.filter(subject__in=subjects).exclude(state=AlertState.CLOSED.value)


def _own_subject(event: Event, condition: Condition) -> str:
    """An end of what nobody was told of is a notice, if a rule wants it."""
    if condition.effect is Effect.ENDS:
        return conditions.subject_of_notice(event.kind, condition.subject)
    return condition.subject


def _occurrence(event: Event) -> Occurrence:
    return Occurrence(
        kind=event.kind,
        message=event.message,
        backend_id=event.backend_id or 0,
        pool_id=event.pool_id or 0,
        data=event.data,
    )


def _alert(rule: AlertRule, subject: str, event: Event, condition: Condition) -> Alert:
    return Alert(
        rule=rule,
        subject=subject,
        kind=event.kind,
        severity=event.severity,
        pool_id=event.pool_id,
        backend_id=event.backend_id,
        names={key: event.data[key] for key in ("pool", "backend") if key in event.data},
        title=condition.title,
        reason=condition.reason,
    )
