"""The corpus's text format: what a file says is what is sent and expected."""

import pytest

from tests.integration.raw.case import CaseError, ExpectedField, Step, parse, unescape

ABOUT = "A title.\nSource: RFC 9112\n"
REFUSED = ABOUT + "Verdict: refuse 400\n--- client\n"


def test_lines_end_in_crlf_and_escapes_are_bytes() -> None:
    case = parse(REFUSED + "GET /\\x00\\xff\\t\\\\ HTTP/1.1\ncafé\n\n", "x")
    assert case.client == [Step("send", b"GET /\0\xff\t\\ HTTP/1.1\r\ncaf\xc3\xa9\r\n\r\n")]


def test_a_trailing_backslash_keeps_the_line_open() -> None:
    assert parse(REFUSED + "a\\\nb\\n\\\nc\\\\\n", "x").client == [Step("send", b"ab\nc\\\r\n")]


def test_actions_stand_between_what_is_sent() -> None:
    case = parse(
        REFUSED + "a\n@pause 0.5\n@receive x\\r\n@repeat 3 ab\n@drip 2 c\n@half-close\n", "x"
    )
    assert case.client == [
        Step("send", b"a\r\n"),
        Step("pause", seconds=0.5),
        Step("receive", b"x\r"),
        Step("send", b"ababab"),
        Step("drip", b"c", 2.0),
        Step("half-close"),
    ]


def test_a_refusal_needs_no_further_blocks() -> None:
    case = parse(REFUSED + "a\n", "x")
    (answer,) = case.answers
    assert (case.fate, answer.statuses) == ("closed", (400,))
    assert answer.fields == (ExpectedField(b"connection", b"close"),)


def test_a_forwarded_case_expects_the_plain_answer_and_an_open_connection() -> None:
    case = parse(ABOUT + "Verdict: forward\n--- client\na\n", "x")
    (answer,) = case.answers
    assert (case.fate, answer.statuses, answer.body) == ("open", (200,), b"ok")


def test_expectations_have_rules_for_fields_and_a_body() -> None:
    blocks = (
        "Verdict: forward\n--- client\na\n--- answer 200|201 to HEAD cut\n"
        "A: b\nC: *\nD: ~e\n!F\n?G: h\n+I: j\n\nbody\nmore\n--- then closed\n"
    )
    case = parse(ABOUT + blocks, "x")
    (answer,) = case.answers
    assert (answer.statuses, answer.method, answer.cut) == ((200, 201), b"HEAD", True)
    assert answer.body == b"body\r\nmore"
    assert answer.fields == (
        ExpectedField(b"a", b"b"),
        ExpectedField(b"c", None),
        ExpectedField(b"d", b"e", "other"),
        ExpectedField(b"f", None, "lacks"),
        ExpectedField(b"g", b"h", "may"),
        ExpectedField(b"i", b"j", "trailer"),
    )


def test_what_is_forwarded_is_expected_from_its_first_line_on() -> None:
    blocks = "Verdict: forward\n--- client\na\n--- forwarded same cut\nGET / HTTP/1.1\n@edge\n\n"
    (forwarded,) = parse(ABOUT + blocks, "x").forwarded
    assert (forwarded.start, forwarded.edge_fields) == (b"GET / HTTP/1.1", True)
    assert (forwarded.connection, forwarded.cut, forwarded.body) == ("same", True, b"")


@pytest.mark.parametrize(
    "text",
    [
        "A title.\nVerdict: refuse 400\n--- client\na\n",
        ABOUT + "Verdict: refuse 400\n",
        ABOUT + "Verdict: refuse\n--- client\na\n",
        ABOUT + "Verdict: forward 200\n--- client\na\n",
        ABOUT + "Verdict: maybe\n--- client\na\n",
        REFUSED + "@unknown\n",
        REFUSED + "\\q\n",
        REFUSED + "a\n--- server\nb\n",
        REFUSED + "a\n--- then gone\n",
        REFUSED + "a\n--- forwarded\nGET / HTTP/1.1\n",
        REFUSED + "a\n--- answer 400\nno colon\n",
    ],
)
def test_a_malformed_case_is_named(text: str) -> None:
    with pytest.raises(CaseError, match=r"^folder/name: "):
        parse(text, "folder/name")


def test_an_escape_that_is_none_is_refused() -> None:
    with pytest.raises(CaseError):
        unescape("\\xg0")
