"""Whether a request may be tried again (RFC 9110 §9.2.2), and how soon."""

from collections.abc import Callable

from pool.snapshot import RetryPolicy
from proxy.errors import Blame, Cause, ProxyError

MAX_REPLAY_BODY = 65536  # bytes kept for a second try; a larger body is sent once

_STEP = 0.025  # seconds
_LONGEST = 0.25
_DOUBLINGS = 30  # after which nearly all are cut to that; a float has an end


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
    if error.nothing_sent:
        return policy.on_connect_failure
    return idempotent and (policy.on_reset or error.cause is not Cause.BACKEND_RESET)


def backoff(retry: int, error: ProxyError, chance: Callable[[], float]) -> float:
    """Seconds until the `retry`th retry (1 is the first) after a try that failed with `error`.

    Envoy's: uniform below (2ⁿ - 1) · 25 ms, so that what failed together does not come
    back together. A connection that could not be made has cost its backend nothing, and
    the retry goes to another one.
    """
    if error.nothing_sent:
        return 0.0
    doubled = 2.0 ** min(retry, _DOUBLINGS)
    return min(chance() * (doubled - 1) * _STEP, _LONGEST)
