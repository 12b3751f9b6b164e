"""How many requests a route takes: the generic cell rate algorithm (GCRA), ITU-T I.371.

A counter has one number, the time at which all that was taken would have been due at
the even rate. It may lie ahead of now by as much as may come at once. That is a token
bucket without anything to refill.

Counters stand in a table of a fixed size that all workers of a machine have in common:
a mebibyte for 65,536 of them, however many clients come. It takes no lock. Two workers
that take from one counter in the same microsecond may both get what was one request.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

from pool.snapshot import RateLimitPolicy
from proxy.core.words import Words

SLOTS = 65536
WORDS = 2 * SLOTS  # of a table: for each slot whose it is, and its counter
_WAYS = 4  # slots that a counter may be in
_SECOND = 1_000_000_000


def tag_of(route_id: int, key: bytes) -> int:
    """What a key's counter goes by: 64 bits, and never 0. It does not tell the key."""
    digest = blake2b(key, digest_size=8, key=route_id.to_bytes(8, "big")).digest()
    return int.from_bytes(digest, "big") or 1


class Verdict(NamedTuple):
    """Seconds are rounded up. `wait`: until one more is taken; 0: this one was."""

    remaining: int
    reset: int  # seconds until all of `limit` may come at once
    wait: int


class RateLimit:
    """One route's. Times are nanoseconds of a clock that all workers of the machine share.

    `told` hears of each request that was taken, by its tag; None where nobody asks.
    """

    __slots__ = ("_ahead", "_interval", "_words", "limit", "policy", "route_id", "told")

    def __init__(self, route_id: int, policy: RateLimitPolicy, words: Words) -> None:
        self.route_id = route_id
        self.policy = policy
        self.limit = policy.burst or policy.requests
        self._interval = max(1, round(policy.period * _SECOND / policy.requests))
        self._ahead = self._interval * (self.limit - 1)
        self._words = words
        self.told: Callable[[int], None] | None = None

    def take(self, tag: int, now: int) -> bool:
        """Whether one more request may go on."""
        words = self._words
        slot = self._find(tag, now)
        due = self._due(words[slot + 1], now)
        if due - now > self._ahead:
            return False
        words[slot] = tag
        words[slot + 1] = due + self._interval
        if self.told is not None:
            self.told(tag)
        return True

    def look(self, tag: int, now: int) -> Verdict:
        """What a client is told of its counter."""
        debt = self._due(self._words[self._find(tag, now) + 1], now) - now
        room = self._ahead + self._interval - debt
        return Verdict(
            remaining=max(0, room // self._interval),
            reset=_seconds(debt),
            wait=_seconds(debt - self._ahead),
        )

    def learn(self, tag: int, debt: int, now: int) -> None:
        """Others have taken too: all together are `debt` nanoseconds ahead."""
        slot = self._find(tag, now)
        if now + debt > self._due(self._words[slot + 1], now):
            self._words[slot] = tag
            self._words[slot + 1] = now + debt

    @property
    def terms(self) -> tuple[int, int]:
        """Nanoseconds: what one request adds to a debt, and how large that may become."""
        return self._interval, self._ahead + self._interval

    def _due(self, due: int, now: int) -> int:
        """What a counter says, unless it is from before the machine was started, or changed."""
        return due if now < due <= now + 2 * (self._ahead + self._interval) else now

    def _find(self, tag: int, now: int) -> int:
        """The slot of `tag`, or else the one whose counter has run out first, empty."""
        words = self._words
        first = 2 * (tag % (SLOTS // _WAYS)) * _WAYS
        oldest, least = first, None
        for slot in range(first, first + 2 * _WAYS, 2):
            if words[slot] == tag:
                return slot
            if least is None or words[slot + 1] < least:
                oldest, least = slot, words[slot + 1]
        words[oldest] = tag
        words[oldest + 1] = 0
        return oldest


def _seconds(nanoseconds: int) -> int:
    return max(0, -(-nanoseconds // _SECOND))


def fields_of(limit: RateLimit, verdict: Verdict) -> str:
    """Lines of the answer's head, each with CRLF.

    The three fields of the drafts up to draft-ietf-httpapi-ratelimit-headers-07, which
    clients know. What that draft has made of them since has changed with each version.
    """
    return (
        f"Retry-After: {max(1, verdict.wait)}\r\n"
        f"RateLimit-Limit: {limit.limit}\r\n"
        f"RateLimit-Remaining: {verdict.remaining}\r\n"
        f"RateLimit-Reset: {max(1, verdict.reset)}\r\n"
    )
