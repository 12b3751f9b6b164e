"""What a request's time was spent on, from the few instants that are noted of it."""

import pytest

from proxy.engine.anatomy import AT_ONCE, NEVER, End, Phases
from proxy.errors import Cause

STARTED = 1000


def end(**noted: int) -> End:
    noted = {"attempts": 1, "sent": AT_ONCE, "responded": 1500} | noted
    return End(b"id", 200, Cause.COMPLETE, 0, 0, STARTED, 2000, **noted)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("noted", "expected", "reused"),
    [
        ({}, Phases(0, 0, 0, 500), True),
        ({"sent": 1100}, Phases(0, 0, 100, 400), False),
        ({"first_try": 1200, "last_try": 1200}, Phases(200, 0, 0, 300), True),
        ({"first_try": 1200, "last_try": 1300, "sent": 1310}, Phases(200, 100, 10, 190), False),
        ({"last_try": 1400, "attempts": 2}, Phases(0, 400, 0, 100), True),
        ({"responded": NEVER}, Phases(0, 0, 0, None), True),
        ({"sent": NEVER, "responded": NEVER}, Phases(0, 0, None, None), None),
        ({"attempts": 0, "sent": NEVER, "responded": NEVER}, Phases(), None),
    ],
    ids=["idle", "connected", "queued", "all", "retried", "unanswered", "unsent", "untried"],
)
def test_the_phases_follow_each_other(
    noted: dict[str, int], expected: Phases, reused: bool | None
) -> None:
    assert (end(**noted).phases(), end(**noted).reused) == (expected, reused)
    assert STARTED + sum(phase or 0 for phase in expected) <= 1500
