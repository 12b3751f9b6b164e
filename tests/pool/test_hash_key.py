"""The written forms of a hash key."""

import pytest

from pool.hash_key import HashKey, HashSource, parse


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("client_ip", HashKey(HashSource.CLIENT_IP)),
        (" PATH ", HashKey(HashSource.PATH)),
        ("header:X-User", HashKey(HashSource.HEADER, "x-user")),
        ("cookie:SID", HashKey(HashSource.COOKIE, "SID")),
        ("query:user[id]", HashKey(HashSource.QUERY, "user[id]")),
    ],
)
def test_a_key_is_read_and_written_back(text: str, key: HashKey) -> None:
    assert parse(text) == key
    assert parse(str(key)) == key


@pytest.mark.parametrize("text", ["", "ip", "header", "path:a", "client_ip:"])
def test_what_is_none_is_answered_with_the_forms(text: str) -> None:
    with pytest.raises(ValueError, match="Write client_ip, path, header:NAME"):
        parse(text)


@pytest.mark.parametrize("text", ["header:", "header:a b", "cookie:a=b", "header:a:b"])
def test_a_name_has_to_be_a_token(text: str) -> None:
    with pytest.raises(ValueError, match="letters, digits and hyphens"):
        parse(text)


@pytest.mark.parametrize("text", ["query:", "query:a&b", "query:a=b", "query:a b", "query:\n"])
def test_a_parameter_stands_as_in_the_url(text: str) -> None:
    with pytest.raises(ValueError, match="as it stands in the URL"):
        parse(text)
