"""What is counted and noted of a request once it has ended."""

from typing import TYPE_CHECKING

from proxy.engine.anatomy import STRAIGHT, End
from proxy.errors import Cause

if TYPE_CHECKING:
    from proxy.engine.transaction import Transaction
    from proxy.engine.tries import Tries

_SERVER_ERROR = 500  # and above
_COMPLETE = Cause.COMPLETE


def settle(
    transaction: "Transaction", status: int, tries: "Tries | None", *, aborted: bool
) -> None:
    """`tries`: what it had of them. The clock has to be right."""
    attempts = transaction.exchange.attempts
    if tries is not None:
        attempts -= tries.hedged
    edge, body = transaction.edge, transaction.body
    bytes_in = len(transaction.prepared.raw) + (body.received if body is not None else 0)
    edge.counters.request(
        transaction.route,
        transaction.backend,
        status,
        attempts=attempts,
        bytes_in=bytes_in,
        bytes_out=transaction.bytes_out,
        duration=((transaction.switched or edge.clock.now) - transaction.started) // 1000,
        first_byte=transaction.first_byte,
        aborted=aborted,
    )
    notable = status >= _SERVER_ERROR or attempts > 1 or transaction.cause is not _COMPLETE
    if notable or edge.ends.listening:
        edge.ends.add(
            _end_of(transaction, status, bytes_in, tries), transaction.prepared, notable=notable
        )


def _end_of(transaction: "Transaction", status: int, bytes_in: int, tries: "Tries | None") -> End:
    backend = transaction.backend
    return End(
        request_id=transaction.request_id,
        status=status,
        cause=transaction.cause,
        bytes_in=bytes_in,
        bytes_out=transaction.bytes_out,
        started=transaction.started,
        ended=transaction.edge.clock.now,
        backend=backend,
        in_flight=backend.in_flight if backend is not None else 0,
        attempts=transaction.exchange.attempts,
        dispatch=tries.dispatch if tries is not None else STRAIGHT,
        responded=transaction.responded,
    )
