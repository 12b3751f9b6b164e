"""The task that mends Redis knows the keys of all apps, and needs the database for pools' alone."""

import pytest
from django.db import OperationalError
from redis import Redis

from lbsite.tasks import mend
from pool.bus import HEALTH_KEY, LONE_CHANGES
from pool.models import Pool


@pytest.mark.django_db
@pytest.mark.parametrize(
    "key", ["lb:traffic:bad", "lb:requests:bad", "lb:seen:workers", HEALTH_KEY]
)
def test_keys_of_all_apps_are_mended(redis_client: Redis, key: str) -> None:
    redis_client.set(key, "slip")
    mend()
    assert not redis_client.exists(key)


@pytest.mark.django_db
def test_those_of_each_pool_are_mended(redis_client: Redis) -> None:
    key = LONE_CHANGES % Pool.objects.create(name="web").pk
    redis_client.set(key, "slip")
    mend()
    assert not redis_client.exists(key)


def test_without_the_database_the_others_are(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(Pool.objects, "values_list", fail)
    redis_client.set(HEALTH_KEY, "slip")
    with pytest.raises(OperationalError):
        mend()
    assert not redis_client.exists(HEALTH_KEY)
