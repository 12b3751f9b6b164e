"""Each policy's columns and its struct in the snapshot say the same."""

import msgspec
import pytest

from pool.choices import RateScope
from pool.models import Pool, Route
from pool.policies import POOL_GROUPS, RATE_LIMIT
from pool.snapshot import RateLimitPolicy

GROUPS = list(POOL_GROUPS.values())


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.struct.__name__)
def test_every_field_has_its_column_with_the_same_default(group):
    assert set(group.columns) == set(group.struct.__struct_fields__)
    assert group.compile(Pool()) == group.struct()


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.struct.__name__)
def test_what_is_compiled_is_restored(group):
    pool = Pool(
        health_path="/up",
        health_interval=9.0,
        connect_timeout=1.5,
        retry_attempts=1,
        retry_on_reset=False,
        retry_on_statuses="502-504",
        hedge_after=0.5,
        max_queue=0,
        hash_key="header:x-user",
        bounded_load=2.0,
        tier_mode="spill_over",
        failback="manual",
        sticky_mode="cookie",
        sticky_same_site="None",
        circuit_mode="failure_ratio",
        circuit_statuses="429,500-599",
        host_header="backend",
        request_headers=[{"action": "set", "name": "X-A", "value": "b"}],
        response_headers=[{"action": "remove", "name": "Server"}],
        max_body=2**40,
        tls_verify=False,
        tls_server_name="a.example",
    )
    restored = Pool(**group.restore(group.compile(pool)))
    assert group.compile(restored) == group.compile(pool)


def test_every_policy_of_the_snapshot_is_compiled():
    spec = Pool(name="web").compile()
    policies = {
        type(value)
        for value in msgspec.structs.asdict(spec).values()
        if isinstance(value, msgspec.Struct)
    }
    assert policies == {group.struct for group in GROUPS}


@pytest.mark.parametrize("name", [name for group in GROUPS for name in group.columns.values()])
def test_every_column_explains_itself(name):
    assert Pool._meta.get_field(name).help_text


def test_a_routes_rate_limit_has_its_columns_with_the_same_defaults():
    assert set(RATE_LIMIT.columns) == set(RateLimitPolicy.__struct_fields__)
    assert RATE_LIMIT.compile(Route()) == RateLimitPolicy()
    for name in RATE_LIMIT.columns.values():
        assert Route._meta.get_field(name).help_text


def test_a_routes_rate_limit_is_restored():
    limit = RateLimitPolicy(requests=5, period=60.0, key="client_ip", scope=RateScope.SHARED)
    assert RATE_LIMIT.compile(Route(**RATE_LIMIT.restore(limit))) == limit
