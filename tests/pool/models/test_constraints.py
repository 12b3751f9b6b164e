"""The database refuses what goes around the models."""

import pytest
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from pool.fields import NumberBetween
from pool.models import Backend, Pool, Route
from pool.policies import POOL_GROUPS, RATE_LIMIT
from pool.policies.health import HEALTH_OVERRIDES

pytestmark = pytest.mark.django_db

COLUMNS = [
    *((Pool, name) for group in POOL_GROUPS.values() for name in group.columns.values()),
    *((Backend, name) for name in HEALTH_OVERRIDES.columns.values()),
    *((Route, name) for name in RATE_LIMIT.columns.values()),
]


def beyond(model, name):
    """The numbers next to a column's range, as its validators have it."""
    for validator in model._meta.get_field(name)._validators:
        if isinstance(validator, NumberBetween):
            yield from (validator.low - 0.001, validator.high + 1)
        elif isinstance(validator, MinValueValidator):
            yield validator.limit_value - 1
        elif isinstance(validator, MaxValueValidator):
            yield validator.limit_value + 1


@pytest.mark.parametrize(
    ("model", "name", "value"),
    [(model, name, value) for model, name in COLUMNS for value in beyond(model, name)],
)
def test_the_database_knows_the_range_of_each_number_of_a_policy(one, route, model, name, value):
    with pytest.raises(IntegrityError), transaction.atomic():
        model.objects.update(**{name: value})


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (Pool, {"name": ""}),
        (Pool, {"health_interval": 0}),
        (Pool, {"health_timeout": 3}),
        (Pool, {"health_rise": 0}),
        (Pool, {"health_fall": 101}),
        (Pool, {"health_path": "x"}),
        (Pool, {"health_expected_status": ""}),
        (Pool, {"connect_timeout": 0}),
        (Pool, {"response_timeout": 0}),
        (Pool, {"idle_timeout": 86401}),
        (Pool, {"request_timeout": -1}),
        (Pool, {"retry_attempts": 0}),
        (Pool, {"retry_budget": 101}),
        (Pool, {"try_timeout": -1}),
        (Pool, {"hedge_after": 3601}),
        (Pool, {"max_body": 2**40 + 1}),
        (Pool, {"max_in_flight": 1_000_001}),
        (Pool, {"max_queue": 10_001}),
        (Pool, {"queue_timeout": 0}),
        (Backend, {"weight": 1001}),
        (Backend, {"tier": 10}),
        (Backend, {"max_connections": 1_000_001}),
        (Backend, {"url": "ftp://a"}),
        (Backend, {"name": ""}),
        (Backend, {"admin_state": "asleep"}),
        (Route, {"path_prefix": "x"}),
        (Route, {"priority": -1001}),
        (Route, {"rate_requests": 1_000_001}),
        (Route, {"rate_period": 0}),
        (Route, {"rate_burst": 1_000_001}),
        (Route, {"rate_scope": "world"}),
    ],
    ids=lambda value: str(value),
)
def test_an_update_past_the_rules_is_refused(one, route, model, values):
    with pytest.raises(IntegrityError), transaction.atomic():
        model.objects.update(**values)


def test_names_are_unique_in_the_database(web, one, route):
    for copies in (
        [Pool(name="web")],
        [Backend(pool=web, name="one", url="http://b")],
        [Route(pool=web)],
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            type(copies[0]).objects.bulk_create(copies)


def test_a_pool_with_routes_cannot_be_deleted(web, route):
    with pytest.raises(ProtectedError):
        web.delete()


def test_a_pool_without_routes_takes_its_backends_with_it(web, one):
    web.delete()
    assert not Backend.objects.exists()
