"""What operators do with a backend's circuit, from the admin and over REST."""

from collections.abc import Callable
from time import time

from django.core.exceptions import ValidationError

from pool.actor import Actor, current_actor, username
from pool.choices import CircuitEvent, CircuitMode, CircuitState
from pool.circuits import script
from pool.circuits.records import Circuit, Order, terms_of
from pool.connection import redis_client
from pool.models import Backend

Verb = Callable[[Backend, Actor], Circuit]


def reset(backend: Backend, by: Actor = None) -> Circuit:
    """Close the circuit, as if nothing had ever failed.

    Each verb returns the circuit as it is then. It raises ValidationError if the
    circuit cannot be so, and RedisError while Redis is away: nothing has changed then.
    """
    return _order(backend, CircuitEvent.RESET, "reset", by)


def force_open(backend: Backend, by: Actor = None) -> Circuit:
    """Keep all requests from the backend, whatever its calls say, until it is released."""
    return _order(backend, CircuitEvent.OPEN, "forced open", by)


def release(backend: Backend, by: Actor = None) -> Circuit:
    """Let a circuit that was forced open be tried."""
    circuit = _order(backend, CircuitEvent.RELEASE, "released", by)
    if circuit.state is not CircuitState.HALF_OPEN:
        raise _refusal(
            f"The circuit of {backend} is {circuit.state.replace('_', ' ')}, and not forced open: "
            "there is nothing to release."
        )
    return circuit


def _refusal(problem: str) -> ValidationError:
    return ValidationError({"action": problem})


def _order(backend: Backend, event: CircuitEvent, done: str, by: Actor) -> Circuit:
    if backend.pool.circuit_mode == CircuitMode.OFF:
        raise _refusal(
            f"The circuit breaker of pool {backend.pool} is off (circuit_mode); "
            "to keep requests from a backend, put it into maintenance."
        )
    terms = terms_of(backend.pool.compile())
    actor = username(by) or current_actor()
    order = Order(event=event, cause=f"{done} by {actor}" if actor else done, actor=actor)
    arguments = script.arguments(backend.pk, order, terms, time())
    run = redis_client().register_script(script.source())
    circuit, _ = script.read_reply(run(script.keys(terms), arguments))
    return circuit
