"""What tells two secrets apart without telling either. No Django in here."""

import hmac


def fingerprint(secret: str) -> str:
    """16 hexadecimal digits; empty if there is no secret."""
    if not secret:
        return ""
    return hmac.digest(secret.encode(), b"lbsite:fingerprint", "sha256").hex()[:16]
