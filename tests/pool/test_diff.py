"""What changed, in words."""

import re

import pytest

from pool.choices import HeaderAction
from pool.diff import Action, Kind, compare, summarise
from pool.snapshot import (
    EMPTY,
    BackendSpec,
    HeaderPolicy,
    HeaderRule,
    HealthPolicy,
    PoolSpec,
    RouteSpec,
    TlsPolicy,
    build,
)

ONE = BackendSpec(id=1, name="one", url="http://a")
WEB = PoolSpec(id=1, name="web", backends=(ONE,))
ANY = RouteSpec(id=1, pool_id=1)
SNAPSHOT = build(1, (WEB,), (ANY,))


def test_everything_is_added_to_nothing_in_the_order_in_which_it_was_made():
    changes = compare(EMPTY, SNAPSHOT)
    assert [(change.action, change.kind, change.id) for change in changes] == [
        (Action.ADDED, kind, 1) for kind in Kind
    ]
    assert summarise(changes) == ("pool web added; backend web/one added; route */ → web added")


def test_everything_is_removed():
    assert summarise(compare(SNAPSHOT, EMPTY)) == (
        "pool web removed; backend web/one removed; route */ → web removed"
    )


def test_fields_of_policies_are_named():
    slower = PoolSpec(id=1, name="web", backends=(ONE,), health=HealthPolicy(interval=9.0))
    (change,) = compare(SNAPSHOT, build(2, (slower,), (ANY,)))
    assert str(change) == "pool web changed: health.interval 2.0 → 9.0"
    assert change.fields == {"health.interval": (2.0, 9.0)}


def test_header_rules_are_shown_as_they_are_written():
    rules = (
        HeaderRule(action=HeaderAction.SET, name="X-A", value="b"),
        HeaderRule(action=HeaderAction.REMOVE, name="Server"),
    )
    web = PoolSpec(id=1, name="web", backends=(ONE,), headers=HeaderPolicy(response_rules=rules))
    route = RouteSpec(id=1, pool_id=1, request_rules=rules[:1])
    changes = compare(SNAPSHOT, build(2, (web,), (route,)))
    assert [change.fields for change in changes] == [
        {"headers.response_rules": ([], ["set X-A: b", "remove Server"])},
        {"request_rules": ([], ["set X-A: b"])},
    ]


@pytest.mark.parametrize("name", ["Authorization", "Cookie", "X-Api-Key", "x-auth", "X-Token"])
def test_credentials_in_header_rules_are_told_apart_and_not_shown(name):
    def trusting(value):
        rule = HeaderRule(action=HeaderAction.SET, name=name, value=value)
        probed = HealthPolicy(headers=(rule,))
        route = RouteSpec(id=1, pool_id=1, request_rules=(rule,))
        return build(1, (PoolSpec(id=1, name="web", backends=(ONE,), health=probed),), (route,))

    one, other = trusting("Bearer hunter2"), trusting("Bearer hunter3")
    assert compare(one, trusting("Bearer hunter2")) == []
    changes = compare(one, other)
    assert [list(change.fields) for change in changes] == [["health.headers"], ["request_rules"]]
    assert "hunter" not in summarise(changes)
    assert f"set {name}: … (fingerprint " in summarise(changes)


def test_certificates_are_shown_by_their_fingerprints(certificate):
    trusting = PoolSpec(id=1, name="web", backends=(ONE,), tls=TlsPolicy(ca=certificate))
    (change,) = compare(SNAPSHOT, build(2, (trusting,), (ANY,)))
    before, (fingerprint,) = change.fields["tls.ca"]
    assert before == []
    assert re.fullmatch("SHA-256 [0-9a-f]{64}", fingerprint)
    assert "BEGIN" not in str(change)


def test_a_renamed_pool_is_one_change():
    renamed = PoolSpec(id=1, name="shop", backends=(ONE,))
    (change,) = compare(SNAPSHOT, build(2, (renamed,), (ANY,)))
    assert str(change) == "pool shop changed: name web → shop"


def test_a_move_to_another_pool_names_both():
    other = PoolSpec(id=2, name="other")
    old = build(1, (WEB, other), (ANY,))
    new = build(2, (WEB, other), (RouteSpec(id=1, pool_id=2),))
    (change,) = compare(old, new)
    assert str(change) == "route */ → other changed: pool web → other"


def test_a_stand_in_is_shown_by_the_name_of_its_backend():
    two = BackendSpec(id=2, name="two", url="http://b")
    stand_in = BackendSpec(id=2, name="two", url="http://b", backup_of=1)
    plain = build(1, (PoolSpec(id=1, name="web", backends=(ONE, two)),), ())
    standing = build(2, (PoolSpec(id=1, name="web", backends=(ONE, stand_in)),), ())
    assert summarise(compare(plain, standing)) == (
        "backend web/two changed: backup_of null → web/one"
    )
    assert summarise(compare(standing, plain)) == (
        "backend web/two changed: backup_of web/one → null"
    )


def test_a_long_summary_is_cut_and_says_so():
    pools = tuple(PoolSpec(id=number, name=f"p{number}") for number in range(1, 6))
    assert summarise(compare(EMPTY, build(1, pools, ()))) == (
        "pool p1 added; pool p2 added; pool p3 added; and 2 more"
    )


def test_no_change_is_said():
    assert summarise(compare(SNAPSHOT, build(2, (WEB,), (ANY,)))) == "Nothing changed"
