"""What a pool's circuit settings come to, where that may surprise who made them."""

from pool.choices import CircuitMode
from pool.circuits.records import terms_of
from pool.snapshot import PoolSpec


def advise(pool: PoolSpec) -> list[str]:
    """Sentences for the operator; none if the settings mean what they say."""
    policy, size = pool.circuit, len(pool.backends)
    if policy.mode is CircuitMode.OFF:
        return []
    return [*_on_the_limit(pool, size), *_on_the_minimum(pool)]


def _on_the_limit(pool: PoolSpec, size: int) -> list[str]:
    percent, limit = pool.circuit.max_open, terms_of(pool).limit
    if not percent:
        return ["circuit_max_open is 0: no circuit ever opens, whatever fails."]
    if size and limit >= size:
        who = "The only backend's circuit" if size == 1 else f"The circuits of all {size} backends"
        return [f"{who} may be open at once: requests are answered with 503 then."]
    if size and percent * size < 100:
        return [f"{percent} % of {size} backends is less than one: one circuit may be open."]
    return []


def _on_the_minimum(pool: PoolSpec) -> list[str]:
    policy = pool.circuit
    if policy.mode is CircuitMode.CONSECUTIVE:
        return []
    rate = policy.minimum_calls / policy.window
    asked = f"{policy.minimum_calls} in {policy.window:g} s (circuit_minimum_calls)"
    return [f"A backend that gets fewer than {asked}, {rate:g} a second, is never judged."]
