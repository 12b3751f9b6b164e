"""Two spellings of one thing are stored as one; a form that can be read in two ways is refused."""

import pytest

from pool import addresses


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("http://127.0.0.1:9001", "http://127.0.0.1:9001"),
        ("HTTPS://Shop.Example.COM", "https://shop.example.com"),
        ("http://localhost:8000/", "http://localhost:8000"),
        (" http://api_1:80 ", "http://api_1:80"),
        ("http://[2001:DB8:0:0::5]:8080", "http://[2001:db8::5]:8080"),
        ("http://[::1]", "http://[::1]"),
        ("http://xn--bcher-kva.example", "http://xn--bcher-kva.example"),
        ("http://a:0080", "http://a:80"),
        ("unix:/run/app.sock", "unix:/run/app.sock"),
        ("UNIX:/Run/App.sock", "unix:/Run/App.sock"),
        ("unix:///run/app.sock", "unix:/run/app.sock"),
        (f"unix:/{'a' * 99}", f"unix:/{'a' * 99}"),
    ],
)
def test_an_origin_has_one_spelling(text, normalised):
    assert addresses.normalise_origin(text) == normalised
    assert addresses.normalise_origin(normalised) == normalised


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("127.0.0.1:9001", "Start with http://"),
        ("ftp://a", "Start with http://"),
        ("", "ASCII"),
        ("http://", "Give a host name"),
        ("http://:80", "Give a host name"),
        ("http://a/path", "Remove the path"),
        ("http://a//", "Remove the path"),
        ("http://a?x=1", "Remove the query"),
        ("http://a/?", "Remove the query"),
        ("http://a#top", "Remove the query or fragment"),
        ("http://anna:secret@a", "Remove the user name and password"),
        ("http://@a", "Remove the user name and password"),
        ("http://a b", "without spaces"),
        ("http://a\r\nX: y", "without spaces"),
        ("http://a\\b", "backslashes"),
        ("http://bücher.example", "A-label"),
        ("http://a:0", "port from 1 to 65535"),
        ("http://a:65536", "port from 1 to 65535"),
        ("http://a:99999999999", "port from 1 to 65535"),
        ("http://a:000099999", "port from 1 to 65535"),
        ("http://a:", "port from 1 to 65535"),
        ("http://a:8x", "port from 1 to 65535"),
        ("http://[::1]9", "port from 1 to 65535"),
        ("http://[::1", "Close the IPv6"),
        ("http://[nonsense]", "valid IPv6"),
        ("http://[fe80::1%eth0]", "Remove the zone"),
        ("http://::1", "Give a host name"),
        ("http://127.1", "four decimal numbers"),
        ("http://0x7f.0.0.1", "four decimal numbers"),
        ("http://2130706433", "four decimal numbers"),
        ("http://256.0.0.1", "four decimal numbers"),
        ("http://-a", "Give a host name"),
        ("http://a..b", "Give a host name"),
        ("unix:", "whole path"),
        ("unix:run/app.sock", "whole path"),
        ("unix://run/app.sock", "whole path"),
        ("unix:////run/app.sock", "whole path"),
        ("unix:/run//app.sock", "Remove empty segments"),
        ("unix:/run/", "Remove empty segments"),
        ("unix:/", "Remove empty segments"),
        ("unix:/run/../app.sock", 'Remove empty segments, "." and ".."'),
        ("unix:/./app.sock", 'Remove empty segments, "." and ".."'),
        ("unix:/run/app.sock?x", "Rename the socket"),
        ("unix:/run/a%2fb", "Rename the socket"),
        ("unix:/run/a b", "without spaces"),
        ("unix:/run/\x00", "without spaces"),
        ("unix:/run/ä", "ASCII"),
        (f"unix:/{'a' * 100}", "to 100 bytes"),
        (f"http://{'a' * 64}", "Give a host name"),
        (f"http://{'a.' * 127}aaa", "Give a host name"),
    ],
)
def test_a_bad_origin_is_refused_with_the_fix(text, fix):
    with pytest.raises(ValueError, match=fix.replace("(", r"\(")) as caught:
        addresses.normalise_origin(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("origin", "path", "name"),
    [
        ("http://10.0.0.5:8080", "", "10.0.0.5-8080"),
        ("https://shop.example.com", "", "shop.example.com-443"),
        ("http://[2001:db8::5]:80", "", "2001-db8-5-80"),
        ("unix:/run/My_app+1.sock", "/run/My_app+1.sock", "run-My_app-1.sock"),
    ],
)
def test_an_origin_has_a_path_or_none_and_a_short_name(origin, path, name):
    assert (addresses.socket_path(origin), addresses.short_name(origin)) == (path, name)


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("", ""),
        (" Backend ", "backend"),
        ("App.Internal", "app.internal"),
        ("app_1:8080", "app_1:8080"),
        ("10.0.0.5:080", "10.0.0.5:80"),
        ("[2001:DB8::0:5]:80", "[2001:db8::5]:80"),
    ],
)
def test_a_host_header_has_one_spelling(text, normalised):
    assert addresses.normalise_host_header(text) == normalised
    assert addresses.normalise_host_header(normalised) == normalised


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("http://a", "without scheme or path"),
        ("a/b", "without scheme or path"),
        ("anna@a", "without scheme or path"),
        ("a b", "with or without a port"),
        ("a\r\nX: y", "with or without a port"),
        ("bücher.example", "with or without a port"),
        ("a:0", "port from 1 to 65535"),
        ("a:", "port from 1 to 65535"),
        ("*.example.com", "Give a host name"),
        ("2001:db8::5", "Give a host name"),
        ("127.1", "four decimal numbers"),
    ],
)
def test_a_bad_host_header_is_refused_with_the_fix(text, fix):
    with pytest.raises(ValueError, match=fix):
        addresses.normalise_host_header(text)


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("", ""),
        ("App.Internal.", "app.internal"),
        ("10.0.0.5", "10.0.0.5"),
        ("2001:DB8::0:5", "2001:db8::5"),
        ("[2001:db8::5]", "2001:db8::5"),
    ],
)
def test_a_server_name_has_one_spelling(text, normalised):
    assert addresses.normalise_server_name(text) == normalised


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("a:443", "name alone"),
        ("https://a", "name alone"),
        ("a:b:c", "valid IPv6"),
        ("*.example.com", "Give a host name"),
        ("a b", "Give a host name"),
        ("bücher.example", "A-label"),
    ],
)
def test_a_bad_server_name_is_refused_with_the_fix(text, fix):
    with pytest.raises(ValueError, match=fix):
        addresses.normalise_server_name(text)


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("", ""),
        ("Shop.Example.com", "shop.example.com"),
        ("shop.example.com.", "shop.example.com"),
        ("*.Example.com", "*.example.com"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "[::1]"),
    ],
)
def test_a_host_has_one_spelling(text, normalised):
    assert addresses.normalise_host(text) == normalised


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("*", "Leave the host empty"),
        ("a.*.com", "Write a wildcard as"),
        ("*example.com", "Write a wildcard as"),
        ("*.*.com", "Give a host name"),
        ("*.", "Give a host name"),
        ("example.com:80", "host alone"),
        ("http://example.com", "host alone"),
        ("bücher.example", "A-label"),
        ("a b", "Give a host name"),
        (".", "Give a host name"),
    ],
)
def test_a_bad_host_is_refused_with_the_fix(text, fix):
    with pytest.raises(ValueError, match=fix):
        addresses.normalise_host(text)


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("/", "/"),
        ("/api", "/api"),
        ("/api/", "/api"),
        ("/a%20b", "/a%20b"),
        ("/%61%3a", "/a%3A"),
        ("/a.b", "/a.b"),
    ],
)
def test_a_path_prefix_has_one_spelling(text, normalised):
    assert addresses.normalise_path_prefix(text) == normalised


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("", 'Start the path with "/"'),
        ("api", 'Start the path with "/"'),
        ("//api", "empty segment"),
        ("/a//b", "empty segment"),
        ("/api//", "empty segment"),
        ("/a/./b", "Remove the segments"),
        ("/a/..", "Remove the segments"),
        ("/%2e%2e/a", "encoded dot"),
        ("/%2E/a", "encoded dot"),
        ("/a%2fb", "encoded dot, slash"),
        ("/a%5cb", "backslash"),
        ("/a?x", "Remove the query"),
        ("/a#x", "Remove the query"),
        ("/a b", "percent-encoded"),
        ("/ä", "percent-encoded"),
        ("/a\\b", "percent-encoded"),
        ("/a%zz", "percent-encoded"),
        ("/a\x00", "percent-encoded"),
    ],
)
def test_a_bad_path_prefix_is_refused_with_the_fix(text, fix):
    with pytest.raises(ValueError, match=fix):
        addresses.normalise_path_prefix(text)


def test_status_ranges_are_read():
    ranges = addresses.parse_status_ranges("200-299, 304")
    assert [status for status in (199, 200, 299, 300, 304) if any(status in r for r in ranges)] == [
        200,
        299,
        304,
    ]
    assert addresses.normalise_status_ranges("200-299, 304") == "200-299,304"


@pytest.mark.parametrize(
    "text", ["", "2xx", "200-", "-299", "200,,304", "99", "600", "200-600", "200 299", "²00"]
)
def test_bad_status_ranges_are_refused(text):
    with pytest.raises(ValueError, match="Write statuses from 100 to 599"):
        addresses.parse_status_ranges(text)


def test_a_range_the_wrong_way_round_is_refused_with_the_fix():
    with pytest.raises(ValueError, match="299-200 around: 200-299"):
        addresses.parse_status_ranges("299-200")
