"""Which backends are probed, and how their due times are spread."""

import itertools

import pytest

from pool.choices import AdminState, ProbeKind
from pool.health.plan import Target, plan_of
from pool.snapshot import (
    BackendSpec,
    HeaderPolicy,
    HealthOverrides,
    HealthPolicy,
    PoolSpec,
    TlsPolicy,
    build,
)


def _backend(backend_id, state=AdminState.ACTIVE):
    return BackendSpec(
        id=backend_id, name=f"b{backend_id}", url=f"http://h{backend_id}:80", admin_state=state
    )


def _plan(*pools):
    return plan_of(build(1, pools, ()))


def _target(backend_id, **policy):
    return Target(backend_id=backend_id, origin="", name="", policy=HealthPolicy(**policy))


def test_draining_is_probed_and_maintenance_is_not():
    states = [AdminState.ACTIVE, AdminState.DRAINING, AdminState.MAINTENANCE]
    backends = tuple(_backend(number, state) for number, state in enumerate(states, start=1))
    plan = _plan(PoolSpec(id=1, name="shop", backends=backends))
    assert set(plan.targets) == {1, 2}
    assert plan.idle == {3}


def test_a_pool_without_health_checks_is_neither_probed_nor_kept():
    off = HealthPolicy(enabled=False)
    backends = (_backend(1), _backend(2, AdminState.MAINTENANCE))
    plan = _plan(PoolSpec(id=1, name="shop", health=off, backends=backends))
    assert (plan.targets, plan.idle) == ({}, frozenset())


def test_a_target_carries_what_its_probe_needs():
    policy = HealthPolicy(path="/up")
    plan = _plan(PoolSpec(id=1, name="shop", health=policy, backends=(_backend(7),)))
    target = plan.targets[7]
    assert (target.origin, target.name, target.policy) == ("http://h7:80", "shop/b7", policy)


@pytest.mark.parametrize(
    ("host_header", "sent"), [("", ""), ("backend", ""), ("app.internal:81", "app.internal:81")]
)
def test_a_probe_is_sent_as_the_traffic_is(host_header, sent):
    tls, headers = TlsPolicy(verify=False), HeaderPolicy(host=host_header)
    plan = _plan(PoolSpec(id=1, name="shop", tls=tls, headers=headers, backends=(_backend(7),)))
    assert (plan.targets[7].tls, plan.targets[7].host) == (tls, sent)


@pytest.mark.parametrize(
    ("url", "policy", "origin"),
    [
        ("http://h", {}, "http://h"),
        ("http://h", {"kind": ProbeKind.HTTPS}, "https://h"),
        ("https://h:8443", {"kind": ProbeKind.HTTP}, "http://h:8443"),
        ("https://h:8443", {"kind": ProbeKind.TCP}, "https://h:8443"),
        ("http://h:80", {"port": 81}, "http://h:81"),
        ("http://[::1]:80", {"port": 81, "kind": ProbeKind.HTTPS}, "https://[::1]:81"),
        ("unix:/run/a.sock", {"port": 81, "kind": ProbeKind.HTTP}, "unix:/run/a.sock"),
    ],
)
def test_kind_and_port_say_where_to_probe(url, policy, origin):
    backend = BackendSpec(id=7, name="b", url=url)
    pool = PoolSpec(id=1, name="shop", health=HealthPolicy(**policy), backends=(backend,))
    assert _plan(pool).targets[7].origin == origin


def test_a_backend_may_be_probed_otherwise_than_its_pool():
    own = HealthOverrides(url="http://sidecar:9000", path="/own", rise=9)
    backend = BackendSpec(id=7, name="b", url="http://h:80", health=own)
    policy = HealthPolicy(path="/up", fall=8)
    target = _plan(PoolSpec(id=1, name="shop", health=policy, backends=(backend,))).targets[7]
    assert target.origin == "http://sidecar:9000"
    assert target.policy == HealthPolicy(path="/own", rise=9, fall=8)


def test_the_probes_own_host_comes_before_the_traffics():
    policy, headers = HealthPolicy(host="probe.internal"), HeaderPolicy(host="app.internal")
    pool = PoolSpec(id=1, name="shop", health=policy, headers=headers, backends=(_backend(7),))
    assert _plan(pool).targets[7].host == "probe.internal"


def test_another_snapshot_is_another_version():
    one, other = _plan(), _plan(PoolSpec(id=1, name="shop"))
    assert one.version != other.version


@pytest.mark.parametrize("step", [1, 2, 3, 10])
@pytest.mark.parametrize("count", [2, 3, 10, 100, 1000])
def test_probes_of_a_pool_are_spread_over_the_interval(count, step):
    phases = sorted(_target(1 + step * n, interval=10).phase for n in range(count))
    gaps = [after - before for before, after in itertools.pairwise(phases)]
    gaps.append(10 - phases[-1] + phases[0])
    assert max(gaps) <= 6 * 10 / count


def test_a_thousand_backends_put_the_same_load_on_each_second():
    per_second = [0] * 5
    for backend_id in range(1, 1001):
        per_second[int(_target(backend_id, interval=5).phase)] += 1
    assert all(198 <= count <= 202 for count in per_second)


def test_probes_of_one_backend_cannot_overlap():
    assert _target(1, interval=1, timeout=3).period == 3
