"""Reading is paused while any reason for it lasts."""

import asyncio

import pytest

from proxy.engine.flow import CONNECTING, PEER_FULL, PIPELINE_FULL, ReadGate


class Recorder(asyncio.Transport):
    """Only what the gate uses."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.closing = False

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    def is_closing(self) -> bool:
        return self.closing


@pytest.fixture
def transport() -> Recorder:
    return Recorder()


@pytest.fixture
def gate(transport: Recorder) -> ReadGate:
    return ReadGate(transport)


def test_reading_goes_on_when_the_last_reason_is_gone(gate: ReadGate, transport: Recorder) -> None:
    gate.close(PEER_FULL)
    gate.close(PIPELINE_FULL)
    gate.open(PEER_FULL)
    assert transport.calls == ["pause"]
    gate.open(PIPELINE_FULL)
    assert transport.calls == ["pause", "resume"]


def test_a_reason_given_twice_is_one(gate: ReadGate, transport: Recorder) -> None:
    gate.close(PEER_FULL)
    gate.close(PEER_FULL)
    gate.open(PEER_FULL)
    gate.open(PEER_FULL)
    assert transport.calls == ["pause", "resume"]


def test_the_end_of_a_reason_that_was_never_given_changes_nothing(
    gate: ReadGate, transport: Recorder
) -> None:
    gate.open(CONNECTING)
    gate.open_all()
    gate.close(PEER_FULL)
    gate.open(CONNECTING)
    assert transport.calls == ["pause"]


def test_all_reasons_can_end_at_once(gate: ReadGate, transport: Recorder) -> None:
    gate.close(PEER_FULL)
    gate.close(CONNECTING)
    assert gate.closed_for(CONNECTING)
    assert not gate.closed_for(PIPELINE_FULL)
    gate.open_all()
    assert transport.calls == ["pause", "resume"]
    assert not gate.closed_for(CONNECTING)


def test_a_transport_that_is_closing_is_left_alone(gate: ReadGate, transport: Recorder) -> None:
    gate.close(PEER_FULL)
    transport.closing = True
    gate.open(PEER_FULL)
    gate.close(PEER_FULL)
    assert transport.calls == ["pause"]
