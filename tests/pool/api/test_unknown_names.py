"""A parameter or a field that nothing reads is refused, whatever is asked."""

import re
from base64 import b64encode
from urllib.parse import urlencode

import pytest
from django.http import QueryDict
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from drf_spectacular.generators import SchemaGenerator

from pool.models import Backend, Pool
from proxy.explain.api import QuestionSerializer

PATHS = {
    path: operations
    for path, operations in SchemaGenerator().get_schema(request=None, public=True)["paths"].items()
    if not path.startswith(("/api/v1/schema", "/api/v1/docs"))
}
OPERATIONS = [
    (re.sub(r"\{[^}]+\}", "1", path.replace("{table}", "hours")), method, operation)
    for path, operations in PATHS.items()
    for method, operation in operations.items()
]


def ask(client, method, path, query):
    return client.generic(method.upper(), f"{path}?{query}", "{}", "application/json")


def complaints(answer):
    return answer.json() if answer.status_code == 400 else {}


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_a_misspelt_parameter_is_refused_everywhere(boss, path, method, operation):
    answer = ask(boss, method, path, "perod=5m&formt=csv")
    assert answer.status_code == 400
    assert set(answer.json()) == {"perod", "formt"}
    assert answer.json()["formt"][0].startswith(
        "There is no such parameter; did you mean format? There are: "
    )


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_what_the_description_has_is_taken(boss, path, method, operation):
    described = [one for one in operation.get("parameters", ()) if one["in"] == "query"]
    for parameter in described:
        problems = complaints(ask(boss, method, path, f"{parameter['name']}=1"))
        assert not any("no such parameter" in str(words) for words in problems.values())


def test_a_misspelt_period_is_told_with_what_there_is(boss):
    answer = boss.get("/api/v1/reports/distribution/?perod=5m")
    (words,) = answer.json()["perod"]
    assert words == (
        "There is no such parameter; did you mean period? There are: backend, format, from, "
        "limit, offset, period, pool, route, table, to, top, tz."
    )


def test_nothing_is_done_of_what_was_asked_with_it(boss):
    pool = Pool.objects.create(name="web")
    Backend.objects.create(pool=pool, name="a", url="http://a")
    assert boss.post("/api/v1/pools/web/backends/a/drain/?dry_run=1").status_code == 400
    assert boss.delete("/api/v1/pools/web/?dry_run=1").status_code == 400
    assert Backend.objects.get().admin_state == "active"


def test_who_may_not_ask_is_not_told_what_there_is(nobody, stranger):
    assert nobody.get("/api/v1/pools/?nmae=web").status_code == 403
    assert stranger.get("/api/v1/pools/?nmae=web").status_code == 401


def test_pages_and_filters_go_together(boss):
    Pool.objects.create(name="web")
    assert boss.get("/api/v1/pools/?name=web&limit=1&offset=0").json()["count"] == 1
    assert boss.get("/api/v1/events/?kind=panic&limit=1&cursor=").status_code == 200


@pytest.mark.parametrize("path", ["pools/", "routes/", "edges/", "events/", "reports/requests/"])
@pytest.mark.parametrize("limit", ["abc", "0", "-1", "1.5", "1001", "9" * 5000, "٣"])
def test_a_limit_that_makes_no_page_is_refused(boss, path, limit):
    answer = boss.get(f"/api/v1/{path}", {"limit": limit})
    assert answer.status_code == 400
    (problem,) = answer.json()["limit"]
    assert problem.endswith("give a whole number, 1 to 1000.")


@pytest.mark.parametrize("offset", ["abc", "-1", "9" * 30])
def test_an_offset_that_makes_no_page_is_refused(boss, offset):
    answer = boss.get("/api/v1/pools/", {"offset": offset})
    assert answer.status_code == 400
    assert list(answer.json()) == ["offset"]


@pytest.mark.parametrize(
    "inside", [b"p=abc", b"p=", b"p=2024-02-30 00:00:00%2B00:00", b"p=0001-01-01 00:00:00%2B02:00"]
)
@pytest.mark.parametrize("path", ["events/", "health/", "reports/requests/"])
def test_a_cursor_that_nobody_gave_out_is_refused(boss, path, inside):
    for cursor in ("zzz", b64encode(inside).decode()):
        answer = boss.get(f"/api/v1/{path}", {"cursor": cursor})
        assert answer.status_code == 400
        assert list(answer.json()) == ["cursor"]


