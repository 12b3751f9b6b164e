"""Which backends cannot serve now, and why: as edges see it, from what Redis has of them.

No Django in here.
"""

from typing import NamedTuple

from pool.bus import HealthStatus, read_record
from pool.choices import CircuitMode, CircuitState, HealthState
from pool.circuits.records import SHUT, Circuit
from pool.obstacles import Obstacle
from pool.snapshot import PoolSpec


class Known(NamedTuple):
    """What is known of one backend; None: nothing, or nothing that can be read."""

    health: HealthState | None
    circuit: CircuitState | None
    ejected: bool = False

    @classmethod
    def read(cls, health: bytes | None, circuit: bytes | None, *, ejected: bool) -> "Known":
        """From the records in Redis."""
        return cls(_health(health), _circuit(circuit), ejected)

    def after(self, verdict: HealthState) -> "Known":
        """When the probes have come to `verdict`, which has an open circuit tried if it was ill."""
        circuit = self.circuit
        recovers = self.health is HealthState.UNHEALTHY and verdict is not HealthState.UNHEALTHY
        if recovers and circuit is CircuitState.OPEN:
            circuit = CircuitState.HALF_OPEN
        return Known(verdict, circuit, self.ejected)

    def why_out(self, pool: PoolSpec) -> Obstacle | None:
        """Why it cannot serve in `pool`; None if it can."""
        if pool.health.enabled and self.health is HealthState.UNHEALTHY:
            return Obstacle.UNHEALTHY
        if pool.circuit.mode is not CircuitMode.OFF and self.circuit in SHUT:
            return Obstacle.CIRCUIT_OPEN
        if pool.outlier.enabled and self.ejected:
            return Obstacle.EJECTED
        return None


def _health(record: bytes | None) -> HealthState | None:
    status = read_record(record, HealthStatus)
    return status.state if status is not None else None


def _circuit(record: bytes | None) -> CircuitState | None:
    circuit = read_record(record, Circuit)
    return circuit.state if circuit is not None else None
