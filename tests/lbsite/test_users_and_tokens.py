"""Users in the admin: their API tokens are shown once, and nowhere else."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from rest_framework.authtoken.models import Token

LIST = reverse("admin:auth_user_changelist")


@pytest.fixture
def ada(db):
    return User.objects.create_user("ada", password="a long one that nobody guesses")


@pytest.fixture
def manager(client, db):
    """Mona manages users and may issue tokens, but is no superuser."""
    mona = User.objects.create_user("mona", is_staff=True)
    rights = ("view_user", "change_user", "add_token")
    mona.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client.force_login(mona)
    return client


def url(page, user):
    return reverse(f"admin:auth_user_{page}", args=[user.pk])


def test_a_token_is_issued_and_shown(admin_client, client, ada):
    page = admin_client.post(url("issue_token", ada)).content.decode()
    key = Token.objects.get(user=ada).key
    assert key in page
    answer = client.get("/api/v1/pools/", headers={"authorization": f"Token {key}"})
    assert answer.status_code != 401


def test_asking_for_a_token_issues_none(admin_client, ada):
    admin_client.get(url("issue_token", ada))
    assert not Token.objects.exists()


def test_a_new_token_replaces_the_old_one(admin_client, ada):
    old = Token.objects.create(user=ada).key
    admin_client.post(url("issue_token", ada))
    assert Token.objects.get(user=ada).key != old


def test_a_token_is_revoked(admin_client, ada):
    Token.objects.create(user=ada)
    page = admin_client.post(url("revoke_token", ada), follow=True)
    assert not Token.objects.exists()
    assert "no longer works" in page.content.decode()


def test_a_key_is_on_no_other_page(admin_client, ada):
    key = Token.objects.create(user=ada).key
    pages = [LIST, *(url(page, ada) for page in ("change", "history", "issue_token", "delete"))]
    assert [page for page in pages if key in admin_client.get(page).content.decode()] == []


def test_a_key_is_not_in_the_admins_log(admin_client, ada):
    admin_client.post(url("issue_token", ada))
    key = Token.objects.get(user=ada).key
    entry = LogEntry.objects.get()
    assert key not in entry.change_message + entry.object_repr
    assert entry.get_change_message() == "Issued a new API token."


def test_a_manager_issues_tokens_of_users_but_not_of_superusers(manager, ada, admin_user):
    assert manager.post(url("issue_token", ada)).status_code == 200
    assert manager.post(url("issue_token", admin_user)).status_code == 403
    assert manager.post(url("revoke_token", admin_user)).status_code == 403


def test_a_token_needs_the_right_to_issue_one(manager, ada):
    User.objects.get(username="mona").user_permissions.remove(
        Permission.objects.get(codename="add_token")
    )
    assert manager.post(url("issue_token", ada)).status_code == 403


@pytest.mark.parametrize("page", ["auth_user_add", "auth_group_changelist", "auth_group_add"])
def test_pages_of_users_and_groups_load(admin_client, page):
    assert admin_client.get(reverse(f"admin:{page}")).status_code == 200


def test_a_user_is_made(admin_client):
    form = {
        "username": "bob",
        "usable_password": "true",
        "password1": "a long one that nobody guesses",
        "password2": "a long one that nobody guesses",
    }
    admin_client.post(reverse("admin:auth_user_add"), form)
    assert User.objects.get(username="bob").check_password("a long one that nobody guesses")
