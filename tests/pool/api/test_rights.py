"""Who may do what."""

import pytest
from django.contrib.auth.models import Permission, User
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

LISTS = ["pools", "pools/web/backends", "routes", "events", "health", "revisions", "edges"]


@pytest.mark.parametrize("name", LISTS)
def test_lists_are_read_with_the_view_permission_only(boss, reader, nobody, stranger, web, name):
    url = f"/api/v1/{name}/"
    statuses = [client.get(url).status_code for client in (boss, reader, nobody, stranger)]
    assert statuses == [200, 200, 403, 401]


def test_what_is_refused_names_the_right_that_is_lacking(reader, nobody, web):
    url = "/api/v1/pools/web/"
    assert nobody.get(url).json() == {"detail": "You lack the right pool.view_pool."}
    assert reader.patch(url).json() == {"detail": "You lack the right pool.change_pool."}


def test_backends_are_not_told_of_with_their_pool_to_who_may_not_view_them(one, redis_client):
    user = User.objects.create_user("half")
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_pool", "change_pool"]))
    client = APIClient()
    client.force_login(user)
    url = "/api/v1/pools/"
    assert client.get(f"{url}web/backends/").status_code == 403
    assert client.get(url).json()["results"][0]["backends"] is None
    changed = client.patch(f"{url}web/", {"algorithm": "random"}, format="json")
    assert (changed.json()["algorithm"], changed.json()["backends"]) == ("random", None)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "pools/"),
        ("patch", "pools/web/"),
        ("delete", "pools/web/"),
        ("post", "pools/web/backends/"),
        ("patch", "pools/web/backends/one/"),
        ("delete", "pools/web/backends/one/"),
        ("post", "pools/web/backends/one/drain/"),
        ("post", "routes/"),
        ("post", "revisions/1/rollback/"),
    ],
)
def test_a_reader_changes_nothing(reader, nobody, stranger, one, method, path):
    url = f"/api/v1/{path}"
    statuses = [getattr(c, method)(url).status_code for c in (reader, nobody, stranger)]
    assert statuses == [403, 403, 401]


def test_who_may_change_backends_may_drain_but_not_add_them(one, redis_client):
    user = User.objects.create_user("operator")
    user.user_permissions.set(
        Permission.objects.filter(codename__in=["change_backend", "view_backend"])
    )
    client = APIClient()
    client.force_login(user)
    url = "/api/v1/pools/web/backends/"
    assert client.post(f"{url}one/drain/").status_code == 200
    assert client.post(url, {"url": "http://b"}).status_code == 403


def test_a_pool_with_backends_is_deleted_by_who_may_delete_both(web, one, redis_client):
    user = User.objects.create_user("operator")
    client = APIClient()
    client.force_login(user)
    user.user_permissions.add(Permission.objects.get(codename="delete_pool"))
    answer = client.delete("/api/v1/pools/web/")
    assert (answer.status_code, web.backends.count()) == (403, 1)
    assert "delete backends" in answer.json()["detail"]
    user.user_permissions.add(Permission.objects.get(codename="delete_backend"))
    client.force_login(User.objects.get(pk=user.pk))  # whose rights are read again
    assert client.delete("/api/v1/pools/web/").status_code == 204


def test_a_token_is_enough(reader, web):
    token = Token.objects.create(user=User.objects.get(username="reader"))
    client = APIClient(HTTP_AUTHORIZATION=f"Token {token.key}")
    assert client.get("/api/v1/pools/").status_code == 200
    wrong = APIClient(HTTP_AUTHORIZATION="Token wrong")
    assert wrong.get("/api/v1/pools/").status_code == 401


def test_a_session_without_a_csrf_token_changes_nothing(boss, web):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(User.objects.get(username="boss"))
    assert client.patch("/api/v1/pools/web/", {"name": "x"}).status_code == 403


def test_what_a_token_changes_is_done_by_its_user(boss, one):
    token = Token.objects.create(user=User.objects.get(username="boss"))
    client = APIClient(HTTP_AUTHORIZATION=f"Token {token.key}")
    client.patch("/api/v1/pools/web/backends/one/", {"admin_state": "draining"}, format="json")
    event = one.events.get()
    assert event.actor == "boss"
