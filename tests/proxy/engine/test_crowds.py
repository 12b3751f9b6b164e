"""More clients than may be."""

from dataclasses import replace

from proxy.engine.descriptors import REFUSED
from tests.proxy.engine.stage import NOT_FOUND, Client, Stage


def test_those_beyond_the_limit_are_told_so_until_there_are_too_many_of_them(stage: Stage) -> None:
    """Each of them keeps a descriptor until it has read that, or has had its time."""
    stage.edge.settings = replace(stage.edge.settings, max_connections=1)
    told = [Client(stage.edge) for _ in range(REFUSED)]
    assert {tuple(client.statuses) for client in told} == {(b"503",)}
    one_more = Client(stage.edge)
    assert one_more.transport.aborted
    assert not one_more.seen
    one_more.connection.data_received(NOT_FOUND)  # which the loop may have read before
    assert not one_more.seen


def test_there_is_room_to_tell_others_when_those_have_left(stage: Stage) -> None:
    stage.edge.settings = replace(stage.edge.settings, max_connections=1)
    told = [Client(stage.edge) for _ in range(REFUSED)]
    aborted = Client(stage.edge)
    for client in (told[0], aborted):
        client.connection.connection_lost(None)
    assert Client(stage.edge).statuses == [b"503"]
