"""Header rules: both written forms say the same, and nothing passes that would alter a message."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool import header_rules
from pool.choices import HeaderAction
from pool.header_rules import HeaderRulesError, Message
from pool.snapshot import HeaderRule

REQUEST, RESPONSE = Message.REQUEST, Message.RESPONSE
SET, ADD, REMOVE = HeaderAction.SET, HeaderAction.ADD, HeaderAction.REMOVE
WRITTEN_BY_EDGE = [
    "Forwarded",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Proto",
    "X-Request-Id",
]


def rule(action, name, value=""):
    return HeaderRule(action=action, name=name, value=value)


def problems(parse, value, message=RESPONSE):
    with pytest.raises(HeaderRulesError) as caught:
        parse(value, message)
    return caught.value.problems


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        ("set X-Frame-Options: DENY", rule(SET, "X-Frame-Options", "DENY")),
        ("SET X-A:b", rule(SET, "X-A", "b")),
        ("  add\tX-A :  b c\t", rule(ADD, "X-A", "b c")),
        ("set X-A: b: c", rule(SET, "X-A", "b: c")),
        ("set X-A: a\tb", rule(SET, "X-A", "a\tb")),
        ("set !#$%&'*+-.^_`|~9a: x", rule(SET, "!#$%&'*+-.^_`|~9a", "x")),
        ("remove Server", rule(REMOVE, "Server")),
        ("remove   Server  ", rule(REMOVE, "Server")),
        ("remove X-Forwarded-For", rule(REMOVE, "X-Forwarded-For")),
    ],
)
def test_a_line_is_read(line, parsed):
    assert header_rules.parse_lines(line, RESPONSE) == (parsed,)


def test_rules_keep_their_order_and_empty_lines_are_skipped():
    text = "\nset X-A: 1\r\n\r\n  \nadd X-A: 2\nremove X-B\n"
    assert header_rules.parse_lines(text, RESPONSE) == (
        rule(SET, "X-A", "1"),
        rule(ADD, "X-A", "2"),
        rule(REMOVE, "X-B"),
    )


def test_no_text_and_no_list_are_no_rules():
    assert header_rules.parse_lines("", REQUEST) == header_rules.parse_json([], REQUEST) == ()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("X-A: b", "begin with set, add or remove"),
        ("append X-A: b", "begin with set, add or remove"),
        ("set", 'write a colon between name and value, as in "set X-Frame-Options: DENY"'),
        ("set X-A b", "write a colon between name and value"),
        ("add X-A=b", 'as in "add Cache-Tag: shop"'),
        ("set : b", "give the field's name"),
        ("set X A: b", "without spaces"),
        ("set Ä: b", "give the field's name"),
        ("set X-A\x00: b", "give the field's name"),
        ("set (X): b", "give the field's name"),
        ("set X-A:", "give a value for X-A, or remove the field"),
        ("set X-A:  ", "give a value for X-A, or remove the field"),
        ("set X-A: ä", "visible ASCII"),
        ("set X-A: a\rSet-Cookie: b", "visible ASCII"),
        ("set X-A: a\x00b", "visible ASCII"),
        ("set X-A: a\x7f", "visible ASCII"),
        ("set X-A: a\x0bb", "visible ASCII"),
        ("set X-A: a\u2028b", "visible ASCII"),
        ("remove", "give the field's name"),
        ("remove Server: nginx", 'write the name alone, as in "remove Server"'),
        ("remove Server nginx", "without spaces"),
    ],
)
def test_a_bad_line_is_refused_with_the_fix(line, problem):
    (found,) = problems(header_rules.parse_lines, f"set X-Good: 1\n\n{line}")
    assert found.startswith("Line 3: ")
    assert problem in found


def test_every_bad_line_is_named():
    found = problems(header_rules.parse_lines, "nonsense\nset X-A: 1\nremove")
    assert [text.partition(":")[0] for text in found] == ["Line 1", "Line 3"]


@pytest.mark.parametrize("message", Message)
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Content-Length", "where a message ends"),
        ("transfer-encoding", "where a message ends"),
        ("Trailer", "where a message ends"),
        ("Connection", "one connection"),
        ("Keep-Alive", "one connection"),
        ("TE", "one connection"),
        ("Upgrade", "one connection"),
        ("HTTP2-Settings", "one connection"),
        ("Proxy-Authorization", "one connection"),
        ("PROXY-Anything", "one connection"),
        ("Expect", "when a body is sent"),
        ("HOST", "host"),
    ],
)
def test_fields_that_frame_or_route_a_message_are_out_of_reach(name, reason, message):
    lines = [f"set {name}: 1", f"add {name}: 1", f"remove {name}"]
    for line in lines[:1] if message is Message.PROBE else lines:
        (found,) = problems(header_rules.parse_lines, line, message)
        assert f"{name} cannot be changed by a rule: " in found
        assert reason in found


@pytest.mark.parametrize("name", WRITTEN_BY_EDGE)
def test_what_the_edge_writes_into_requests_is_out_of_reach(name):
    for line in (f"set {name}: 1", f"add {name}: 1", f"remove {name}"):
        (found,) = problems(header_rules.parse_lines, line, REQUEST)
        assert "the edge writes it itself" in found
    assert ("forwarded_header" in found) == (name == "Forwarded")


@pytest.mark.parametrize("name", [*WRITTEN_BY_EDGE, "X-Forwarded-Ssl"])
def test_what_proxies_tell_is_not_made_up_in_responses_but_may_be_hidden(name):
    for line in (f"set {name}: 1", f"add {name}: 1"):
        (found,) = problems(header_rules.parse_lines, line, RESPONSE)
        assert ("request_id_header" in found) == (name == "X-Request-Id")
        assert ("Choose another name" in found) == (name != "X-Request-Id")
    assert header_rules.parse_lines(f"remove {name}", RESPONSE) == (rule(REMOVE, name),)


def test_a_forwarding_field_that_the_edge_does_not_write_can_be_kept_from_backends():
    assert header_rules.parse_lines("remove X-Forwarded-Ssl", REQUEST)
    assert "Choose" in problems(header_rules.parse_lines, "set X-Forwarded-Ssl: on", REQUEST)[0]


@pytest.mark.parametrize("name", ["Hostname", "X-Host", "Via-X", "X-Proxy-A", "Connection-Id"])
def test_fields_with_similar_names_are_not_meant(name):
    assert header_rules.parse_lines(f"set {name}: 1", REQUEST)


def test_json_is_read():
    rules = [
        {"action": "set", "name": " X-A ", "value": " b "},
        {"action": "remove", "name": "Server"},
        {"action": "remove", "name": "Via", "value": ""},
        rule(ADD, "X-A", "c"),
    ]
    assert header_rules.parse_json(rules, RESPONSE) == (
        rule(SET, "X-A", "b"),
        rule(REMOVE, "Server"),
        rule(REMOVE, "Via"),
        rule(ADD, "X-A", "c"),
    )


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ("set X-A: b", "give an object"),
        (None, "give an object"),
        ([], "give an object"),
        ({}, "give an object"),
        ({"action": "set"}, "give an object"),
        ({"action": "set", "name": "X-A", "value": "b", "if": "c"}, "give an object"),
        ({"action": "set", "name": "X-A", "value": 1}, "as text"),
        ({"action": "set", "name": None, "value": "b"}, "as text"),
        ({"action": "set", "name": "X-A"}, "give a value"),
        ({"action": "drop", "name": "X-A"}, "begin with set, add or remove"),
        ({"action": "remove", "name": "X-A", "value": "b"}, "leave out the value"),
        ({"action": "set", "name": "X-A", "value": "b\r\nX-C: d"}, "on one line"),
        ({"action": "set", "name": "X-A\n", "value": "b"}, "the field's name"),
        ({"action": "set", "name": "Host", "value": "b"}, "host_header"),
    ],
)
def test_a_bad_item_is_refused_with_the_fix(item, problem):
    good = {"action": "set", "name": "X-A", "value": "b"}
    (found,) = problems(header_rules.parse_json, [good, item])
    assert found.startswith("Rule 2: ")
    assert problem in found


@pytest.mark.parametrize("value", ["set X-A: b", {"action": "set"}, None, 1, True])
def test_json_that_is_no_list_is_refused(value):
    (found,) = problems(header_rules.parse_json, value)
    assert found.startswith('Give a list of rules: [{"action": "set"')


def test_there_are_at_most_fifty_rules():
    line = "remove X-A\n"
    assert len(header_rules.parse_lines(line * 50, RESPONSE)) == 50
    assert problems(header_rules.parse_lines, line * 51) == ["Give at most 50 rules, not 51."]


def test_all_rules_together_have_a_size():
    lines = [f"set X-{number:02}: {'x' * 1634}" for number in range(10)]
    assert len(header_rules.parse_lines("\n".join(lines), RESPONSE)) == 10
    lines[0] += "x" * 5
    assert problems(header_rules.parse_lines, "\n".join(lines)) == [
        "Shorten the rules to 16384 bytes in all."
    ]


def test_the_json_form_leaves_out_what_a_removal_has_not():
    rules = (rule(SET, "X-A", "b"), rule(REMOVE, "Server"))
    assert header_rules.format_json(rules) == [
        {"action": "set", "name": "X-A", "value": "b"},
        {"action": "remove", "name": "Server"},
    ]
    assert header_rules.from_stored(header_rules.format_json(rules)) == rules


_names = st.text("abcXYZ019-_.!#", min_size=1, max_size=20).map(lambda name: f"q{name}")
_values = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1).map(
    lambda value: f"v{value}".strip()
)
_rules = st.lists(
    st.one_of(
        st.builds(rule, st.sampled_from([SET, ADD]), _names, _values),
        st.builds(rule, st.just(REMOVE), _names),
    ),
    max_size=20,
).map(tuple)


@given(_rules, st.sampled_from([REQUEST, RESPONSE]))
def test_both_forms_give_back_the_same_rules(rules, message):
    assert header_rules.parse_lines(header_rules.format_lines(rules), message) == rules
    as_json = msgspec.json.decode(msgspec.json.encode(header_rules.format_json(rules)))
    assert header_rules.parse_json(as_json, message) == rules


@given(st.text(), st.sampled_from(Message))
def test_whatever_is_accepted_is_one_field_on_one_line(text, message):
    for line in (text, f"set {text}", f"add X-A: {text}", f"remove {text}"):
        try:
            rules = header_rules.parse_lines(line, message)
        except HeaderRulesError:
            continue
        for item in rules:
            assert item.name.isascii()
            assert item.value.isascii()
            assert not set("\r\n\x00: ") & set(item.name)
            assert not set("\r\n\x00") & set(item.value)
