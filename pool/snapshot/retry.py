"""When a request is tried again, or twice at once."""

from pool.snapshot.spec import Spec


class RetryPolicy(Spec, frozen=True):
    """When another backend is tried. `attempts`: all tries of a request; 1 turns retries off.

    `on_statuses`: answers that are tried again, such as "502-504"; "" is none. `budget`:
    percent of the pool's active requests that may be hedges, or retries of what had been
    sent. `try_timeout`: seconds until the response's head, of each try; 0: only the pool's
    time-outs. After `hedge_after` seconds without a head a GET or HEAD goes to a second
    backend as well, and the first head wins; 0: never.
    """

    attempts: int = 3
    on_connect_failure: bool = True
    on_reset: bool = True
    on_statuses: str = ""
    budget: int = 20
    try_timeout: float = 0.0
    hedge_after: float = 0.0
