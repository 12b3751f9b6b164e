"""What a request's time was spent on, from the few instants that are noted of it."""

import pytest

from proxy.engine.anatomy import NEVER, Dispatch, End, Phases
from proxy.errors import Cause

STARTED = 1000


def end(attempts: int = 1, responded: int = 1500, **dispatch: int) -> End:
    return End(
        request_id=b"id",
        status=200,
        cause=Cause.COMPLETE,
        bytes_in=0,
        bytes_out=0,
        started=STARTED,
        ended=2000,
        attempts=attempts,
        dispatch=Dispatch(**dispatch),
        responded=responded,
    )


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
