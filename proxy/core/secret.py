"""Keys made from the installation's secret, one for each purpose.

What is signed for one purpose is then worth nothing for another, and no key
tells anything of the secret or of the other keys.
"""

import hashlib
import hmac


def derive_key(secret: str, purpose: str) -> bytes:
    """32 bytes: the same on every machine that has the same secret."""
    return sign(secret.encode(), f"lbsite:{purpose}".encode())


def sign(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104)."""
    return hmac.digest(key, message, hashlib.sha256)