@pytest.mark.parametrize(
    ("path", "name", "known"),
    [
        ("pools/", "algorithm", "first_available, least_connections"),
        ("pools/web/backends/", "admin_state", "active, draining, maintenance"),
        ("events/", "severity", "info, warning, error"),
        ("health/", "result", "pass, slow, fail"),
        ("alerts/", "state", "pending, firing, clearing, counting, closed"),
    ],
)
def test_a_name_that_no_filter_knows_is_refused_with_those_that_it_knows(boss, path, name, known):
    Pool.objects.create(name="web")
    answer = boss.get(f"/api/v1/{path}", {name: "nope"})
    assert answer.status_code == 400
    (problem,) = answer.json()[name]
    assert problem.startswith(f"“nope” is not known here; give one of {known}")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("explain/", "hots"),
        ("pools/web/failover/", "teir"),
        ("pools/web/backends/a/circuit/", "acton"),
    ],
)
def test_an_order_with_a_field_that_is_none_is_refused(boss, path, field):
    pool = Pool.objects.create(name="web")
    Backend.objects.create(pool=pool, name="a", url="http://a")
    whole = {"host": "a.test", "tier": 0, "action": "open"}
    meant = {"hots": "host", "teir": "tier", "acton": "action"}[field]
    answer = boss.post(f"/api/v1/{path}", {meant: whole[meant], field: 1}, format="json")
    assert answer.status_code == 400
    assert answer.json() == {field: [f"There is no such field; did you mean {meant}?"]}


@pytest.mark.parametrize("form", ["application/x-www-form-urlencoded", MULTIPART_CONTENT])
def test_a_form_with_a_field_that_is_none_is_refused(boss, form):
    Pool.objects.create(name="web")
    fields = {"retry_attempts": "2", "algoritm": "random"}
    body = encode_multipart(BOUNDARY, fields) if form == MULTIPART_CONTENT else urlencode(fields)
    answer = boss.patch("/api/v1/pools/web/", body, content_type=form)
    assert answer.status_code == 400
    assert answer.json() == {"algoritm": ["There is no such field; did you mean algorithm?"]}


@pytest.mark.parametrize("body", ['{"weight": 7}', ' {"url": "http://b?a=1&b=2"}', "[7]"])
def test_json_that_is_sent_as_a_form_is_refused_with_the_way_to_send_it(boss, body):
    """As by curl -d without a header."""
    Backend.objects.create(pool=Pool.objects.create(name="web"), name="a", url="http://a")
    page = "/api/v1/pools/web/backends/a/"
    answer = boss.patch(page, body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 400
    words = "This is JSON; send it with the header Content-Type: application/json."
    assert answer.json() == {"non_field_errors": [words]}


def test_what_forms_have_of_their_own_is_taken(boss):
    question = QuestionSerializer(data=QueryDict("host=a.test&headers.Cookie=a%3D1"))
    assert question.is_valid()
    assert question.validated_data["headers"] == {"Cookie": "a=1"}
    rule = {"name": "all", "kinds[0]": "panic", "csrfmiddlewaretoken": "x"}
    answer = boss.post("/api/v1/alert-rules/", rule, format="multipart")
    assert answer.json() == {"channels": ["This list may not be empty."]}
    assert boss.post("/api/v1/pools/", {"name[0]": "b"}, format="multipart").status_code == 400


@pytest.mark.parametrize("path", ["pools/", "pools/web/", "events/", "reports/traffic/", "edges/"])
def test_the_browsable_pages_open(boss, path):
    Pool.objects.create(name="web")
    answer = boss.get(f"/api/v1/{path}?format=api")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/html")
    # What its own links and forms ask for.
    for query in set(re.findall(r'href="[^"#]*\?([^"]+)"', answer.content.decode())):
        assert boss.get(f"/api/v1/{path}?{query}").status_code == 200


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("pools/shop/", "There is no pool shop."),
        ("pools/shop/failback/", "There is no pool shop."),
        ("pools/shop/backends/", "There is no pool shop."),
        ("pools/web/backends/a/", "There is no backend a."),
        ("routes/7/", "There is no route 7."),
        ("routes/x/", "There is no route x."),
        ("events/7/", "There is no event 7."),
        ("revisions/77/", "There is no revision 77."),
        ("alert-rules/down/", "There is no alert rule down."),
        ("alerts/x/", "There is no alert x."),
    ],
)
def test_what_is_not_there_is_named(boss, path, said):
    Pool.objects.create(name="web")
    ask = boss.post if path.endswith("failback/") else boss.get
    answer = ask(f"/api/v1/{path}")
    assert (answer.status_code, answer.json()) == (404, {"detail": said})
