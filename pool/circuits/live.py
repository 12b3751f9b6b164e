"""The circuits as they are now, read from Redis for a screen or an answer."""

from pool.bus import CIRCUITS_KEY, read_record
from pool.choices import CircuitMode
from pool.circuits.records import Circuit
from pool.live import LiveRecords
from pool.models import Backend


class LiveCircuits(LiveRecords):
    key = CIRCUITS_KEY

    def of(self, backend: Backend) -> Circuit | None:
        """None: nobody knows, or the pool's circuits are off."""
        if self.error or backend.pool.circuit_mode == CircuitMode.OFF:
            return None
        record = self.records.get(str(backend.pk).encode())
        return read_record(record, Circuit) if record is not None else Circuit()


def count_calls(circuit: Circuit) -> tuple[int, int]:
    """Calls in the window, and those of them that were failures or slow."""
    counts = circuit.window.values()
    return sum(calls for calls, _, _ in counts), sum(failed + slow for _, failed, slow in counts)
