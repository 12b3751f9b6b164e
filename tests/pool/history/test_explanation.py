"""Each reason why a backend gets nothing, in an operator's words."""

import time
from datetime import timedelta

import msgspec
import pytest
from django.utils import timezone

from pool.bus import (
    CIRCUITS_KEY,
    EJECTIONS_KEY,
    FAILOVER_KEY,
    HEALTH_KEY,
    FailoverState,
    HealthStatus,
)
from pool.choices import CircuitMode, CircuitState, HealthState, ProbeResult
from pool.circuits.records import Circuit
from pool.health.hysteresis import Standing
from pool.health.schedule import DUE_KEY, STANDING_KEY
from pool.history.explanation import explain
from pool.models import Backend, HealthRecord, Pool
from pool.outliers.records import Ejection, Ejections

pytestmark = pytest.mark.django_db


@pytest.fixture
def pool():
    return Pool.objects.create(
        name="shop", health_rise=2, circuit_mode=CircuitMode.CONSECUTIVE.value
    )


@pytest.fixture
def backend(pool, redis_client):
    return Backend.objects.create(pool=pool, name="a", url="http://a")


@pytest.fixture
def others(pool, backend):
    """Enough of them that losing one is no panic."""
    return [Backend.objects.create(pool=pool, name=f"o{n}", url=f"http://o{n}") for n in range(4)]


def say(redis_client, backend, state, reason=""):
    status = HealthStatus(state=state, since=1_700_000_000, reason=reason)
    redis_client.hset(HEALTH_KEY, str(backend.pk), msgspec.json.encode(status))


def explained(backend):
    return explain(Backend.objects.select_related("pool").get(pk=backend.pk), timezone.now())


def test_a_healthy_backend_has_nothing_to_explain(backend, others, redis_client):
    say(redis_client, backend, HealthState.HEALTHY)
    explanation = explained(backend)
    assert (explanation.state, explanation.out, explanation.facts) == ("healthy", False, [])


def test_what_an_operator_did_comes_first(backend, others, redis_client):
    say(redis_client, backend, HealthState.UNHEALTHY, "timed out")
    backend.drain(by="olga")
    explanation = explained(backend)
    assert [fact.code for fact in explanation.facts] == ["draining", "unhealthy"]
    assert (explanation.state, explanation.facts[0].by) == ("draining", "olga")


def test_a_backend_that_is_down_in_a_pool_that_is_well(backend, others, redis_client):
    say(redis_client, backend, HealthState.UNHEALTHY, "timed out")
    explanation = explained(backend)
    assert explanation.headline == "shop/a is down: it gets no new requests."
    assert explanation.pool.words.startswith("4 of 5 left")


def test_a_circuit_that_is_open(backend, others, redis_client):
    say(redis_client, backend, HealthState.HEALTHY)
    circuit = Circuit(state=CircuitState.OPEN, since=1.7e9, until=1.7e9 + 30, cause="5 failures")
    redis_client.hset(CIRCUITS_KEY, str(backend.pk), msgspec.json.encode(circuit))
    [fact] = explained(backend).facts
    assert fact.text == "Its circuit is open: 5 failures; tried again by the next request"


def test_a_circuit_that_an_operator_holds_open(backend, others, redis_client):
    say(redis_client, backend, HealthState.HEALTHY)
    circuit = Circuit(state=CircuitState.FORCED_OPEN, since=1.7e9, cause="forced open by olga")
    redis_client.hset(CIRCUITS_KEY, str(backend.pk), msgspec.json.encode(circuit))
    [fact] = explained(backend).facts
    assert fact.text == "Its circuit is forced open by olga"


def test_in_panic_it_gets_requests_all_the_same(backend, redis_client):
    say(redis_client, backend, HealthState.UNHEALTHY, "timed out")
    explanation = explained(backend)
    assert [fact.code for fact in explanation.facts] == ["unhealthy", "in_panic"]
    assert (explanation.state, explanation.out) == ("in_panic", False)


def test_not_even_in_panic_while_its_circuit_is_open(backend, redis_client):
    say(redis_client, backend, HealthState.UNHEALTHY, "timed out")
    circuit = Circuit(state=CircuitState.OPEN, since=1.7e9, until=1.7e9 + 30, cause="5 failures")
    redis_client.hset(CIRCUITS_KEY, str(backend.pk), msgspec.json.encode(circuit))
    explanation = explained(backend)
    assert [fact.code for fact in explanation.facts] == ["unhealthy", "circuit_open"]
    assert (explanation.state, explanation.out) == ("unhealthy", True)


def test_a_circuit_that_is_tried_lets_some_requests_through(backend, others, redis_client):
    say(redis_client, backend, HealthState.HEALTHY)
    circuit = Circuit(state=CircuitState.HALF_OPEN, since=1.7e9, cause="it was open for 30 s")
    redis_client.hset(CIRCUITS_KEY, str(backend.pk), msgspec.json.encode(circuit))
    explanation = explained(backend)
    assert (explanation.state, explanation.out) == ("circuit_half_open", False)
    assert explanation.facts[0].text == "Its circuit is half open: it was open for 30 s"


