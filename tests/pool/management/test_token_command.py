"""`manage.py token USER`."""

import io

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.django_db


def token(*arguments: str) -> str:
    out = io.StringIO()
    call_command("token", *arguments, stdout=out)
    return out.getvalue().strip()


def test_a_token_is_made_once_and_printed():
    user = User.objects.create_user("anna")
    assert token("anna") == token("anna") == user.auth_token.key


def test_a_new_token_replaces_the_old_one():
    User.objects.create_user("anna")
    assert token("anna") != token("anna", "--new")


def test_no_such_user_is_said_in_one_line():
    with pytest.raises(CommandError, match=r"\AThere is no user 'bob'\.\Z"):
        token("bob")
