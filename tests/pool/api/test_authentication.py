"""A token is accepted under both of its usual names, wherever one is asked for."""

import pytest
from django.contrib.auth.models import User
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db

PLACES = ["/api/v1/pools/", "/api/v1/reports/traffic/", "/metrics"]


@pytest.fixture
def token():
    return Token.objects.create(user=User.objects.create_superuser("root")).key


def ask(path, authorization):
    return APIClient().get(path, HTTP_AUTHORIZATION=authorization).status_code


@pytest.mark.parametrize("path", PLACES)
def test_a_token_is_good_under_either_name(token, path):
    for keyword in ("Bearer", "bearer", "Token"):
        assert ask(path, f"{keyword} {token}") == 200
        assert ask(path, f"{keyword} wrong") == 401
    assert ask(path, f"Digest {token}") == 401
    assert ask(path, "Bearer") == 401


def test_who_says_nothing_is_asked_for_a_bearer_token():
    answer = APIClient().get("/api/v1/pools/")
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")


def test_the_description_of_the_api_says_so(client):
    schema = client.get("/api/v1/schema/", headers={"accept": "application/json"}).json()
    assert schema["components"]["securitySchemes"]["tokenAuth"] == {
        "type": "http",
        "scheme": "bearer",
    }
