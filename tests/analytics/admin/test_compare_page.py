"""Two times side by side in the admin."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from analytics import store
from pool.models import Revision

URL = reverse("admin:analytics_compare")
TRAFFIC = reverse("admin:analytics_trafficrollup_changelist")


@pytest.fixture
def revision(db):
    """Ten minutes old."""
    at = timezone.now() - timedelta(minutes=10)
    return Revision.objects.create(
        number=3,
        content_hash="3",
        summary="b is new",
        snapshot="{}",
        created_at=at,
        published_at=at,
    )


@pytest.fixture
def slower_since(revision, batch, row):
    """A thousand requests to shop/a before; after, as many and much slower to shop/b."""
    now = timezone.now()
    before, after = (int((now - timedelta(minutes=ago)).timestamp()) for ago in (13, 5))
    store.add(
        [
            batch(row([1000] * 1000, backend="a", backend_id=1), at=before),
            batch(row([90_000] * 1000, backend="b", backend_id=2), at=after),
        ],
        now,
    )


def test_before_and_after_a_revision_are_judged(admin_client, revision, slower_since):
    page = admin_client.get(URL, {"revision": 3})
    rows = {row[0]: row[1:] for row in page.context["changes"]["rows"]}
    before, after, change, judgment = rows["Median latency"]
    assert (before, after) == ("1.0 ms", "90.0 ms")
    assert change.startswith("+8")
    assert "worse" in judgment
    shares = {row[0]: row[1:4] for row in page.context["shares"]["rows"]}
    assert shares == {
        "shop/a": ["100.00%", "0.00%", "-100.0%"],
        "shop/b": ["0.00%", "100.00%", "-"],
    }


def test_a_pool_narrows_it_down_and_stays_chosen(admin_client, revision, slower_since):
    page = admin_client.get(URL, {"revision": 3, "pool": "shop", "window": "15m"})
    content = page.content.decode()
    assert '<option value="shop" selected>' in content
    assert "<option selected>15m</option>" in content
    assert page.context["charts"].startswith(f"{TRAFFIC}?pool=shop&from=")


def test_a_period_is_compared_with_the_time_before_it(admin_client, slower_since):
    page = admin_client.get(URL, {"period": "5m"})
    assert page.context["report"].after.period == "5m"
    assert page.context["title"] == "Compare two times"


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"revision": "99"}, "revision: There is no revision"),
        ({"revision": "x<b>"}, "revision: There is no revision"),
        ({"period": "all"}, "period: There is nothing before everything"),
        ({"a": "1h"}, "b: Give both"),
        ({"pool": "nowhere"}, "pool: There is no pool"),
    ],
)
def test_what_cannot_be_compared_is_told_in_words(admin_client, revision, query, problem):
    page = admin_client.get(URL, query)
    assert page.context["problem"].startswith(problem)
    assert "x<b>" not in page.content.decode()


def test_a_revision_leads_here(admin_client, revision):
    link = reverse("admin:pool_revision_compare", args=[revision.pk])
    page = admin_client.get(reverse("admin:pool_revision_change", args=[revision.pk]))
    assert link in page.content.decode()
    assert admin_client.get(link).url == f"{URL}?revision=3"


def test_it_needs_the_right_to_see_traffic(client, revision):
    client.force_login(User.objects.create_user("nils", is_staff=True))
    assert client.get(URL).status_code == 403
    assert client.get(reverse("admin:pool_revision_compare", args=[revision.pk])).status_code == 403
