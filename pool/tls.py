"""Whom to trust when a backend speaks TLS: the operator's certificates, and contexts of them.

Django-free: the control plane checks with it, and whoever connects uses it.
"""

import hashlib
import re
import ssl

MAX_CA_BYTES = 64 * 1024  # it travels with every snapshot

_BEGIN = re.compile(r"-----BEGIN ([^\n-]*)-----")
_CERTIFICATE = re.compile(
    r"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----"
)
# Every key's label has these words (RFC 7468 §10 and §11, RFC 1421, OpenSSH, PGP), however
# mangled the rest of the line may be.
_PRIVATE_KEY = re.compile(r"PRIVATE\s+KEY", re.IGNORECASE)


def holds_private_key(text: str) -> bool:
    return _PRIVATE_KEY.search(text) is not None


def normalise_certificates(text: str) -> str:
    """The certificates of `text` in PEM, without the notes that may stand between them.

    Each was loaded. The text is never repeated in an error: it may hold a key.
    """
    text = text.strip().replace("\r\n", "\n")
    if not text:
        return ""
    if holds_private_key(text):
        raise ValueError(
            "Remove the private key: only certificates belong here. Nothing of it was stored; "
            "if others could see it, replace it."
        )
    if len(text) > MAX_CA_BYTES:
        raise ValueError(
            f"Shorten it to {MAX_CA_BYTES} bytes: give the authorities of these backends only."
        )
    for label in _BEGIN.findall(text):
        if label != "CERTIFICATE":
            raise ValueError("Remove all but the certificates (BEGIN CERTIFICATE).")
    blocks = _CERTIFICATE.findall(text)
    if not blocks or len(blocks) != len(_BEGIN.findall(text)):
        raise ValueError(
            "Give certificates in PEM, each whole from -----BEGIN CERTIFICATE----- to "
            "-----END CERTIFICATE-----."
        )
    return "".join(_load(number, block) for number, block in enumerate(blocks, 1))


def fingerprints(certificates: str) -> list[str]:
    """What to show of normalised certificates: the SHA-256 of each, as browsers show it."""
    ders = map(ssl.PEM_cert_to_DER_cert, _CERTIFICATE.findall(certificates))
    return [f"SHA-256 {hashlib.sha256(der).hexdigest()}" for der in ders]


def client_context(verify: bool = True, ca: str = "") -> ssl.SSLContext:
    """TLS 1.2 or newer; servers are verified against `ca`, else the system's authorities.

    A new one, which HTTP libraries may change to their needs. Keep it: loading a trust
    store takes milliseconds.
    """
    context = ssl.create_default_context(cadata=ca or None)
    # Debian's Python leaves it to the system's configuration of OpenSSL.
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _load(number: int, block: str) -> str:
    try:
        der = ssl.PEM_cert_to_DER_cert(block)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=der)
    except (ValueError, ssl.SSLError) as error:
        message = f"Certificate {number} cannot be read: copy it again, whole."
        raise ValueError(message) from error
    return ssl.DER_cert_to_PEM_cert(der)
