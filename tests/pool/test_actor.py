"""Who is changing something is known without being passed along."""

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpResponse
from django.test import RequestFactory

from pool.actor import ActorMiddleware, acting_as, current_actor


def test_nobody_is_the_default():
    assert current_actor() == ""


def test_the_actor_is_a_user_or_a_name_and_ends_with_the_block():
    with acting_as(User(username="anna")):
        assert current_actor() == "anna"
        with acting_as("bob"):
            assert current_actor() == "bob"
        with acting_as(None):
            assert current_actor() == "anna"
    assert current_actor() == ""


def test_an_error_ends_the_block_too():
    with pytest.raises(RuntimeError), acting_as("anna"):
        raise RuntimeError
    assert current_actor() == ""


def test_a_user_who_is_found_late_in_a_request_is_the_actor():
    def view(request):
        request.user = User(username="anna")
        return HttpResponse(current_actor())

    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    assert ActorMiddleware(view)(request).content == b"anna"
    assert current_actor() == ""
