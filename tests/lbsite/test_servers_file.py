"""`lb up --config`: what the file may say, and how a mistake in it is named."""

import json
from typing import Any

import pytest

from lbsite.servers_file import ServersFileError, parse


def entries(*items: Any) -> list[Any]:
    return parse(json.dumps(items), name_from_url=lambda url: url.partition("://")[2])


def error_of(text: str) -> str:
    with pytest.raises(ServersFileError) as caught:
        parse(text, name_from_url=str)
    return str(caught.value)


GOOD = {"id": 1, "host": "127.0.0.1", "port": 8001}


def test_host_and_port_become_a_url_and_the_id_a_name() -> None:
    (entry,) = entries({**GOOD, "weight": 5})
    assert (entry.name, entry.url) == ("backend-1", "http://127.0.0.1:8001")
    assert entry.options == {"weight": 5}


def test_a_url_entry_without_id_is_named_after_its_url() -> None:
    (entry,) = entries({"url": "HTTPS://Origin.Example.com"})
    assert (entry.name, entry.url) == ("origin.example.com", "https://origin.example.com")


def test_a_given_name_wins_over_the_id() -> None:
    (entry,) = entries({**GOOD, "name": "blue"})
    assert entry.name == "blue"


def test_what_an_entry_leaves_out_is_not_in_its_options() -> None:
    (entry,) = entries({**GOOD, "tier": 0})
    assert entry.options == {"tier": 0}


def test_an_ipv6_host_is_put_in_brackets() -> None:
    (entry,) = entries({"host": "::1", "port": 9000})
    assert entry.url == "http://[::1]:9000"


@pytest.mark.parametrize(
    ("change", "field", "part"),
    [
        ({"port": "8001"}, "port", 'whole number from 1 to 65535, not "8001"'),
        ({"port": 0}, "port", "from 1 to 65535, not 0"),
        ({"port": 65536}, "port", "from 1 to 65535"),
        ({"port": True}, "port", "not true"),
        ({"port": 80.0}, "port", "not 80.0"),
        ({"port": None}, "port", "not null"),
        ({"host": 7}, "host", "as text, not 7"),
        ({"host": ""}, "host", "host name"),
        ({"host": "a b"}, "host", "spaces"),
        ({"host": "a/b"}, "host", "path"),
        ({"host": "127.1"}, "host", "four decimal numbers"),
        ({"weight": -1}, "weight", "from 0 to 1000, not -1"),
        ({"weight": 1001}, "weight", "from 0 to 1000"),
        ({"tier": 10}, "tier", "from 0 to 9"),
        ({"max_connections": -5}, "max_connections", "from 0 to 1000000"),
        ({"wieght": 2}, "wieght", "unknown field; the fields are id, name, url"),
        ({"name": ""}, "name", "give a name"),
        ({"url": "http://a"}, "host", "remove it"),
    ],
)
def test_an_error_names_the_entry_the_field_and_the_fix(
    change: dict[str, Any], field: str, part: str
) -> None:
    other = {"id": 7, "host": "10.0.0.1", "port": 80}
    message = error_of(json.dumps([other, {**GOOD, **change}]))
    assert message.startswith(f"entry 2 (id 1), {field}: ")
    assert part in message


@pytest.mark.parametrize("missing", ["host", "port"])
def test_a_missing_field_is_named(missing: str) -> None:
    entry = {key: value for key, value in GOOD.items() if key != missing}
    assert error_of(json.dumps([entry])).startswith(f"entry 1 (id 1), {missing}: missing; give")


@pytest.mark.parametrize("identifier", ["one", -1, True, 1.5, None])
def test_an_id_is_a_whole_number(identifier: Any) -> None:
    message = error_of(json.dumps([{**GOOD, "id": identifier}]))
    assert message.startswith("entry 1, id: give a whole number")


def test_the_password_in_a_url_is_not_repeated() -> None:
    message = error_of('[{"url": "http://user:hunter2@a"}]')
    assert "hunter2" not in message
    assert message.startswith("entry 1, url: Remove the user name and password")


@pytest.mark.parametrize(
    ("second", "field"),
    [
        ({**GOOD, "port": 9000}, "id"),
        ({"url": "http://127.0.0.2", "name": "backend-1"}, "name"),
        ({**GOOD, "id": 2}, "url"),
    ],
)
def test_two_entries_may_not_be_the_same_backend(second: dict[str, Any], field: str) -> None:
    message = error_of(json.dumps([GOOD, second]))
    assert f", {field}: " in message
    assert "is also that of entry 1 (id 1)" in message


@pytest.mark.parametrize("text", ["{}", "[]", "1", "null", '"x"'])
def test_a_document_that_is_no_list_of_backends(text: str) -> None:
    assert error_of(text).startswith("write a list of backends")


def test_an_entry_that_is_no_object() -> None:
    assert error_of("[1]").startswith("entry 1: write an object")


def test_broken_json_is_located() -> None:
    assert error_of('[{"id": 1,\n "host"}]').startswith("line 2, column 8: not JSON")


def test_a_field_given_twice_is_refused() -> None:
    assert '"port" is given twice' in error_of('[{"host": "a", "port": 1, "port": 2}]')


def test_nesting_without_end_is_an_error_and_not_a_crash() -> None:
    assert error_of("[" * 100_000)
