"""The list of requests in the admin, and the page of one."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from analytics.requests.anatomy import parts_of
from analytics.requests.models import RequestRecord
from pool.models import Backend, Pool

pytestmark = pytest.mark.django_db

LIST = reverse("admin:analytics_requestrecord_changelist")


@pytest.fixture
def viewer():
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_requestrecord"))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def several(keep, note, failure):
    keep(
        note(request_id="plain", path="/plain"),
        note(request_id="slow", path="/slow", total=2_000_000, backend="b", client="192.0.2.9"),
        failure(request_id="failed", path="/failed"),
        failure(request_id="lost", path="/lost", status=404, cause="no_route", pool="", backend=""),
    )


def found(viewer, **asked):
    page = viewer.get(LIST, asked)
    assert page.status_code == 200
    return {record.request_id for record in page.context["cl"].result_list}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, {"plain", "slow", "failed", "lost"}),
        ({"q": "slow"}, {"slow"}),
        ({"q": "slo"}, set()),
        ({"wrong": "yes"}, {"failed", "lost"}),
        ({"wrong": "no"}, {"plain", "slow"}),
        ({"class": "4"}, {"lost"}),
        ({"cause": "connect_failed"}, {"failed"}),
        ({"min_ms": "1000"}, {"slow"}),
        ({"backend__icontains": "b"}, {"slow"}),
        ({"path__icontains": "ai"}, {"plain", "failed"}),
        ({"client__icontains": ".9"}, {"slow"}),
        ({"last": "5m"}, {"plain", "slow", "failed", "lost"}),
    ],
)
def test_filters_and_search(viewer, several, asked, expected):
    assert found(viewer, **asked) == expected


def test_the_pool_filter_offers_those_that_are_configured(viewer, several):
    Pool.objects.create(name="shop")
    assert found(viewer, pool="shop") == {"plain", "slow", "failed"}


@pytest.mark.parametrize("asked", [{"min_ms": "many"}, {"class": "x"}, {"wrong": "perhaps"}])
def test_a_filter_that_makes_no_sense_is_none(viewer, several, asked):
    assert len(found(viewer, **asked)) == 4


def test_a_page_links_to_what_is_still_there_and_names_what_is_gone(viewer, keep, note):
    pool = Pool.objects.create(name="shop")
    backend = Backend.objects.create(pool=pool, name="a", url="http://10.0.0.1")
    keep(note(key=5, pool_id=pool.pk, backend_id=backend.pk, route_id=99, snapshot=1234))
    html = viewer.get(reverse("admin:analytics_requestrecord_change", args=[5])).text
    assert f'href="{reverse("admin:pool_pool_change", args=[pool.pk])}"' in html
    assert f'href="{reverse("admin:pool_backend_change", args=[backend.pk])}"' in html
    assert "route 99, which is gone" in html
    assert "Revision 1234" in html


def test_a_path_is_shown_as_text(viewer, keep, note):
    keep(note(key=5, path="/<script>alert(1)</script>"))
    for url in (LIST, reverse("admin:analytics_requestrecord_change", args=[5])):
        assert "<script>alert(1)" not in viewer.get(url).text


def test_the_parts_of_a_request_add_up_to_the_whole(keep, note):
    keep(note(queue=1000, retries=500, connect=2000, first_byte=4000, total=10_000))
    parts = parts_of(RequestRecord.objects.get())
    assert [(part.key, part.microseconds) for part in parts] == [
        ("queue", 1000),
        ("retries", 500),
        ("connect", 2000),
        ("first_byte", 4000),
        ("rest", 2500),
    ]
    assert parts[-1].name == "Body"
    assert sum(part.share for part in parts) == pytest.approx(100)


def test_what_was_waited_for_in_vain_is_no_body(keep, failure):
    keep(failure(queue=0, connect=2000, first_byte=None, total=10_000))
    parts = parts_of(RequestRecord.objects.get())
    assert [(part.name, part.microseconds) for part in parts] == [
        ("Connect", 2000),
        ("Until it ended", 8000),
    ]


def test_a_refusal_took_no_time(viewer, keep, failure):
    never = dict.fromkeys(("queue", "retries", "connect", "first_byte"))
    keep(failure(key=5, **never, total=0))
    assert parts_of(RequestRecord.objects.get()) == []
    page = viewer.get(reverse("admin:analytics_requestrecord_change", args=[5]))
    assert "the edge has answered at once" in page.text


def test_nobody_changes_what_has_happened(viewer, keep, note):
    keep(note(key=5))
    page = reverse("admin:analytics_requestrecord_change", args=[5])
    assert viewer.post(page, {"path": "/other"}).status_code == 403
    assert viewer.post(reverse("admin:analytics_requestrecord_delete", args=[5])).status_code == 403
    assert RequestRecord.objects.get().path == "/cart"


def test_it_is_in_the_sidebar_of_those_who_may_see_it(viewer, several):
    assert f'href="{LIST}"' in viewer.get(reverse("admin:index")).text
    nobody = Client()
    nobody.force_login(User.objects.create_user("nobody", is_staff=True))
    assert f'href="{LIST}"' not in nobody.get(reverse("admin:index")).text
    assert nobody.get(LIST).status_code == 403


def test_a_large_table_is_not_counted(viewer, several, django_assert_max_num_queries):
    with django_assert_max_num_queries(12) as queries:
        viewer.get(LIST)
    assert not [query for query in queries if 'COUNT(*) AS "__count"' in query["sql"]]
