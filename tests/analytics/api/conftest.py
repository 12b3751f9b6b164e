"""Who asks for reports over REST."""

import pytest
from django.contrib.auth.models import Permission, User
from rest_framework.test import APIClient


@pytest.fixture
def viewer(db):
    """A client of somebody who may view traffic, and nothing else."""
    user = User.objects.create_user("viewer")
    user.user_permissions.add(Permission.objects.get(codename="view_trafficrollup"))
    client = APIClient()
    client.force_authenticate(user)
    return client
