"""Each state and each event: where it leads, or that it cannot happen."""

import itertools

import pytest

from pool.choices import CircuitEvent as Event
from pool.choices import CircuitState as State
from proxy.core.circuit.table import IllegalMove, is_possible, next_state

LEADS_TO = {
    (State.CLOSED, Event.TRIP): State.OPEN,
    (State.OPEN, Event.WAITED): State.HALF_OPEN,
    (State.OPEN, Event.PROBED): State.HALF_OPEN,
    (State.HALF_OPEN, Event.TRIP): State.OPEN,
    (State.HALF_OPEN, Event.RECOVERED): State.CLOSED,
    (State.FORCED_OPEN, Event.RELEASE): State.HALF_OPEN,
    **{(state, Event.OPEN): State.FORCED_OPEN for state in State if state != State.FORCED_OPEN},
    **{(state, Event.RESET): State.CLOSED for state in State},
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_every_event_in_every_state(state: State, event: Event) -> None:
    if (state, event) in LEADS_TO:
        assert is_possible(state, event)
        assert next_state(state, event) is LEADS_TO[state, event]
    else:
        assert not is_possible(state, event)
        with pytest.raises(IllegalMove, match=f"{event} in {state}"):
            next_state(state, event)
