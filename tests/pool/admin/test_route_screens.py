"""Routes in the admin: the list is read as the edge reads it."""

from django.urls import reverse

from pool.choices import RateScope
from pool.models import Pool, Route
from pool.snapshot import RateLimitPolicy

LIST = reverse("admin:pool_route_changelist")
NO_LIMIT = {"rate_requests": 0, "rate_period": 1, "rate_burst": 0, "rate_scope": "local"}


def test_the_list_is_in_the_order_in_which_the_edge_matches(admin, web):
    in_order = [
        Route(host="", path_prefix="/first", priority=5),
        Route(host="www.example.com", path_prefix="/api/v2"),
        Route(host="www.example.com", path_prefix="/api"),
        Route(host="www.example.com", path_prefix="/"),
        Route(host="*.eu.example.com", path_prefix="/"),
        Route(host="*.example.com", path_prefix="/long/prefix"),
        Route(host="*.example.com", path_prefix="/"),
        Route(host="", path_prefix="/api"),
        Route(host="", path_prefix="/"),
        Route(host="last.example.com", path_prefix="/", priority=-1),
    ]
    for route in reversed(in_order):
        route.pool = web
        route.save()
    listed = list(admin.get(LIST).context["cl"].result_list)
    assert list(map(str, listed)) == list(map(str, in_order))


def test_the_list_explains_matching(admin, route):
    assert "matches whole segments" in admin.get(LIST).content.decode()


def test_a_route_is_made(admin, web, redis_client, commit, published):
    form = {
        "host": "WWW.Example.com",
        "path_prefix": "/api/",
        "priority": 0,
        "pool": web.pk,
        **NO_LIMIT,
    }
    with commit():
        admin.post(reverse("admin:pool_route_add"), form)
    (route,) = published().routes
    assert (route.host, route.path_prefix) == ("www.example.com", "/api")


def test_header_rules_are_lines(admin, route, redis_client):
    url = reverse("admin:pool_route_change", args=[route.pk])
    form = {"path_prefix": "/", "priority": 0, "pool": route.pool_id, **NO_LIMIT}
    rules = "set X-Tenant: a\r\nremove Cookie"
    assert admin.post(url, {**form, "request_headers": rules}).status_code == 302
    route.refresh_from_db()
    assert route.request_headers == [
        {"action": "set", "name": "X-Tenant", "value": "a"},
        {"action": "remove", "name": "Cookie"},
    ]
    shown = admin.get(url).context["adminform"].form["request_headers"].value()
    assert shown == "set X-Tenant: a\nremove Cookie"


def test_a_bad_host_is_an_error_at_the_host(admin, web):
    form = {"host": "http://x/", "path_prefix": "/", "priority": 0, "pool": web.pk, **NO_LIMIT}
    response = admin.post(reverse("admin:pool_route_add"), form)
    assert "without scheme" in response.context["adminform"].form.errors["host"][0]


def test_a_rate_limit_is_set(admin, route, redis_client, commit, published):
    url = reverse("admin:pool_route_change", args=[route.pk])
    limit = {"rate_requests": 10, "rate_period": 60, "rate_key": "header:X-User"}
    form = {"path_prefix": "/", "priority": 0, "pool": route.pool_id, **NO_LIMIT, **limit}
    with commit():
        assert admin.post(url, form | {"rate_scope": "shared"}).status_code == 302
    assert published().routes[0].rate_limit == RateLimitPolicy(
        requests=10, period=60, key="header:x-user", scope=RateScope.SHARED
    )


def test_a_bad_rate_key_is_an_error_at_the_key(admin, route):
    url = reverse("admin:pool_route_change", args=[route.pk])
    form = {"path_prefix": "/", "priority": 0, "pool": route.pool_id, **NO_LIMIT}
    response = admin.post(url, form | {"rate_key": "ip"})
    assert "client_ip" in response.context["adminform"].form.errors["rate_key"][0]


def test_a_route_that_lets_two_sticky_pools_meet_is_taken_with_a_warning(
    admin, route, redis_client
):
    sticky = {"sticky_mode": "cookie"}
    Pool.objects.filter(pk=route.pool_id).update(**sticky)
    other = Pool.objects.create(name="api", **sticky)
    form = {"path_prefix": "/api", "priority": 0, "pool": other.pk, **NO_LIMIT}
    warned = f"The pools api and {route.pool} set the same cookie"
    page = admin.post(reverse("admin:pool_route_add"), form, follow=True)
    assert warned in page.content.decode()
    page = admin.get(reverse("admin:pool_pool_change", args=[other.pk]))
    assert warned in page.content.decode()
