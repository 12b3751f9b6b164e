"""A head that does not come in time."""

import pytest

from tests.proxy.engine.stage import Stage


@pytest.mark.parametrize("trickle", [[b"G"], [b"\r"], [b"\r", b"\n"], [b"\r", b"\n", b"\r"]])
def test_whoever_has_begun_a_head_is_told(stage: Stage, trickle: list[bytes]) -> None:
    """Empty lines before a request line are bytes of its head (RFC 9112 §2.2)."""
    for data in trickle:
        stage.client.connection.data_received(data)
    stage.client.connection.timed_out()
    assert stage.client.statuses == [b"408"]


def test_whoever_has_not_is_left_in_silence(stage: Stage) -> None:
    stage.client.connection.timed_out()
    assert stage.client.statuses == []
    assert stage.client.transport.closed
