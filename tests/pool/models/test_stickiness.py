"""What can carry a client's mark, and what cannot."""

import pytest
from django.core.exceptions import ValidationError

from pool.models import Pool

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"sticky_mode": "magic"}, "sticky_mode", "not a valid choice"),
        ({"sticky_name": "two words"}, "sticky_name", "without spaces"),
        ({"sticky_name": "a;b"}, "sticky_name", "without spaces"),
        ({"sticky_name": ""}, "sticky_name", "without spaces"),
        ({"sticky_name": "bäckend"}, "sticky_name", "letters, digits"),
        ({"sticky_mode": "header", "sticky_name": "Content-Length"}, "sticky_name", "ends"),
        ({"sticky_mode": "header", "sticky_name": "TE"}, "sticky_name", "one connection"),
        ({"sticky_mode": "header", "sticky_name": "Proxy-X"}, "sticky_name", "one connection"),
        ({"sticky_mode": "header", "sticky_name": "Host"}, "sticky_name", "cannot be used"),
        ({"sticky_mode": "header", "sticky_name": "Via"}, "sticky_name", "the edge writes"),
        ({"sticky_mode": "header", "sticky_name": "x-request-id"}, "sticky_name", "the edge"),
        ({"sticky_mode": "header", "sticky_name": "X_Forwarded_For"}, "sticky_name", "the edge"),
        ({"sticky_mode": "header", "sticky_name": "X-LB-Debug"}, "sticky_name", "the edge"),
        ({"sticky_mode": "header", "sticky_name": "Set-Cookie"}, "sticky_name", "App cookie"),
        ({"sticky_lifetime": -1}, "sticky_lifetime", "greater than or equal to 0"),
        ({"sticky_lifetime": 400 * 86400 + 1}, "sticky_lifetime", "less than or equal to"),
        (
            {"sticky_same_site": "None", "sticky_secure": "never"},
            "sticky_secure",
            "choose always",
        ),
        ({"sticky_mode": "cookie", "sticky_name": "__Host-lb"}, "sticky_secure", "choose always"),
    ],
)
def test_what_could_not_work_is_refused(fields, field, message):
    with pytest.raises(ValidationError) as caught:
        Pool.objects.create(name="web", **fields)
    assert list(caught.value.message_dict) == [field]
    assert message in caught.value.message_dict[field][0]
    assert not Pool.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"sticky_mode": "header", "sticky_name": " Mcp-Session-Id "},
        {"sticky_mode": "header", "sticky_name": "Authorization"},
        {"sticky_mode": "app_cookie", "sticky_name": "JSESSIONID"},
        {"sticky_mode": "app_cookie", "sticky_name": "Host"},
        {"sticky_mode": "cookie", "sticky_name": "__Host-lb", "sticky_secure": "always"},
        {"sticky_mode": "cookie", "sticky_lifetime": 400 * 86400},
        {"sticky_mode": "off", "sticky_name": "Host"},
    ],
)
def test_what_works_is_saved(fields):
    pool = Pool.objects.create(name="web", **fields)
    policy = pool.compile().sticky
    assert (policy.mode, policy.name) == (fields["sticky_mode"], pool.sticky_name.strip())
