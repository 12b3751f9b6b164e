"""A backend's circuit on its page: how it is, and what an operator may do with it."""

from datetime import UTC, datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.timesince import timesince
from unfold.decorators import action, display

from pool.admin.badges import GREY, badge, state_badge
from pool.admin.dialogs import RowForm, done, question, refusals_told
from pool.admin.health import circuit_of
from pool.choices import CircuitMode, CircuitState
from pool.circuits import verbs
from pool.circuits.live import count_calls
from pool.circuits.records import Circuit
from pool.models import Backend

CIRCUIT = "the circuit"


class CircuitActions:
    """For the backends' screen."""

    circuit_fields = ("circuit", "circuit_details")
    circuit_menu = {
        "title": "Circuit",
        "icon": "electrical_services",
        "items": ["open_circuit", "release_circuit", "reset_circuit"],
    }

    @display(description="Circuit")
    def circuit(self, backend: Backend) -> str:
        circuit = circuit_of(backend)
        if circuit is None:
            return badge("off" if _is_off(backend) else "unknown", GREY)
        return state_badge(circuit.state, circuit.cause)

    @display(description="Because")
    def circuit_details(self, backend: Backend) -> str:
        circuit = circuit_of(backend)
        if circuit is not None:
            return ". ".join(describe(circuit)) + "."
        return "The pool's circuit breaker is off." if _is_off(backend) else "Redis is away."

    @action(
        description="Force open",
        icon="block",
        permissions=["change"],
        dialog=question(
            "Force open", "It gets no requests until its circuit is released.", Backend, CIRCUIT
        ),
    )
    def open_circuit(self, request: HttpRequest, form: RowForm, object_id: str) -> HttpResponse:
        return self._order(request, verbs.force_open, form.row)

    @action(
        description="Release",
        icon="lock_open",
        permissions=["change"],
        dialog=question(
            "Release", "A few requests try it, and close it if they succeed.", Backend, CIRCUIT
        ),
    )
    def release_circuit(self, request: HttpRequest, form: RowForm, object_id: str) -> HttpResponse:
        return self._order(request, verbs.release, form.row)

    @action(
        description="Reset",
        icon="restart_alt",
        permissions=["change"],
        dialog=question(
            "Reset", "It is closed at once, as if nothing had ever failed.", Backend, CIRCUIT
        ),
    )
    def reset_circuit(self, request: HttpRequest, form: RowForm, object_id: str) -> HttpResponse:
        return self._order(request, verbs.reset, form.row)

    def _order(self, request: HttpRequest, verb: verbs.Verb, backend: Backend) -> HttpResponse:
        with refusals_told(request):
            circuit = verb(backend, request.user)
            messages.success(request, f"The circuit of {backend} is {in_words(circuit.state)}.")
        return done(request, "admin:pool_backend_change", backend.pk)


def _is_off(backend: Backend) -> bool:
    return backend.pool_id is None or backend.pool.circuit_mode == CircuitMode.OFF


def in_words(state: CircuitState) -> str:
    return state.replace("_", " ")


def describe(circuit: Circuit) -> list[str]:
    """What there is to say, in sentences without a full stop."""
    said: list[str] = []
    if circuit.since:
        since = timezone.localtime(_datetime(circuit.since))
        ago = timesince(since)
        said.append(f"Since {since:%Y-%m-%d %H:%M:%S} ({ago}): {circuit.cause}")
    if circuit.until:
        said.append(f"Tried at {timezone.localtime(_datetime(circuit.until)):%H:%M:%S}")
    said += _counts(circuit)
    return said or ["Nothing has failed"]


def _counts(circuit: Circuit) -> list[str]:
    said = []
    if circuit.failures:
        said.append(f"Failures in a row: {circuit.failures}")
    if circuit.window:
        calls, bad = count_calls(circuit)
        said.append(f"Failed or slow: {bad} of {calls} calls")
    if circuit.state is CircuitState.HALF_OPEN:
        said.append(f"Successes in a row: {circuit.successes}")
    return said


def _datetime(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
