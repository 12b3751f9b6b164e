"""What a backend has of its own of its pool's health checks."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from pool.choices import HeaderAction, ProbeKind
from pool.compilation import compile_configuration
from pool.diff import compare
from pool.health.plan import plan_of
from pool.models import Backend, Pool
from pool.policies.health import HEALTH, HEALTH_OVERRIDES
from pool.restore import restore
from pool.snapshot import HeaderRule, HealthOverrides, HealthPolicy, build, decode, encode

pytestmark = pytest.mark.django_db

OWN = {
    "health_url": "http://10.0.0.9:9000",
    "health_kind": "https",
    "health_method": "OPTIONS",
    "health_path": "/up",
    "health_host": "app.internal",
    "health_port": 81,
    "health_expected_status": "204",
    "health_headers": [{"action": "set", "name": "X-A", "value": "b"}],
    "health_body": "ok",
    "health_interval": 9.0,
    "health_timeout": 3.0,
    "health_fast_interval": 1.0,
    "health_down_interval": 30.0,
    "health_rise": 4,
    "health_fall": 5,
    "health_degraded_latency": 0.5,
    "health_degraded_weight": 20,
    "health_jitter": 10,
}


def refusal(row):
    with pytest.raises(ValidationError) as caught:
        row.save()
    return caught.value.message_dict


def current(number=1):
    return build(number, *compile_configuration())


def test_whatever_a_pool_says_of_its_probes_a_backend_may_say_otherwise():
    assert set(HEALTH_OVERRIDES.columns) - {"url"} == set(HEALTH.columns) - {"enabled"}
    assert set(OWN) == set(HEALTH_OVERRIDES.columns.values())


def test_a_backend_begins_with_its_pools_checks(one):
    assert one.compile().health == HealthOverrides()
    assert HealthOverrides().over(HealthPolicy(path="/x")) == HealthPolicy(path="/x")


def test_every_override_is_compiled_and_takes_the_place_of_the_pools(one):
    for name, value in OWN.items():
        setattr(one, name, value)
    one.save()
    one.refresh_from_db()
    overrides = one.compile().health
    assert overrides.headers == (HeaderRule(action=HeaderAction.SET, name="X-A", value="b"),)
    policy = overrides.over(HealthPolicy())
    assert (policy.kind, policy.rise, policy.jitter) == (ProbeKind.HTTPS, 4, 10)
    given = {name: getattr(overrides, name) for name in HEALTH.columns if name != "enabled"}
    assert {name: getattr(policy, name) for name in given} == given
    assert None not in given.values()


def test_a_probe_goes_where_the_overrides_say(one):
    one.health_kind, one.health_port, one.health_host = "https", 8443, "app.internal"
    one.save()
    target = plan_of(current()).targets[one.pk]
    assert (target.origin, target.host) == ("https://127.0.0.1:8443", "app.internal")
    one.health_url = "http://[::1]:9000"
    one.save()
    assert plan_of(current()).targets[one.pk].origin == "https://[::1]:8443"


@pytest.mark.parametrize("empty", ["", None])
def test_what_is_left_empty_is_the_pools(one, empty):
    one.health_path, one.health_headers = empty, [] if empty == "" else None
    one.save()
    assert one.compile().health == HealthOverrides()


def test_a_snapshot_keeps_overrides_and_does_not_grow_without_them(one):
    assert b'"health"' not in encode(current())
    one.health_rise = 7
    one.save()
    assert decode(encode(current())).pools[0].backends[0].health == HealthOverrides(rise=7)


def test_the_diff_names_each_and_a_rollback_brings_them_back(one):
    before = current()
    one.health_path, one.health_headers = "/up", OWN["health_headers"]
    one.save()
    after = current(2)
    (change,) = compare(before, after)
    assert change.fields == {
        "health.path": (None, "/up"),
        "health.headers": (None, ["set X-A: b"]),
    }
    restore(before)
    assert current().content_hash == before.content_hash
    restore(after)
    assert current().content_hash == after.content_hash


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"health_timeout": 3.0}, "health_timeout", "longer than the interval (2 s)"),
        ({"health_interval": 1.0}, "health_timeout", "longer than the interval (1 s)"),
        ({"health_fast_interval": 3.0}, "health_fast_interval", "longer than the interval (2 s)"),
        ({"health_down_interval": 1.0}, "health_down_interval", "shorter than the interval (2 s)"),
        ({"health_body": "x", "health_method": "HEAD"}, "health_body", "HEAD has no body"),
        ({"health_body": "(x"}, "health_body", "Correct the regular expression"),
        ({"health_path": "up"}, "health_path", 'Start the path with "/"'),
        ({"health_url": "10.0.0.1"}, "health_url", "Start with http://"),
        ({"health_kind": "udp"}, "health_kind", "not a valid choice"),
        ({"health_jitter": 51}, "health_jitter", "less than or equal to 50"),
        ({"health_degraded_weight": 0}, "health_degraded_weight", "greater than or equal to 1"),
        (
            {"health_headers": [{"action": "set", "name": "Host", "value": "a"}]},
            "health_headers",
            "say it with health_host instead",
        ),
        (
            {"health_headers": [{"action": "add", "name": "X-A", "value": "a"}]},
            "health_headers",
            "begin with set",
        ),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(one, fields, field, message):
    for name, value in fields.items():
        setattr(one, name, value)
        setattr(one.pool, name, value)
    refused = refusal(one)
    assert list(refused) == [field]
    assert message in refused[field][0]
    if field != "health_url":  # which a pool has not
        assert list(refusal(one.pool)) == [field]


def test_a_probe_may_say_what_only_proxies_say_otherwise(one):
    rule = {"action": "set", "name": "X-Forwarded-Proto", "value": "https"}
    one.pool.health_headers = [rule]
    one.pool.save()
    assert Pool.objects.get().health_headers == [rule]


@pytest.mark.parametrize(
    "fields", [{"health_interval": 0}, {"health_rise": 0}, {"health_path": ""}]
)
def test_the_database_refuses_what_goes_around_the_model(one, fields):
    with pytest.raises(IntegrityError), transaction.atomic():
        Backend.objects.update(**fields)
