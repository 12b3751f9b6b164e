"""What a request's body is to each connection that it is sent on."""

import pytest

from proxy.core.retry import MAX_REPLAY_BODY
from proxy.engine.request_body import MAX_HELD, RequestBody


def test_what_has_come_so_far_goes_behind_the_head_on_each_connection() -> None:
    body = RequestBody(b"one ")
    assert body.behind(b"head: ") == b"head: one "
    body.sent(b"two ")
    assert body.behind(b"head: ") == b"head: one two "
    assert not body.hold(b"three")
    assert body.behind(b"head: ") == b"head: one two three"
    assert body.at_hand


@pytest.mark.parametrize("at_once", [True, False])
def test_a_body_that_is_too_long_to_keep_is_sent_once(at_once: bool) -> None:
    most, rest = b"x" * MAX_REPLAY_BODY, b"y"
    body = RequestBody(most + rest if at_once else most)
    if at_once:
        assert body.behind(b"head") == b"head" + most + rest
    else:
        assert body.behind(b"head") == b"head" + most
        assert body.at_hand
        body.sent(rest)
    assert not body.at_hand


def test_no_more_than_so_much_waits_for_a_connection() -> None:
    body = RequestBody(b"")
    assert not body.hold(b"x" * MAX_HELD)
    assert body.hold(b"y")
    assert body.behind(b"") == b"x" * MAX_HELD + b"y"


def test_what_is_not_sent_again_is_not_kept() -> None:
    body = RequestBody(b"data")
    body.behind(b"head")
    body.forget()
    body.sent(b"more")
    assert not body.at_hand
    assert body.behind(b"") == b""
