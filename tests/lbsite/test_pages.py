"""What all pages of the site have around them."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from pool.models import Backend, Pool, Route

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client: Client, redis_client: object) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def heading(page: bytes) -> list[str]:
    (found,) = re.findall(r"<h1.*?</h1>", page.decode(), re.DOTALL)
    words = re.sub(r"<[^>]*>", " ", found).split()
    return [word for word in words if word not in ("chevron_right", "arrow_back")]


def test_a_name_is_shown_as_it_was_typed(boss: Client) -> None:
    pool = Pool.objects.create(name="blue")
    backend = Backend.objects.create(pool=pool, name="b", url="http://b")
    route = Route.objects.create(pool=pool, host="shop.test")
    pages = {
        f"pool/pool/{pool.pk}/change/": ["Pools", "blue"],
        f"pool/pool/{pool.pk}/delete/": ["Pools", "blue"],
        f"pool/backend/{backend.pk}/change/": ["Backends", "blue/b"],
        f"pool/route/{route.pk}/change/": ["Routes", "shop.test/"],
        "pool/pool/": ["balancing", "Pools"],
    }
    for path, end in pages.items():
        assert heading(boss.get(f"/admin/{path}").content)[-2:] == end


def test_a_browser_that_looks_for_an_icon_by_itself_finds_it(client: Client) -> None:
    answer = client.get("/favicon.ico", follow=True)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/svg+xml"


def test_a_page_is_called_as_the_menu_calls_it(boss: Client) -> None:
    groups = boss.get("/admin/").context["sidebar_navigation"]
    entries = [entry for group in groups for entry in group["items"]]
    lists = [entry for entry in entries if re.match(r"/admin/(pool|analytics)/", entry["link"])]
    assert len(lists) > 10
    for entry in lists:
        title = entry["title"].split()
        assert heading(boss.get(entry["link"]).content.lower())[-len(title) :] == [
            word.lower() for word in title
        ]


def test_who_may_not_see_a_page_is_told_so_and_led_back(
    client: Client, redis_client: object
) -> None:
    client.force_login(User.objects.create_user("nils", is_staff=True))
    answer = client.get("/admin/pool/pool/")
    assert answer.status_code == 403
    page = answer.content.decode()
    assert "nils lacks a right for it." in page
    assert 'href="/admin/"' in page


def test_where_there_is_nothing_the_way_back_is_shown(boss: Client) -> None:
    answer = boss.get("/admin/pool/nothing/")
    assert answer.status_code == 404
    assert 'href="/admin/"' in answer.content.decode()


def test_an_empty_list_offers_to_add_one(boss: Client) -> None:
    page = boss.get("/admin/pool/pool/").content.decode()
    assert "There are no pools yet." in page
    assert 'href="/admin/pool/pool/add/"' in page


def test_a_search_without_a_match_offers_to_end_it(boss: Client) -> None:
    Pool.objects.create(name="blue")
    page = boss.get("/admin/pool/pool/?q=red").content.decode()
    assert "No pools match." in page
    assert "Reset search and filters" in page
