"""Pools whose cookies overwrite each other."""

import pytest

from pool.models import Pool, Route
from pool.sticky_cookies import advise

pytestmark = pytest.mark.django_db


@pytest.fixture
def pool_at():
    def make(name, *hosts, mode="cookie", cookie="lb"):
        pool = Pool.objects.create(name=name, sticky_mode=mode, sticky_name=cookie)
        for host in hosts:
            Route.objects.create(pool=pool, host=host, path_prefix=f"/{name}")
        return pool

    return make


@pytest.mark.parametrize(
    ("mine", "theirs", "shared"),
    [
        ("shop.test", "shop.test", "shop.test"),
        ("shop.test", "", "shop.test"),
        ("", "shop.test", "shop.test"),
        ("", "", "any host"),
        ("*.shop.test", "api.shop.test", "api.shop.test"),
        ("*.eu.shop.test", "*.shop.test", "*.eu.shop.test"),
    ],
)
def test_two_pools_under_one_host_are_told_of(pool_at, mine, theirs, shared):
    web, _ = pool_at("web", mine), pool_at("api", theirs)
    (sentence,) = advise(web)
    assert f"The pools web and api set the same cookie, lb, under {shared}:" in sentence


@pytest.mark.parametrize(
    ("host", "fields"),
    [
        ("other.test", {}),
        ("shop.test", {"cookie": "other"}),
        ("shop.test", {"mode": "off"}),
        ("shop.test", {"mode": "header", "cookie": "X-Session"}),
    ],
)
def test_those_that_do_not_meet_are_not(pool_at, host, fields):
    web, _ = pool_at("web", "shop.test"), pool_at("api", host, **fields)
    assert advise(web) == []


def test_names_with_a_common_end_are_not_below_each_other(pool_at):
    web, _ = pool_at("web", "*.shop.test"), pool_at("api", "myshop.test")
    assert advise(web) == []


def test_a_pool_without_a_route_meets_nobody(pool_at):
    web, _ = pool_at("web"), pool_at("api", "")
    assert advise(web) == []
