"""The course of one alert: when it is told, and when what comes and goes counts as one.

A condition must last for the rule's `hold_for` before anybody is told. Once it is over, the
alert stays for the rule's `quiet_for`: if the condition comes back before that, it is the same
alert with a higher count, and nobody is told anything. Of what just happens the first is
told at once, and how often it happened when the quiet period is over.
"""

from datetime import datetime, timedelta
from enum import Enum

from pool.choices import AlertState, MessageKind
from pool.models.alerts import Alert


class _Input(Enum):
    BEGIN = "begin"
    END = "end"
    DUE = "due"


_PENDING, _FIRING, _CLEARING = AlertState.PENDING, AlertState.FIRING, AlertState.CLEARING
_COUNTING, _CLOSED = AlertState.COUNTING, AlertState.CLOSED

_NEXT: dict[tuple[AlertState, _Input], AlertState] = {
    (_PENDING, _Input.BEGIN): _PENDING,
    (_PENDING, _Input.END): _CLOSED,
    (_PENDING, _Input.DUE): _FIRING,
    (_FIRING, _Input.BEGIN): _FIRING,
    (_FIRING, _Input.END): _CLEARING,
    (_CLEARING, _Input.BEGIN): _FIRING,
    (_CLEARING, _Input.END): _CLEARING,
    (_CLEARING, _Input.DUE): _CLOSED,
    (_COUNTING, _Input.BEGIN): _COUNTING,
    (_COUNTING, _Input.DUE): _CLOSED,
}


def start(alert: Alert, at: datetime) -> MessageKind | None:
    """The first time that its condition begins; what is to be told now."""
    alert.since = alert.last_at = at
    alert.count = 1
    if alert.rule.hold_for:
        alert.state, alert.due = _PENDING, at + timedelta(seconds=alert.rule.hold_for)
        return None
    alert.state, alert.due = _FIRING, None
    return MessageKind.FIRING


def notice(alert: Alert, at: datetime) -> MessageKind:
    """The first time that something happens which has no end, and so cannot last."""
    alert.since = alert.last_at = at
    alert.count = 1
    alert.state, alert.due = _COUNTING, at + timedelta(seconds=alert.rule.quiet_for)
    return MessageKind.NOTICE


def again(alert: Alert, at: datetime) -> None:
    """It begins, or happens, once more."""
    before = alert.state
    alert.count += 1
    alert.last_at = at
    _move(alert, _Input.BEGIN)
    if before == _CLEARING:
        alert.ended_at = alert.due = None


def end(alert: Alert, at: datetime) -> None:
    """The condition is over. One that nobody was told of is closed with that."""
    before = alert.state
    _move(alert, _Input.END)
    if before != _CLEARING:
        alert.ended_at = at
        closed = alert.state == _CLOSED
        alert.due = None if closed else at + timedelta(seconds=alert.rule.quiet_for)


def step(alert: Alert) -> MessageKind | None:
    """What it has waited for until `alert.due` has come; what is to be told now."""
    before = alert.state
    _move(alert, _Input.DUE)
    alert.due = None
    if before == _PENDING:
        return MessageKind.FIRING
    if before == _CLEARING:
        return MessageKind.RESOLVED
    return MessageKind.REPEATED if alert.count > 1 else None


def _move(alert: Alert, what: _Input) -> None:
    alert.state = _NEXT[AlertState(alert.state), what].value
