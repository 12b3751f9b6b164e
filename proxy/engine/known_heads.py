"""Response heads that came lately, parsed, and as they were passed on.

Backends say the same again and again, and those of one kind say the same as each
other within a second, until the Date changes. A connection remembers its own last
head; all connections of a worker share what it means, so that of 1,000 backends
one has it parsed, and the others find it in the processor's cache.
"""

from proxy.core.forward import response_bytes
from proxy.core.head.response import ResponseHead, parse_response_head
from proxy.core.rules import HeaderRules

MAX_KNOWN = 256
MAX_KNOWN_BYTES = 2048  # of one of them
MAX_SENT = 16  # renderings of one: by different routes' rules, or with a client's cookie


class KnownHead:
    """`raw` as received. `sent`: by the rules it was rendered with, for a connection that stays."""

    __slots__ = ("parsed", "raw", "sent")

    def __init__(self, raw: bytes) -> None:
        """Raises `BadResponse`."""
        self.raw = raw
        self.parsed: ResponseHead = parse_response_head(raw)
        self.sent: dict[HeaderRules, bytes] = {}

    def render(self, rules: HeaderRules) -> bytes:
        if len(self.sent) == MAX_SENT:
            self.sent.clear()
        parsed = self.parsed
        head = response_bytes(parsed, rules, connection=b"", chunked=parsed.chunked)
        self.sent[rules] = head
        return head


class KnownHeads:
    """A worker's."""

    def __init__(self) -> None:
        self._known: dict[bytes, KnownHead] = {}

    def parse(self, raw: bytes) -> KnownHead:
        """Raises `BadResponse`."""
        known = self._known.get(raw)
        if known is None:
            known = KnownHead(raw)
            if len(self._known) == MAX_KNOWN:
                self._known.clear()
            if len(raw) <= MAX_KNOWN_BYTES:
                self._known[raw] = known
        return known
