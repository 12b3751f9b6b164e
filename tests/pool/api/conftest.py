"""The cast: a boss who may do everything, a reader, and somebody without rights."""

import pytest
from django.contrib.auth.models import Permission, User
from rest_framework.test import APIClient


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client


@pytest.fixture
def boss(db: None, redis_client: object) -> APIClient:
    return client_of(User.objects.create_superuser("boss"))


@pytest.fixture
def reader(db: None, redis_client: object) -> APIClient:
    user = User.objects.create_user("reader")
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="pool", codename__startswith="view_")
    )
    return client_of(user)


@pytest.fixture
def nobody(db: None, redis_client: object) -> APIClient:
    return client_of(User.objects.create_user("nobody"))


@pytest.fixture
def stranger(redis_client: object) -> APIClient:
    return APIClient()
