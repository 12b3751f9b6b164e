"""The limit of open files decides how many clients there is room for."""

import resource

import pytest

from proxy.engine.descriptors import room_for_clients

INFINITY = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "room", "raised_to"),
    [
        (5000, 5000, 1000, None),
        (INFINITY, INFINITY, 1000, None),
        (1024, 5000, 1000, 2128),
        (1024, INFINITY, 1000, 2128),
        (100, 328, 100, 328),
        (328, 328, 100, 328),
        (20, 20, 1, 20),
    ],
)
def test_the_soft_limit_is_raised_as_far_as_it_has_to_be(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, room: int, raised_to: int | None
) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: given.append(limits))
    assert room_for_clients(1000) == room
    assert given == ([] if raised_to is None else [(raised_to, hard)])
