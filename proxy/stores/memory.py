"""Circuits in the memory of one process: for a worker without Redis, and for programs."""

import msgspec

from pool.circuits.records import Circuit, Operation, Terms, Told
from proxy.core.circuit.machine import Step


class MemoryCircuits:
    """`circuits` by the backend's id; one that nothing has happened to is not in there."""

    def __init__(self) -> None:
        self.circuits: dict[int, Circuit] = {}
        self._pool_of: dict[int, int] = {}

    def get(self, backend_id: int) -> Circuit:
        return self.circuits.get(backend_id) or Circuit()

    def put(self, backend_id: int, pool_id: int, circuit: Circuit) -> None:
        self.circuits[backend_id] = circuit
        self._pool_of[backend_id] = pool_id

    def forget(self, backend_id: int) -> None:
        self.circuits.pop(backend_id, None)
        self._pool_of.pop(backend_id, None)

    def apply(
        self, backend_id: int, operation: Operation, terms: Terms, now: float
    ) -> tuple[Circuit, list[Told]]:
        """The circuit after `operation`, and what the timeline is told of it."""
        before = self.get(backend_id)  # stays as it is: others may be looking at it
        circuit = msgspec.structs.replace(
            before, window=dict(before.window), permits=dict(before.permits)
        )
        step = Step(circuit, terms, now, lambda: self._room(terms))
        told = step.take(operation)
        self.put(backend_id, terms.pool_id, step.circuit)
        return step.circuit, told

    def _room(self, terms: Terms) -> bool:
        out = sum(
            circuit.out and self._pool_of[backend_id] == terms.pool_id
            for backend_id, circuit in self.circuits.items()
        )
        return out < terms.limit
