"""A backend is held by its stand-in, which must not keep a rollback from what was."""

import pytest

from pool.models import Backend, Revision
from pool.restore import rehearse_rollback, rollback


def swap_roles(one, spare):
    spare.backup_of = None
    spare.save()
    one.backup_of = spare
    one.save()


def delete_both(one, spare):
    spare.delete()
    one.delete()


def stand_in_for_nobody(one, spare):
    spare.backup_of = None
    spare.save()
    one.delete()


@pytest.mark.parametrize("change", [swap_roles, delete_both, stand_in_for_nobody])
def test_there_and_back(one, commit, published, change):
    with commit():
        spare = Backend.objects.create(
            pool=one.pool, name="spare", url="http://127.0.0.1:9009", backup_of=one
        )
    before = published().content_hash
    with commit():
        change(one, spare)
    after = published().content_hash
    for number, expected in ((1, before), (2, after)):
        revision = Revision.objects.get(number=number)
        rehearse_rollback(revision)
        with commit():
            rollback(revision, by="anna")
        assert published().content_hash == expected
