"""Keys made from the installation's secret, one for each purpose.

What is signed for one purpose is then worth nothing for another, and no key
tells anything of the secret or of the other keys.
"""

import hmac


def derive_key(secret: str, purpose: str) -> bytes:
    """32 bytes: the same on every machine that has the same secret. ValueError if there is none.

    Without that error everybody could sign: the key of an empty secret is no secret.
    """
    if not secret:
        raise ValueError("There is no secret to make a key from: set LB_SECRET_KEY.")
    return hmac.digest(secret.encode(), f"lbsite:{purpose}".encode(), "sha256")
