"""The first administrator is made once."""

import pytest
from django.contrib.auth import authenticate, get_user_model

from lbsite.launch.admin_user import ensure_admin_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LB_ADMIN_USER", raising=False)
    monkeypatch.delenv("LB_ADMIN_PASSWORD", raising=False)


def test_without_variables_a_password_is_made_and_told_once() -> None:
    made = ensure_admin_user()
    assert made.name == "admin"
    assert authenticate(username="admin", password=made.password).is_superuser
    assert ensure_admin_user().password is None


def test_a_given_password_is_used_and_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LB_ADMIN_USER", "root")
    monkeypatch.setenv("LB_ADMIN_PASSWORD", "correct horse")
    made = ensure_admin_user()
    assert (made.name, made.password) == ("root", None)
    assert authenticate(username="root", password="correct horse").is_superuser


def test_a_password_that_was_changed_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    user = get_user_model().objects.create_superuser("admin", password="changed since")
    monkeypatch.setenv("LB_ADMIN_PASSWORD", "of the first start")
    ensure_admin_user()
    user.refresh_from_db()
    assert user.check_password("changed since")


def test_no_second_administrator_is_made_when_the_first_was_renamed() -> None:
    get_user_model().objects.create_superuser("alice", password="x")
    assert ensure_admin_user().name == "alice"
    assert get_user_model().objects.count() == 1


def test_the_password_is_in_no_repr() -> None:
    made = ensure_admin_user()
    assert made.password not in repr(made)
