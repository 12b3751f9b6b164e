"""A pool is duplicated whole, as one change, or not at all."""

import pytest
from django.core.exceptions import ValidationError

from pool.duplicate import duplicate, free_name
from pool.models import Backend, Pool, Revision


@pytest.fixture
def rich(web: Pool) -> Pool:
    """A pool in which something of each kind is not as it is at first."""
    web.algorithm = "maglev"
    web.health_interval = 7.0
    web.response_headers = [{"action": "remove", "name": "Server"}]
    web.save()
    spare = Backend.objects.create(pool=web, name="a-spare", url="http://spare:80")
    first = Backend.objects.create(
        pool=web,
        name="first",
        url="http://first:80",
        weight=5,
        tier=1,
        admin_state="draining",
        health_path="/ready",
        metadata={"rack": "b2"},
    )
    spare.backup_of = first
    spare.save()
    return web


def shape(pool):
    """What is published of it, without what is its own."""
    spec = pool.compile(row.compile() for row in pool.backends.order_by("name"))
    names = {backend.id: backend.name for backend in spec.backends}
    backends = [
        {
            name: getattr(backend, name)
            for name in backend.__struct_fields__
            if name not in ("id", "backup_of")
        }
        | {"backup_of": names.get(backend.backup_of)}
        for backend in spec.backends
    ]
    policies = {
        name: getattr(spec, name)
        for name in spec.__struct_fields__
        if name not in ("id", "name", "backends")
    }
    return policies, backends


def test_everything_that_is_set_is_copied(rich: Pool) -> None:
    copy = duplicate(rich, "web-copy")
    copy.refresh_from_db()
    assert shape(copy) == shape(rich)
    assert copy.routes.count() == 0
    stand_in = copy.backends.get(name="a-spare")
    assert stand_in.backup_of is not None
    assert stand_in.backup_of.pool == copy


def test_it_is_one_revision_by_whom_it_was_made(rich, commit, redis_client, published) -> None:
    with commit():
        duplicate(rich, "web-copy", by="olga")
    (revision,) = Revision.objects.all()
    assert revision.actor == "olga"
    assert revision.summary.startswith("Duplicated pool web")
    assert [pool.name for pool in published().pools] == ["web", "web-copy"]


@pytest.mark.parametrize("name", ["web", "", "two words", "n" * 101])
def test_a_name_that_will_not_do_changes_nothing(rich: Pool, name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        duplicate(rich, name)
    assert set(caught.value.message_dict) == {"name"}
    assert (Pool.objects.count(), Backend.objects.count()) == (1, 2)


def test_a_free_name_is_one_that_a_pool_may_have(db: None) -> None:
    assert free_name("web") == "web-copy"
    Pool.objects.create(name="web-copy")
    assert free_name("web") == "web-copy-2"
    assert free_name("web-copy") == "web-copy-copy"
    longest = "n" * 100
    Pool.objects.create(name=free_name(longest))
    Pool.objects.create(name=free_name(longest))
    assert sorted(name[-8:] for name in Pool.objects.values_list("name", flat=True)) == [
        "n-copy-2",
        "nnn-copy",
        "web-copy",
    ]
