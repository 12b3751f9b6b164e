"""Why a backend is as it is: the facts of one moment, in an operator's words.

Everything that keeps it from new requests is named, the operator's own doing first: who
has drained a backend need not look at its circuit.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.utils.timezone import localtime
from redis import RedisError

from pool.bus import HealthStatus
from pool.choices import AdminState, CircuitState, EventKind, HealthState, ProbeResult
from pool.circuits.records import Circuit
from pool.connection import redis_client
from pool.failover.live import LiveTraffic, Traffic
from pool.history.causes import causes_of
from pool.history.pools import PoolHealth, pool_health
from pool.history.probing import Probing, read_probing
from pool.history.reading import Past, read_past
from pool.models import Backend, Event, HealthRecord
from pool.obstacles import HEADLINES, Obstacle, Remark
from pool.outliers.records import Ejection
from pool.words import counted

RECENT = 20  # probes and events that are told
FLAPS = 3  # times that it went down within an hour, from which on it is said to come and go
_ILL = [Obstacle.UNHEALTHY]  # what stops one that only its probes are against


@dataclass(frozen=True)
class Fact:
    """One thing that explains. `stops`: it keeps the backend from new requests."""

    code: Obstacle | Remark
    text: str
    since: datetime | None = None
    by: str = ""
    event: int | None = None  # id of the event that tells of it
    stops: bool = True


@dataclass(frozen=True)
class Told:
    """An event, and the one that caused it."""

    event: Event
    cause: Event | None


@dataclass(frozen=True)
class Explanation:
    backend: Backend
    now: datetime
    health: HealthStatus
    circuit: Circuit | None
    facts: list[Fact]
    probing: Probing | None  # None while Redis is away
    next_words: str
    pool: PoolHealth
    past: Past
    probes: list[HealthRecord] = field(default_factory=list)
    events: list[Told] = field(default_factory=list)

    @property
    def stops(self) -> list[Obstacle | Remark]:
        """Codes of what keeps it from new requests, or would if there were enough others."""
        return [fact.code for fact in self.facts if fact.stops]

    @property
    def out(self) -> bool:
        return bool(self.stops) and self.state is not Remark.IN_PANIC

    @property
    def state(self) -> Obstacle | Remark | HealthState:
        """What it is called: the code of what stops it first, else its health."""
        if self.stops == _ILL and self._tells_of(Remark.IN_PANIC):
            return Remark.IN_PANIC
        if self.stops:
            return self.stops[0]
        if self._tells_of(Obstacle.CIRCUIT_TRIED):
            return Obstacle.CIRCUIT_TRIED
        return self.health.state if self.backend.pool.health_enabled else HealthState.HEALTHY

    def _tells_of(self, code: Obstacle | Remark) -> bool:
        return any(fact.code is code for fact in self.facts)

    @property
    def headline(self) -> str:
        return f"{self.backend} {HEADLINES[self.state]}"


def explain(backend: Backend, now: datetime) -> Explanation:
    """Reads Redis and the database for one backend, whose pool must have been selected."""
    live = LiveTraffic.read()
    health = live.health
    status, circuit = health.of(backend.pk), live.circuits.of(backend)
    probing = _probing(backend)
    past = read_past(backend, now)
    facts = list(_operators(backend))
    if health.error:
        facts.append(Fact(Remark.REDIS_AWAY, f"{health.error}."))
    else:
        facts += _of_health(backend, status)
        facts += _of_circuit(circuit, now)
        facts += _of_ejection(live.ejections.of(backend))
        facts += _of_traffic(backend, live.of(backend.pool), facts)
    facts += _of_past(past)
    return Explanation(
        backend=backend,
        now=now,
        health=status,
        circuit=circuit,
        facts=facts,
        probing=probing,
        next_words=next_in_words(probing, now.timestamp()),
        pool=pool_health(backend.pool, live),
        past=past,
        probes=list(backend.health_records.all()[:RECENT]),
        events=tell(list(backend.events.select_related("backend__pool", "pool")[:RECENT])),
    )


def tell(events: list[Event]) -> list[Told]:
    causes = causes_of(events)
    return [Told(event, causes.get(event.pk)) for event in events]


def next_in_words(probing: Probing | None, now: float) -> str:
    """When the next probe comes, and what it takes to change the state."""
    if probing is None:
        return "Redis is away: nobody knows when it is probed next."
    if not probing.enabled:
        return "It is not probed."
    said = [_when(probing.next_at, now)]
    if probing.failures_left is not None and probing.last is ProbeResult.FAIL:
        failed = counted(probing.streak, "failure")
        said.append(f"{failed} in a row; {probing.failures_left} more and it is down.")
    elif probing.passes_needed is not None:
        down = probing.failures_left is None
        so_far = f"{counted(probing.passes, 'pass', 'passes')} so far; " if probing.passes else ""
        said.append(
            f"{so_far}{counted(probing.passes_needed, 'more pass', 'more passes')} "
            f"{'in a row and it is up again' if down else 'in time and it is well again'}."
        )
    return " ".join(said)


def _when(due: float | None, now: float) -> str:
    if due is None:
        return "No probe is planned yet."
    seconds = due - now
    return f"Next probe in {seconds:.0f} s." if seconds >= 1 else "The next probe is due now."


def _probing(backend: Backend) -> Probing | None:
    try:
        return read_probing(redis_client(), backend)
    except RedisError:
        return None


def _operators(backend: Backend) -> Iterator[Fact]:
    if backend.admin_state != AdminState.ACTIVE:
        event = _last(backend, EventKind.ADMIN_STATE_CHANGED)
        draining = backend.admin_state == AdminState.DRAINING
        yield Fact(
            code=Obstacle(backend.admin_state),
            text="It was drained" if draining else "It was put into maintenance",
            **_told_by(event),
        )
    if backend.weight == 0:
        yield Fact(Obstacle.NO_WEIGHT, "Its weight is set to 0.")


def _of_health(backend: Backend, status: HealthStatus) -> Iterator[Fact]:
    if not backend.pool.health_enabled:
        yield Fact(Remark.NOT_PROBED, "Health checks are off in this pool.", stops=False)
    elif backend.admin_state == AdminState.MAINTENANCE:
        return  # what the probes said before it says nothing now
    elif status.state in (HealthState.UNHEALTHY, HealthState.DEGRADED):
        down = status.state is HealthState.UNHEALTHY
        event = _last(backend, EventKind.HEALTH_CHANGED)
        text = f"Its probes {'fail' if down else 'pass too slowly'}: {status.reason or 'no reason'}"
        yield Fact(
            code=Obstacle.UNHEALTHY if down else Remark.DEGRADED,
            text=text,
            since=_time(status.since),
            event=event.pk if event else None,
            stops=down,
        )


def _of_past(past: Past) -> Iterator[Fact]:
    flaps = past.spans["1h"].flaps
    if flaps >= FLAPS:
        text = f"It comes and goes: it went down {flaps} times in the last hour"
        yield Fact(Remark.FLAPS, text, stops=False)


def _of_circuit(circuit: Circuit | None, now: datetime) -> Iterator[Fact]:
    if circuit is None or not circuit.out:
        return
    text = f"Its circuit is {_how(circuit)}"
    if until := _time(circuit.until):
        text += f"; tried again {f'at {_clock(until)}' if until > now else 'by the next request'}"
    code = Obstacle.CIRCUIT_OPEN if circuit.shut else Obstacle.CIRCUIT_TRIED
    yield Fact(code, text, since=_time(circuit.since), stops=circuit.shut)


def _how(circuit: Circuit) -> str:
    """The cause of one that is held open says that it is."""
    if circuit.state is CircuitState.FORCED_OPEN:
        return circuit.cause
    return f"{circuit.state.replace('_', ' ')}: {circuit.cause}"


def _of_ejection(ejection: Ejection | None) -> Iterator[Fact]:
    if ejection is not None:
        until = datetime.fromtimestamp(ejection.until, UTC)
        text = f"It is ejected until {_clock(until)}: {ejection.cause}"
        yield Fact(Obstacle.EJECTED, text, since=_time(ejection.since))


def _of_traffic(backend: Backend, traffic: Traffic, known: list[Fact]) -> Iterator[Fact]:
    """Its place among the tiers: it may be well and get nothing, or ill and get something."""
    if backend.backup_of is not None:
        holders = {place.holder for share in traffic.shares for place in share.places}
        if backend.pk not in holders:
            text = f"{backend.backup_of.name} is well: it stands in for that one."
            yield Fact(Obstacle.STAND_IN, text)
        return
    share = next((one for one in traffic.shares if one.tier == backend.tier), None)
    if share is None:
        return
    # Panic sets aside what probes say, and neither an open circuit nor an operator's order.
    if share.panic and share.percent and [fact.code for fact in known if fact.stops] == _ILL:
        yield Fact(Remark.IN_PANIC, _PANIC, stops=False)
    if not share.percent and share.healthy:
        text = _why_waiting(backend, traffic)
        yield Fact(Obstacle.LOWER_TIER, text, since=_time(traffic.state.since))


_PANIC = "Too few of its pool are well (panic): it gets requests all the same."


def _why_waiting(backend: Backend, traffic: Traffic) -> str:
    tiers = ", ".join(map(str, traffic.serving)) or "none"
    state = traffic.state
    if backend.tier < state.floor:
        who = "an operator" if state.manual else "the failover"
        return f"Its tier {backend.tier} gets nothing: {who} holds the traffic on tier {tiers}" + (
            f" ({state.cause})" if state.cause else ""
        )
    return f"It is in tier {backend.tier}, a backup: tier {tiers} serves"


def _last(backend: Backend, kind: EventKind) -> Event | None:
    return backend.events.filter(kind=kind.value).first()


def _told_by(event: Event | None) -> dict[str, Any]:
    if event is None:
        return {}
    return {"since": event.at, "by": event.actor, "event": event.pk}


def _clock(at: datetime) -> str:
    """As the times beside it are shown."""
    return f"{localtime(at):%H:%M:%S}"


def _time(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