def test_an_ejection(backend, others, redis_client):
    backend.pool.outlier_enabled = True
    backend.pool.save()
    say(redis_client, backend, HealthState.HEALTHY)
    now = time.time()
    ejection = Ejection(since=now, until=now + 600, times=1, cause="5 failures in a row")
    record = msgspec.json.encode(Ejections(by_id={backend.pk: ejection}))
    redis_client.hset(EJECTIONS_KEY, str(backend.pool_id), record)
    explanation = explained(backend)
    assert explanation.state == "ejected"
    assert explanation.facts[0].text.endswith(": 5 failures in a row")


def test_a_backup_waits_while_the_primaries_serve(backend, others, redis_client):
    backup = Backend.objects.create(pool=backend.pool, name="b", url="http://b", tier=1)
    for one in (backend, *others, backup):
        say(redis_client, one, HealthState.HEALTHY)
    explanation = explained(backup)
    assert explanation.state == "lower_tier"
    assert explanation.facts[0].text == "It is in tier 1, a backup: tier 0 serves"


def test_a_primary_that_the_failover_keeps_from_traffic(backend, redis_client):
    backup = Backend.objects.create(pool=backend.pool, name="b", url="http://b", tier=1)
    for one in (backend, backup):
        say(redis_client, one, HealthState.HEALTHY)
    state = FailoverState(floor=1, manual=True, serving=(1,), since=1.7e9, cause="by hand")
    redis_client.hset(FAILOVER_KEY, str(backend.pool_id), msgspec.json.encode(state))
    [fact] = explained(backend).facts
    assert fact.text == (
        "Its tier 0 gets nothing: an operator holds the traffic on tier 1 (by hand)"
    )


def test_a_stand_in_stands_by(backend, redis_client):
    stand_in = Backend.objects.create(pool=backend.pool, name="s", url="http://s")
    stand_in.backup_of = backend
    stand_in.save()
    for one in (backend, stand_in):
        say(redis_client, one, HealthState.HEALTHY)
    assert explained(stand_in).state == "stand_in_not_needed"
    say(redis_client, backend, HealthState.UNHEALTHY)
    assert explained(stand_in).state == "healthy"


def test_one_that_comes_and_goes_is_said_to(backend, redis_client):
    for minute in range(40, 0, -5):
        for seconds, state in ((0, HealthState.UNHEALTHY), (30, HealthState.HEALTHY)):
            at = timezone.now() - timedelta(minutes=minute, seconds=-seconds)
            result = "fail" if state == HealthState.UNHEALTHY else "pass"
            HealthRecord.objects.create(backend=backend, at=at, result=result, state=state)
    say(redis_client, backend, HealthState.HEALTHY)
    explanation = explained(backend)
    texts = [fact.text for fact in explanation.facts]
    assert texts == ["It comes and goes: it went down 7 times in the last hour"]
    assert (explanation.state, explanation.out) == ("healthy", False)


def stand(redis_client, backend, now, **standing):
    record = Standing(since=1.0, **standing)
    redis_client.hset(STANDING_KEY, str(backend.pk), msgspec.json.encode(record))
    redis_client.zadd(DUE_KEY, {str(backend.pk): now + 4.2})


@pytest.mark.parametrize(
    ("standing", "said"),
    [
        (
            {"state": HealthState.UNHEALTHY, "last": ProbeResult.FAIL, "streak": 9},
            "Next probe in 4 s. 2 more passes in a row and it is up again.",
        ),
        (
            {
                "state": HealthState.UNHEALTHY,
                "last": ProbeResult.PASS,
                "streak": 1,
                "passes": 1,
            },
            "Next probe in 4 s. 1 pass so far; 1 more pass in a row and it is up again.",
        ),
        (
            {"state": HealthState.HEALTHY, "last": ProbeResult.FAIL, "streak": 1},
            "Next probe in 4 s. 1 failure in a row; 2 more and it is down.",
        ),
        (
            {
                "state": HealthState.UNHEALTHY,
                "last": ProbeResult.SLOW,
                "streak": 1,
                "passes": 1,
            },
            "Next probe in 4 s. 1 pass so far; 1 more pass in a row and it is up again.",
        ),
        (
            {"state": HealthState.DEGRADED, "last": ProbeResult.SLOW, "streak": 9, "passes": 9},
            "Next probe in 4 s. 2 more passes in time and it is well again.",
        ),
        (
            {"state": HealthState.DEGRADED, "last": ProbeResult.FAIL, "streak": 1},
            "Next probe in 4 s. 1 failure in a row; 2 more and it is down.",
        ),
        (
            {"state": HealthState.HEALTHY, "last": ProbeResult.PASS, "streak": 50},
            "Next probe in 4 s.",
        ),
    ],
)
def test_what_it_still_needs_is_said(backend, redis_client, standing, said):
    stand(redis_client, backend, timezone.now().timestamp(), **standing)
    assert explained(backend).next_words == said


def test_without_probes_there_is_no_next_one(backend, redis_client):
    backend.maintain()
    assert explained(backend).next_words == "It is not probed."
