"""The signed header that asks the edge to explain a live request.

`X-LB-Debug: <expiry>.<signature>`: the expiry in Unix seconds, and an
HMAC-SHA256 of it in URL-safe base64. Whoever has it may see names and figures of
backends until then, whatever the request; it gives no other right.
"""

import hmac
import re
from base64 import urlsafe_b64encode

from proxy.core.secret import derive_key

HEADER = "X-LB-Debug"
MAX_LIFETIME = 24 * 3600  # seconds; one that could be found years later is a hole

_PURPOSE = "lbsite debug header"
_VALUE = re.compile(rb"(\d{1,12})\.([A-Za-z0-9_-]{43})")


class DebugKey:
    """Signs and checks. Its repr shows nothing of the key."""

    __slots__ = ("_key",)

    def __init__(self, secret: str) -> None:
        self._key = derive_key(secret, _PURPOSE)

    def sign(self, expiry: int) -> str:
        """The header's value; `expiry` in Unix seconds."""
        return f"{expiry}.{self._signature(expiry).decode('ascii')}"

    def expiry(self, value: bytes) -> int:
        """Until when a header of this value holds; 0 if it was not signed with this key."""
        match = _VALUE.fullmatch(value)
        if match is None:
            return 0
        expiry = int(match[1])
        return expiry if hmac.compare_digest(match[2], self._signature(expiry)) else 0

    def _signature(self, expiry: int) -> bytes:
        digest = hmac.digest(self._key, b"%d" % expiry, "sha256")
        return urlsafe_b64encode(digest).rstrip(b"=")
