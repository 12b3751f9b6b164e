"""What changed is told in the words of the forms."""

import pytest

from pool.admin.field_labels import field_label
from pool.diff import Kind, _flatten
from pool.models import Backend, Pool, Route


@pytest.mark.parametrize(
    ("kind", "name", "label"),
    [
        (Kind.POOL, "algorithm", "Algorithm"),
        (Kind.POOL, "retry.attempts", "Retries: Retry attempts"),
        (Kind.POOL, "headers.request_rules", "Headers & TLS: Request headers"),
        (Kind.BACKEND, "max_connections", "Max connections"),
        (Kind.BACKEND, "health.method", "Health checks of its own: Method"),
        (Kind.ROUTE, "rate_limit.burst", "Rate limit: At once"),
        (Kind.ROUTE, "request_rules", "Request headers"),
        (Kind.POOL, "retry.gone", "retry.gone"),
        (Kind.ROUTE, "gone", "gone"),
    ],
)
def test_a_field_is_called_as_in_its_form(kind, name, label):
    assert field_label(kind, name) == label


def test_there_is_a_label_for_each_field_of_the_snapshot():
    specs = {
        Kind.POOL: Pool(name="web").compile(()),
        Kind.BACKEND: Backend(pool=Pool(name="web"), name="a", url="http://a").compile(),
        Kind.ROUTE: Route(pool=Pool(pk=1, name="web")).compile(),
    }
    for kind, spec in specs.items():
        names = [name for name in _flatten(spec) if name != "pool_id"]
        assert len(names) > 5
        assert [name for name in names if field_label(kind, name) in (name, "")] == []
