"""Snapshots that were stored stay what they are while the format grows."""

import pytest

from pool.compilation import compile_configuration
from pool.models import Backend, Pool, Route
from pool.snapshot import HealthPolicy, PoolSpec, TimeoutPolicy, TlsPolicy, build, decode, encode

# As the first version stored it, before pools had header rules, limits and TLS.
STORED = (
    b'{"number":1,"pools":[{"id":1,"name":"web","backends":[{"id":1,"name":"one",'
    b'"url":"http://127.0.0.1:9001"}]}],"routes":[{"id":1,"pool_id":1}],'
    b'"content_hash":"97192bb72bb2ba5a1c0291b7168c62285ef292b8464741733edfd3a230e22503"}'
)


def test_a_stored_snapshot_is_read_and_written_the_same():
    assert encode(decode(STORED)) == STORED


def test_equal_contents_have_one_encoding():
    """Equal is not identical: msgspec leaves out a default that is the same object only."""
    number = float("2.0")
    explicit = PoolSpec(id=1, name="web", health=HealthPolicy(interval=number), tls=TlsPolicy())
    implicit = PoolSpec(id=1, name="web")
    assert encode(build(1, (explicit,), ())) == encode(build(1, (implicit,), ()))


@pytest.mark.django_db
def test_defaults_compile_to_the_same_bytes():
    web = Pool(pk=1, name="web")
    web.save()
    Backend(pk=1, pool=web, name="one", url="http://127.0.0.1:9001").save()
    Route(pk=1, pool=web).save()
    assert encode(build(1, *compile_configuration())) == STORED


def test_whole_seconds_given_as_integers_survive_the_way_to_an_edge():
    pool = PoolSpec(id=1, name="web", timeouts=TimeoutPolicy(connect=3))
    snapshot = build(1, (pool,), ())
    assert decode(encode(snapshot)) == snapshot
