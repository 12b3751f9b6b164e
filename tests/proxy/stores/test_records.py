"""What is published is read without what nobody here can understand, which is told."""

import logging

import pytest

from pool.bus import FailoverState
from proxy.core.steps import at_once
from proxy.stores.records import read_records

LOG = logging.getLogger("test")


def test_what_is_malformed_is_told_and_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    good = b'{"floor":2,"since":1.0,"cause":"x"}'
    records = {b"1": good, b"2": b"not JSON", b"3": b'{"floor":"high"}', b"pool": good, b"5": good}
    found = at_once(read_records(records, FailoverState, "floor of pool", LOG))
    assert {number: state.floor for number, state in found.items()} == {1: 2, 5: 2}
    told = [record.getMessage() for record in caplog.records]
    assert [message.partition(" is malformed: ")[0] for message in told] == [
        "the floor of pool b'2'",
        "the floor of pool b'3'",
        "the floor of pool b'pool'",
    ]
