"""A drop-in: what `requests` takes and gives, with a path in the place of a URL."""

import gc
from collections.abc import Callable
from typing import Any

import pytest
import requests

from proxy.client import AllBackendsUnavailable, LoadBalancer
from tests.integration.edge.harness.backend import Backend, Call

Make = Callable[..., Any]


@pytest.mark.parametrize("name", ["get", "post", "put", "patch", "delete", "options"])
def test_each_verb_sends_its_method(backend: Make, balancer: Make, name: str) -> None:
    answer = getattr(balancer(backend()), name)("/x")
    assert isinstance(answer, requests.Response)
    assert answer.json()["method"] == name.upper()


def test_head_has_no_body_and_follows_no_redirect(backend: Make, balancer: Make) -> None:
    def redirect(call: Call) -> None:
        call.answer(status="302 Found", fields="Location: /elsewhere\r\n")

    assert balancer(backend("a", redirect)).head("/").status_code == 302


def test_everything_a_session_takes_arrives(backend: Make, balancer: Make) -> None:
    answer = (
        balancer(backend())
        .get(
            "/path?a=1",
            params={"b": "2 3"},
            headers={"X-Own": "yes"},
            cookies={"c": "d"},
            auth=("user", "pass"),
        )
        .json()
    )
    assert answer["target"] == "/path?a=1&b=2+3"
    assert answer["headers"]["x-own"] == "yes"
    assert answer["headers"]["cookie"] == "c=d"
    assert answer["headers"]["authorization"].startswith("Basic ")


def test_a_json_body_is_sent_as_requests_does(backend: Make, balancer: Make) -> None:
    answer = balancer(backend()).post("/", json={"a": [1, None]}).json()
    assert answer["headers"]["content-type"] == "application/json"
    assert answer["size"] == len(b'{"a": [1, null]}')


def test_hooks_of_the_caller_are_called(backend: Make, balancer: Make) -> None:
    seen: list[int] = []
    hook = {"response": lambda response, **_: seen.append(response.status_code)}
    balancer(backend()).get("/", hooks=hook)
    assert seen == [200]


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/x", "/x"),
        ("x", "/x"),
        ("", "/"),
        ("?q=1", "/?q=1"),
        ("//x", "//x"),
        ("@evil.test/", "/@evil.test/"),
    ],
)
def test_a_path_never_leads_to_another_host(
    backend: Make, balancer: Make, path: str, target: str
) -> None:
    a: Backend = backend()
    answer = balancer(a).get(path).json()
    assert answer["target"] == target
    assert answer["headers"]["host"] == f"127.0.0.1:{a.port}"


@pytest.mark.parametrize("url", ["http://evil.test/x", "HTTPS://evil.test", "file:///etc/passwd"])
def test_a_url_in_the_place_of_a_path_is_refused(backend: Make, balancer: Make, url: str) -> None:
    with pytest.raises(ValueError, match="Give a path"):
        balancer(backend()).get(url)


def test_a_mistake_of_the_caller_is_not_held_against_the_host(
    backend: Make, balancer: Make
) -> None:
    lb = balancer(backend())
    with pytest.raises(requests.exceptions.InvalidHeader):
        lb.get("/", headers={"X-Bad": "a\r\nb"})
    assert lb.get_unhealthy_hosts() == []
    assert [host["in_flight"] for host in lb.stats().values()] == [0]


# --- streams ---


def test_interim_responses_are_passed_over(backend: Make, balancer: Make) -> None:
    def hint(call: Call) -> None:
        call.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n" * 2)
        call.answer(call.target.encode())

    lb = balancer(backend("a", hint))
    for target in ("/one", "/two"):
        answer = lb.get(target)
        assert (answer.status_code, answer.text) == (200, target)
        assert "Link" not in answer.headers


def test_interim_responses_without_an_end_are_no_answer(backend: Make, balancer: Make) -> None:
    def hint(call: Call) -> None:
        call.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 200)

    with pytest.raises(AllBackendsUnavailable):
        balancer(backend("a", hint)).get("/")


def test_a_stream_is_read_piece_by_piece_and_counts_until_its_end(
    backend: Make, balancer: Make
) -> None:
    a = backend("a", lambda call: call.answer(b"x" * 100_000))
    lb = balancer(a)
    answer = lb.get("/", stream=True)
    assert lb.stats()[a.url]["in_flight"] == 1
    assert sum(len(piece) for piece in answer.iter_content(8192)) == 100_000
    assert lb.stats()[a.url]["in_flight"] == 0


def test_a_stream_that_is_closed_or_dropped_does_not_count_any_more(
    backend: Make, balancer: Make
) -> None:
    a = backend("a", lambda call: call.answer(b"x" * 1_000_000))
    lb = balancer(a)
    lb.get("/", stream=True).close()
    assert lb.stats()[a.url]["in_flight"] == 0
    lb.get("/", stream=True)
    gc.collect()
    lb.get("/")
    assert lb.stats()[a.url]["in_flight"] == 0


