"""What the methods of requests promise."""

# RFC 9110 §9.2.2: sending one of these twice is meant to have the effect of sending it once.
IDEMPOTENT = frozenset([b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"])
