"""How requests ended, and whose they were."""

from typing import Any

from proxy.core.forward import Peer
from proxy.engine.anatomy import Dispatch, End
from proxy.errors import Cause

MS = 1_000_000
PEER = Peer(address=b"192.0.2.7", scheme=b"http", local_authority=b"10.0.0.1:8000")


def answered(request_id: bytes = b"id", **changes: Any) -> End:
    """Queued 1 ms, connected after 2, answered after 4, over after 8."""
    fields: dict[str, Any] = {
        "status": 200,
        "cause": Cause.COMPLETE,
        "bytes_in": 39,
        "bytes_out": 121,
        "started": 10 * MS,
        "ended": 25 * MS,
        "attempts": 1,
        "dispatch": Dispatch(first_try=11 * MS, last_try=11 * MS, sent=13 * MS),
        "responded": 17 * MS,
    }
    return End(request_id=request_id, **fields | changes)
