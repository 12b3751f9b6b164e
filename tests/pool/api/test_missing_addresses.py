"""Addresses where there is nothing: JSON as everywhere, and nothing lost without a word."""

from django.test import Client

from pool.models import Pool

ROOT = "/api/v1/"


def test_a_misspelt_address_is_answered_in_json(boss):
    response = boss.get(f"{ROOT}pool/")
    assert response.status_code == 404
    assert response.json() == {"detail": "There is nothing at /api/v1/pool/."}


def test_what_is_posted_without_the_slash_is_told_so_and_changes_nothing(boss):
    response = boss.post(f"{ROOT}pools", {"name": "x"}, format="json")
    assert response.status_code == 404
    assert response.json()["detail"] == "Addresses end with a slash: POST to /api/v1/pools/."
    assert not Pool.objects.exists()


def test_it_is_told_to_clients_without_a_csrf_token_too(db):
    client = Client(enforce_csrf_checks=True)
    assert client.post(f"{ROOT}nothing/").json()["detail"] == (
        "There is nothing at /api/v1/nothing/."
    )


def test_reading_without_the_slash_is_redirected_with_its_query(boss):
    response = boss.get(f"{ROOT}pools?limit=1")
    assert response.status_code == 301
    assert response["Location"] == "/api/v1/pools/?limit=1"
