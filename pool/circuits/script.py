"""The script that moves circuits in Redis on: what goes into a call, and what comes out."""

from functools import lru_cache
from importlib import resources

import msgspec

from pool.bus import (
    CIRCUIT_CHANNEL,
    CIRCUITS_KEY,
    EVENTS_STREAM,
    LONE_CHANGES,
    OUT_CIRCUITS_KEY,
)
from pool.circuits.records import Circuit, Operation, Terms, Told


def source() -> str:
    return resources.files(__package__).joinpath("circuit.lua").read_text()


def as_function(name: str) -> str:
    """The source as a function of KEYS and ARGV, for a script in which it is one of the steps."""
    return f"local function {name}(KEYS, ARGV)\n{source()}\nend\n"


def keys(terms: Terms) -> list[str]:
    pool_id = terms.pool_id
    return [CIRCUITS_KEY, OUT_CIRCUITS_KEY % pool_id, EVENTS_STREAM, LONE_CHANGES % pool_id]


def arguments(
    backend_id: int, operation: Operation, terms: Terms, now: float
) -> list[str | bytes | float]:
    return [
        str(backend_id),
        now,
        msgspec.json.encode(operation),
        _encode_terms(terms),
        CIRCUIT_CHANNEL,
    ]


@lru_cache(maxsize=256)
def _encode_terms(terms: Terms) -> bytes:
    # Not as the snapshot has it: that leaves defaults out, and the script knows none.
    policy = msgspec.structs.asdict(terms.policy)
    return msgspec.json.encode(msgspec.structs.asdict(terms) | {"policy": policy})


def read_reply(reply: list[bytes]) -> tuple[Circuit, list[Told]]:
    circuit, *told = reply
    return read_circuit(circuit), [msgspec.json.decode(one, type=Told) for one in told]


def read_circuit(record: bytes) -> Circuit:
    """The circuit in `record`; raises `MALFORMED`."""
    return msgspec.json.decode(record, type=Circuit)