def test_a_stream_that_breaks_off_counts_against_the_host(backend: Make, balancer: Make) -> None:
    def break_off(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        call.cut()

    a = backend("a", break_off)
    lb = balancer(a)
    answer = lb.get("/", stream=True)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        answer.content  # noqa: B018
    assert lb.get_unhealthy_hosts() == [a.url]


# --- redirects ---


def redirect_to(location: str, status: str = "302 Found") -> Callable[[Call], None]:
    def redirect(call: Call) -> None:
        for _ in call.body():
            pass
        call.answer(status=status, fields=f"Location: {location}\r\nSet-Cookie: own=1\r\n")

    return redirect


def test_a_redirect_is_followed_on_the_host_that_sent_it(backend: Make, balancer: Make) -> None:
    a, b = backend("a"), backend("b")
    redirect = redirect_to("/there")
    a.script = lambda call: redirect(call) if call.target == "/" else a.echo(call)
    answer = balancer(a, b).post("/", data=b"x")
    assert (answer.json()["backend"], answer.json()["method"]) == ("a", "GET")
    assert [one.status_code for one in answer.history] == [302]
    assert answer.url == f"{a.url}/there"
    assert not b.calls


def test_a_307_repeats_method_and_body(backend: Make, balancer: Make) -> None:
    a = backend("a")
    redirect = redirect_to("/there", "307 Temporary Redirect")
    a.script = lambda call: redirect(call) if call.target == "/" else a.echo(call)
    answer = balancer(a).post("/", data=b"body").json()
    assert (answer["method"], answer["size"]) == ("POST", 4)


def test_another_host_gets_no_credentials(backend: Make, balancer: Make) -> None:
    other = backend("other")
    elsewhere = f"http://localhost:{other.port}/"
    lb = balancer(backend("a", redirect_to(elsewhere)))
    headers = {"Proxy-Authorization": "Basic eA=="}
    answer = lb.get("/", auth=("u", "p"), cookies={"secret": "1"}, headers=headers).json()
    assert answer["backend"] == "other"
    assert not {"authorization", "proxy-authorization", "cookie"} & answer["headers"].keys()


def test_a_circle_of_redirects_ends(backend: Make, balancer: Make) -> None:
    with pytest.raises(requests.TooManyRedirects):
        balancer(backend("a", redirect_to("/"))).get("/")


def test_a_failure_behind_a_redirect_is_not_the_hosts(backend: Make, balancer: Make) -> None:
    dead = backend("dead")
    dead.stop()
    lb = balancer(backend("a", redirect_to(dead.url)))
    with pytest.raises(requests.ConnectionError):
        lb.get("/")
    assert lb.get_unhealthy_hosts() == []


def test_a_redirect_is_returned_to_who_wants_it(backend: Make, balancer: Make) -> None:
    assert balancer(backend("a", redirect_to("/x"))).get("/", allow_redirects=False).is_redirect


# --- hosts ---


def test_a_path_in_a_hosts_url_comes_before_all_paths(backend: Make) -> None:
    with LoadBalancer([f"{backend('a').url}/api/v2/"]) as lb:
        assert lb.get("/users").json()["target"] == "/api/v2/users"
        assert lb.get("users?x=1").json()["target"] == "/api/v2/users?x=1"


def test_a_host_may_be_an_ipv6_address(backend: Make, balancer: Make) -> None:
    assert balancer(backend("six", host="::1")).get("/").json()["backend"] == "six"


@pytest.mark.parametrize(
    "url", ["h1", "ftp://h1", "http://user:secret@h1", "http://h1/a?b=secret", "http://h1:0", ""]
)
def test_a_host_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"^[A-Z].*[.]$") as caught:
        LoadBalancer([url])
    assert "secret" not in str(caught.value)


def test_hosts_come_go_and_change_their_weight(backend: Make, balancer: Make) -> None:
    a, b = backend("a"), backend("b")
    lb = balancer(a)
    lb.add_host(b.url, weight=2)
    assert sorted(lb.get("/").json()["backend"] for _ in range(6)) == ["a", "a", "b", "b", "b", "b"]
    lb.add_host(b.url + "/", weight=1)
    assert sorted(lb.get("/").json()["backend"] for _ in range(4)) == ["a", "a", "b", "b"]
    lb.remove_host(a.url)
    assert {lb.get("/").json()["backend"] for _ in range(4)} == {"b"}
    with pytest.raises(ValueError, match="none of the hosts"):
        lb.remove_host(a.url)


def test_what_is_known_of_a_host_stays_when_others_come(backend: Make, balancer: Make) -> None:
    a, b = backend("a"), backend("b")
    lb = balancer(a, b)
    a.stop()
    lb.get("/")
    lb.add_host(backend("c").url)
    assert lb.get_unhealthy_hosts() == [a.url]


def test_weights_can_be_given_at_the_start(backend: Make) -> None:
    a, b = backend("a"), backend("b")
    with LoadBalancer([a.url, b.url], weights={b.url: 3}) as lb:
        assert [lb.stats()[one.url]["weight"] for one in (a, b)] == [1, 3]
    with pytest.raises(ValueError, match="none of the hosts"):
        LoadBalancer([a.url], weights={b.url: 3})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("recovery_timeout", 0),
        ("recovery_timeout", -1),
        ("error_codes", [99]),
        ("error_codes", [600]),
    ],
)
def test_an_option_out_of_range_is_refused(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=option):
        LoadBalancer(["http://h1"], **{option: value})


def test_without_error_codes_any_answer_is_one(
    backend: Make, balancer: Make, answering: Make
) -> None:
    lb = balancer(backend("a", answering(500)), error_codes=())
    assert [lb.get("/").status_code for _ in range(2)] == [500, 500]
