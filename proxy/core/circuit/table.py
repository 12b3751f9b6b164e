"""A circuit's states, and what leads from one to the next.

               trip                  waited, probed
    CLOSED ───────────▶ OPEN ──────────────────────▶ HALF_OPEN
       ▲                 ▲──────────trip────────────────┤  ▲
       └──────────────────────────recovered─────────────┘  │ release
                                                           │
    any ──open──▶ FORCED_OPEN ─────────────────────────────┘
    any ──reset─▶ CLOSED

The script in Redis (`pool/circuits/circuit.lua`) holds the same table; one set of
cases is run against both.
"""

from pool.choices import CircuitEvent as Event
from pool.choices import CircuitState as State

_ORDERS = {Event.OPEN: State.FORCED_OPEN, Event.RESET: State.CLOSED}

TABLE: dict[State, dict[Event, State]] = {
    State.CLOSED: {Event.TRIP: State.OPEN, **_ORDERS},
    State.OPEN: {Event.WAITED: State.HALF_OPEN, Event.PROBED: State.HALF_OPEN, **_ORDERS},
    State.HALF_OPEN: {Event.TRIP: State.OPEN, Event.RECOVERED: State.CLOSED, **_ORDERS},
    State.FORCED_OPEN: {Event.RELEASE: State.HALF_OPEN, Event.RESET: State.CLOSED},
}


class IllegalMove(Exception):
    """An event that cannot happen in this state: a defect, never traffic."""


def next_state(state: State, event: Event) -> State:
    try:
        return TABLE[state][event]
    except KeyError:
        raise IllegalMove(f"{event} in {state}") from None


def is_possible(state: State, event: Event) -> bool:
    return event in TABLE[state]
