"""What `lb up` puts into the configuration, and what of the operator's it keeps."""

import pytest

from lbsite.launch import provisioning
from lbsite.launch.programs import Listen
from lbsite.servers_file import ServerEntry
from pool.actor import current_actor
from pool.models import Backend, Pool, Route

pytestmark = pytest.mark.django_db

DEMO = {"demo-a": Listen(host="127.0.0.1", port=9001), "demo-b": Listen(host="::1", port=9002)}


def entry(name: str, port: int = 9001, **options: int) -> ServerEntry:
    url = f"http://10.0.0.1:{port}"
    return ServerEntry(label=f"entry ({name})", id=None, name=name, url=url, options=options)


def backends(pool: str) -> dict[str, tuple[str, int]]:
    rows = Backend.objects.filter(pool__name=pool)
    return {row.name: (row.url, row.weight) for row in rows}


def test_the_demo_pool_has_its_backends_and_a_route_for_everything() -> None:
    lines = provisioning.ensure_demo_pool(DEMO, interval=None)
    assert lines == ["added pool demo", "added route / to pool demo"]
    assert backends("demo") == {
        "demo-a": ("http://127.0.0.1:9001", 1),
        "demo-b": ("http://[::1]:9002", 1),
    }
    assert Route.objects.get().pool.name == "demo"


def test_the_demo_keeps_what_the_operator_changed() -> None:
    provisioning.ensure_demo_pool(DEMO, interval=None)
    backend = Backend.objects.get(name="demo-a")
    backend.weight = 5
    backend.save()
    Backend.objects.get(name="demo-b").delete()
    Route.objects.all().delete()
    assert provisioning.ensure_demo_pool(DEMO, interval=None) == []
    assert backends("demo") == {"demo-a": ("http://127.0.0.1:9001", 5)}
    assert not Route.objects.exists()


def test_a_demo_backend_starts_where_the_pool_expects_it() -> None:
    provisioning.ensure_demo_pool(DEMO, interval=None)
    assert provisioning.demo_backends() == DEMO


def test_a_demo_backend_that_was_moved_or_deleted_is_not_started() -> None:
    provisioning.ensure_demo_pool(DEMO, interval=None)
    Backend.objects.filter(name="demo-a").update(url="http://10.0.0.5:80")
    Backend.objects.get(name="demo-b").delete()
    assert provisioning.demo_backends() == {}


def test_before_there_is_a_demo_pool_each_backend_gets_a_port_of_its_own() -> None:
    found = provisioning.demo_backends()
    assert list(found) == ["demo-a", "demo-b", "demo-c"]
    assert len({listen.port for listen in found.values()}) == 3


def test_a_route_for_everything_is_never_taken_over() -> None:
    own = Pool.objects.create(name="own")
    Route.objects.create(pool=own)
    lines = provisioning.apply_servers([entry("a")], interval=None)
    assert lines[-1] == "kept route / to pool own; pool default needs a route of its own"
    assert Route.objects.get().pool == own


def test_the_pool_has_exactly_the_backends_of_the_file() -> None:
    provisioning.apply_servers([entry("a", 1), entry("b", 2)], interval=None)
    lines = provisioning.apply_servers([entry("b", 3), entry("c", 4, weight=7)], interval=None)
    assert lines == [
        "removed backend default/a",
        "changed backend default/b (url http://10.0.0.1:2 → http://10.0.0.1:3)",
        "added backend default/c (http://10.0.0.1:4)",
    ]
    assert backends("default") == {"b": ("http://10.0.0.1:3", 1), "c": ("http://10.0.0.1:4", 7)}


def test_what_an_entry_leaves_out_stays_as_the_operator_set_it() -> None:
    provisioning.apply_servers([entry("a")], interval=None)
    backend = Backend.objects.get(name="a")
    backend.weight = 9
    backend.drain()
    backend.save()
    assert provisioning.apply_servers([entry("a")], interval=None) == [
        "pool default is as the file says"
    ]
    backend.refresh_from_db()
    assert (backend.weight, backend.admin_state) == (9, "draining")


@pytest.mark.parametrize(
    ("bad", "interval", "message"),
    [
        (entry("bad name"), None, "entry (bad name): name: "),
        (entry("b"), 0.0, "--interval: health_interval: "),
        (entry("b"), float("nan"), "--interval: health_interval: "),
    ],
)
def test_a_refused_change_changes_nothing(
    bad: ServerEntry, interval: float | None, message: str
) -> None:
    provisioning.apply_servers([entry("a")], interval=None)
    before = backends("default")
    with pytest.raises(provisioning.ProvisioningError) as caught:
        provisioning.apply_servers([bad], interval)
    assert str(caught.value).startswith(message)
    assert backends("default") == before


@pytest.mark.parametrize(("interval", "timeout"), [(0.5, 0.5), (30.0, 2.0)])
def test_a_probe_never_outlasts_the_interval(interval: float, timeout: float) -> None:
    provisioning.apply_servers([entry("a")], interval)
    pool = Pool.objects.get()
    assert (pool.health_interval, pool.health_timeout) == (interval, timeout)


def test_an_interval_needs_a_pool() -> None:
    with pytest.raises(provisioning.ProvisioningError, match="give --config or --demo"):
        provisioning.set_interval("default", 5)


def test_what_up_changes_is_written_down_under_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    actors = []
    monkeypatch.setattr(Backend, "save", lambda _: actors.append(current_actor()))
    provisioning.apply_servers([entry("a")], interval=None)
    assert actors == ["lb up"]
