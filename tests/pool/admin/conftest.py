"""A cast of people at the admin, and forms as a browser would send them."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import redis
from django.contrib.auth.models import Permission, User
from django.test import Client

from pool.bus import HEALTH_KEY, HealthStatus
from pool.choices import HealthState
from pool.models import Backend, Pool

Form = dict[str, Any]


@pytest.fixture
def admin(db: None) -> Client:
    """Olga may do everything."""
    return _logged_in(User.objects.create_superuser("olga"))


@pytest.fixture
def viewer(db: None) -> Client:
    """Vera may look at everything and change nothing."""
    user = User.objects.create_user("vera", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    return _logged_in(user)


@pytest.fixture
def newcomer(db: None) -> Client:
    """Nils may log in, and that is all."""
    return _logged_in(User.objects.create_user("nils", is_staff=True))


def _logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def pool_form() -> Callable[..., Form]:
    """The pool form with these backends; a backend is a dict of the fields that matter."""

    def build(pool: Pool | None, *rows: Form, **fields: Any) -> Form:
        policies = pool or Pool()
        form = {
            field.name: getattr(policies, field.name)
            for field in Pool._meta.fields
            if field.name not in ("id", "created_at", "updated_at")
        }
        form |= {"health_enabled": "on", **fields}
        form["backends-TOTAL_FORMS"] = len(rows)
        form["backends-INITIAL_FORMS"] = sum("id" in row for row in rows)
        blank = {"name": "", "weight": 1, "tier": 0, "max_connections": 0, "admin_state": "active"}
        for index, row in enumerate(rows):
            form |= {f"backends-{index}-{name}": value for name, value in (blank | row).items()}
        return form

    return build


@pytest.fixture
def say_health(redis_client: redis.Redis) -> Callable[..., None]:
    """Puts into Redis what the probes would have found."""

    def say(backend: Backend, state: HealthState, reason: str = "") -> None:
        status = HealthStatus(state=state, since=1_700_000_000, reason=reason)
        redis_client.hset(HEALTH_KEY, str(backend.pk), msgspec.json.encode(status).decode())

    return say
