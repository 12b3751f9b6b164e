"""What cannot be right cannot be saved, and the message names the field and the fix."""

import pytest
from django.core.exceptions import ValidationError

from pool.fields import MAX_JSON_BYTES
from pool.models import Backend, Pool, Route

pytestmark = pytest.mark.django_db


def refusal(row):
    with pytest.raises(ValidationError) as caught:
        row.save()
    return caught.value.message_dict


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "", "cannot be blank"),
        ("name", "two words", "valid “slug”"),
        ("algorithm", "magic", "'magic' is not an installed algorithm"),
        ("health_path", "healthz", 'Start the path with "/"'),
        ("health_expected_status", "ok", "as in"),
        ("health_interval", 3601, "from 0.1 to 3600"),
        ("health_interval", float("nan"), "from 0.1 to 3600"),
        ("health_interval", "soon", "must be a float"),
        ("health_timeout", 2.5, "Must not be longer than the interval (2 s)"),
        ("health_rise", 0, "greater than or equal to 1"),
        ("health_fall", 101, "less than or equal to 100"),
        ("connect_timeout", 0, "from 0.05 to 300"),
        ("response_timeout", float("inf"), "from 0.05 to 86400"),
        ("idle_timeout", None, "cannot be null"),
        ("retry_attempts", 0, "greater than or equal to 1"),
        ("request_timeout", -1, "from 0 to 86400"),
        ("request_timeout", float("nan"), "from 0 to 86400"),
        ("max_body", -1, "greater than or equal to 0"),
        ("max_body", 2**40 + 1, "less than or equal to 1099511627776"),
        ("host_header", "http://a", "without scheme or path"),
        ("request_headers", {}, "Give a list of rules"),
        ("request_headers", "", "Give a list of rules"),
        ("request_headers", [{"action": "remove", "name": "Via"}], "Rule 1: Via cannot"),
        ("response_headers", [{"action": "set", "name": "X-A", "value": "ä"}], "Rule 1: write"),
        ("response_headers", [{"action": "remove", "name": "Te"}], "Rule 1: Te cannot"),
        ("tls_verify", None, "True or False"),
        ("tls_ca", "nonsense", "Give certificates in PEM"),
        ("tls_ca", "-----BEGIN PRIVATE KEY-----", "Remove the private key"),
        ("tls_server_name", "a:443", "name alone"),
    ],
)
def test_a_pool_is_refused(field, value, message):
    refused = refusal(Pool(**{"name": "web", field: value}))
    assert list(refused) == [field]
    assert message in refused[field][0]
    assert not Pool.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("url", "http://a/path", "Remove the path"),
        ("url", "", "ASCII"),
        ("url", "unix:app.sock", "whole path"),
        ("name", "a/b", "Use letters"),
        ("name", "a\n", "Use letters"),
        ("weight", -1, "greater than or equal to 0"),
        ("weight", 1001, "less than or equal to 1000"),
        ("tier", 10, "less than or equal to 9"),
        ("max_connections", -1, "greater than or equal to 0"),
        ("admin_state", "asleep", "not a valid choice"),
        ("metadata", [], "JSON object"),
        ("metadata", "text", "JSON object"),
        ("metadata", {"a": "\x00"}, "U+0000"),
        ("metadata", {"a": 10**5000}, "finite numbers"),
        ("metadata", {"a": "\ud800"}, "strings"),
        ("metadata", {"a": "x" * MAX_JSON_BYTES}, "Shorten"),
        ("metadata", {"a": float("nan")}, "finite numbers"),
    ],
)
def test_a_backend_is_refused(web, field, value, message):
    refused = refusal(Backend(**{"pool": web, "name": "b", "url": "http://b", field: value}))
    assert list(refused) == [field]
    assert message in refused[field][0]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("host", "*.a.*", "Give a host name"),
        ("path_prefix", "/a/../b", "Remove the segments"),
        ("priority", 1001, "less than or equal to 1000"),
        ("request_headers", [{"action": "set", "name": "Host", "value": "a"}], "host_header"),
        ("pool", None, "cannot be null"),
    ],
)
def test_a_route_is_refused(web, field, value, message):
    refused = refusal(Route(**{"pool": web, field: value}))
    assert list(refused) == [field]
    assert message in refused[field][0]


def test_two_pools_of_one_name_are_refused(web):
    assert refusal(Pool(name="web")) == {
        "name": ["Another pool has this name; choose another one."]
    }


def test_two_backends_of_one_name_are_refused_within_a_pool_only(web, one):
    refused = refusal(Backend(pool=web, name="one", url="http://b"))
    assert refused == {"name": ["Another backend of this pool has this name; choose another one."]}
    Backend.objects.create(pool=Pool.objects.create(name="other"), name="one", url="http://b")


def test_two_routes_for_the_same_requests_are_refused(web, route):
    (message,) = refusal(Route(pool=web, path_prefix="/", priority=5))["path_prefix"]
    assert message.startswith("Another route has this host and path prefix")


def test_values_are_normalised_when_saved(web):
    backend = Backend.objects.create(pool=web, url="HTTP://LocalHost:9001/")
    assert backend.url == "http://localhost:9001"
    route = Route.objects.create(pool=web, host="*.Example.com.", path_prefix="/api/")
    assert (route.host, route.path_prefix) == ("*.example.com", "/api")
    rules = [{"action": "set", "name": " X-A", "value": "b "}]
    pool = Pool.objects.create(name="p", host_header="App:080", response_headers=rules)
    assert pool.host_header == "app:80"
    assert pool.response_headers == [{"action": "set", "name": "X-A", "value": "b"}]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://10.0.0.5:8080", "10.0.0.5-8080"),
        ("https://shop.example.com", "shop.example.com-443"),
        ("http://[::1]:8080", "1-8080"),
        ("unix:/run/app.sock", "run-app.sock"),
    ],
)
def test_a_backend_without_a_name_is_named_after_its_url(web, url, name):
    assert Backend.objects.create(pool=web, url=url).name == name


def test_metadata_may_hold_backslash_u0000_as_text(web):
    backend = Backend.objects.create(pool=web, url="http://b", metadata={"regex": r"\u0000"})
    backend.refresh_from_db()
    assert backend.metadata == {"regex": r"\u0000"}


def test_an_emptied_metadata_is_an_empty_object(one):
    one.metadata = None
    one.save()
    assert one.metadata == {}


def test_the_rules_hold_for_changes_too(one):
    one.weight = 2000
    assert "weight" in refusal(one)
    one.refresh_from_db()
    assert one.weight == 1
