"""Whether a request may be tried again (RFC 9110 §9.2.2)."""

from pool.snapshot import RetryPolicy
from proxy.errors import Blame, ProxyError

MAX_REPLAY_BODY = 65536  # bytes kept for a second try; a larger body is sent once


def may_retry(
    policy: RetryPolicy, error: ProxyError, *, attempts: int, idempotent: bool, replayable: bool
) -> bool:
    """Whether a try that failed with `error` may be followed by another one.

    `attempts` counts the tries so far. `replayable`: nothing of a response has
    been passed on, and all that was sent of the request is still at hand.
    """
    if error.blame is not Blame.BACKEND or not replayable:
        return False
    if attempts >= policy.attempts:
        return False
    # A method that is not idempotent is sent again only if it cannot have arrived.
    return idempotent or error.nothing_sent
