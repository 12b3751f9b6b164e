"""A rollback brings back what was, keeps ids and history, and is a revision itself."""

import pytest
from django.core.exceptions import ValidationError
from django.db.models import Max

from pool.compilation import compile_configuration
from pool.models import Backend, Event, HealthRecord, Pool, Revision, Route
from pool.policies import POOL_GROUPS
from pool.restore import rehearse_rollback, rollback
from pool.revise import PublishError
from pool.snapshot import decode

pytestmark = pytest.mark.django_db
RULES = [
    {"action": "set", "name": "X-A", "value": "b"},
    {"action": "remove", "name": "Cookie"},
]

POLICY_COLUMNS = [name for group in POOL_GROUPS.values() for name in group.columns.values()]


@pytest.fixture
def before(commit, published, one, route, certificate):
    """The configuration to come back to, as revision 1."""
    with commit():
        Backend.objects.create(
            pool=one.pool, name="two", url="http://b", weight=3, tier=2, metadata={"rack": 1}
        )
        other = Pool.objects.create(
            name="other",
            algorithm="round_robin",
            health_interval=9,
            request_timeout=30,
            max_body=2**20,
            host_header="backend",
            forwarded_header=True,
            request_headers=RULES,
            response_headers=RULES[1:],
            tls_verify=False,
            tls_ca=certificate,
            tls_server_name="app.internal",
        )
        Route.objects.create(
            pool=other,
            host="a.example",
            path_prefix="/x",
            strip_prefix=True,
            request_headers=RULES[:1],
            response_headers=RULES,
        )
    return Revision.objects.get()


def assert_restored(before, commit, published):
    rehearse_rollback(before)
    with commit():
        rollback(before, by="anna")
    snapshot = decode(before.snapshot.encode())
    assert compile_configuration() == (snapshot.pools, snapshot.routes)
    assert published().content_hash == before.content_hash
    latest = Revision.objects.first()
    assert latest.number == Revision.objects.aggregate(Max("number"))["number__max"]
    assert (latest.number, latest.actor) == (3, "anna")
    assert latest.summary.startswith("Rolled back to revision 1: ")


def change_values():
    Backend.objects.filter(name="one").first().maintain()
    Pool.objects.update(retry_attempts=1, connect_timeout=1)
    Route.objects.update(priority=5)


def clear_policies():
    defaults = {field: Pool._meta.get_field(field).get_default() for field in POLICY_COLUMNS}
    Pool.objects.update(**defaults)
    Route.objects.update(request_headers=[], response_headers=[])


def delete_everything():
    Route.objects.all().delete()
    Pool.objects.all().delete()


def swap_names():
    one, two = Backend.objects.order_by("name")
    web, other = Pool.objects.get(name="web"), Pool.objects.get(name="other")
    for row, name in [(one, "x"), (two, "one"), (one, "two")]:
        row.name = name
        row.save()
    for row, name in [(web, "x"), (other, "web"), (web, "other")]:
        row.name = name
        row.save()
    first, second = Route.objects.order_by("id")
    first_match, second_match = (first.host, first.path_prefix), (second.host, second.path_prefix)
    for row, match in [(first, ("x", "/")), (second, first_match), (first, second_match)]:
        row.host, row.path_prefix = match
        row.save()


def replace_by_namesakes():
    delete_everything()
    pool = Pool.objects.create(name="web")
    Backend.objects.create(pool=pool, name="one", url="http://c")
    Route.objects.create(pool=pool)


def move_between_pools():
    other = Pool.objects.get(name="other")
    Backend.objects.update(pool=other)
    Route.objects.update(pool=other)
    Pool.objects.get(name="web").delete()


@pytest.mark.parametrize(
    "change",
    [
        change_values,
        clear_policies,
        delete_everything,
        swap_names,
        replace_by_namesakes,
        move_between_pools,
    ],
)
def test_what_was_is_back(before, commit, published, change):
    with commit():
        change()
        Pool.objects.create(name="newcomer")
    assert_restored(before, commit, published)


def test_history_stays_with_the_rows_that_stay(before, commit, published, one):
    HealthRecord.objects.create(backend=one, result="pass", state="healthy")
    created_at = one.created_at
    with commit():
        one.weight = 9
        one.save()
    assert_restored(before, commit, published)
    one.refresh_from_db()
    assert one.health_records.count() == 1
    assert one.created_at == created_at


def test_a_changed_admin_state_is_on_the_timeline(before, commit, published, one):
    with commit():
        one.drain()
    assert_restored(before, commit, published)
    event = Event.objects.filter(backend=one, kind="admin_state_changed").first()
    assert (event.data["from"], event.data["to"], event.actor) == ("draining", "active", "anna")


def test_a_rollback_to_what_is_changes_nothing(before, commit, published):
    with commit():
        rollback(before, by="anna")
    assert Revision.objects.count() == 1


def test_a_rollback_that_todays_rules_refuse_changes_nothing(before, commit, monkeypatch):
    with commit():
        change_values()
    content = compile_configuration()
    monkeypatch.setattr("pool.policies.balancing.algorithm_names", lambda: ["magic"])
    with pytest.raises(ValidationError) as caught:
        rollback(before, by="anna")
    assert set(caught.value.message_dict) == {"pool web, algorithm", "pool web, hash_fallback"}
    assert compile_configuration() == content


def test_a_snapshot_that_cannot_be_read_is_refused(before):
    before.snapshot = before.snapshot.replace('"weight":3', '"weight":4')
    with pytest.raises(PublishError, match="revision 1: snapshot 1 does not match its hash"):
        rollback(before, by="anna")
