"""Response heads; what is wrong with one is its backend's fault."""

from http import HTTPStatus

import gunicorn_h1c
import msgspec

from proxy.core import fields
from proxy.core.fields import OTHER, classify
from proxy.core.head.message import Framing, Headers, check_bytes, is_switchable
from proxy.errors import BadResponse

MAX_RESPONSE_HEAD = 65536

_DROPPED = (fields.HOP_BY_HOP, fields.TE)
_STATUS_LINES = (b"HTTP/1.1 ", b"HTTP/1.0 ")
_AFTER_STATUS = (b" ", b"\r")


class ResponseHead(msgspec.Struct):
    status: int
    reason: bytes
    minor_version: int
    headers: Headers  # end-to-end fields only
    keep_alive: bool
    content_length: int  # -1: not given
    chunked: bool
    upgrade: bytes
    dated: bool  # has a Date


def parse_response_head(raw: bytes) -> ResponseHead:
    """The head in `raw`, which ends with its empty line. Raises `BadResponse`."""
    _check_size(raw)
    check_bytes(raw, BadResponse)
    status, reason, minor_version, received = _split(raw)
    framing = Framing()
    kept: Headers = []
    for header in received:
        field = classify(header[0])
        if field == OTHER or (
            field not in _DROPPED and not framing.take(field, header[1], BadResponse)
        ):
            kept.append(header)
    kept = framing.end_to_end(kept)
    if status == HTTPStatus.UPGRADE_REQUIRED and is_switchable(framing.upgrade):
        # RFC 9110 §15.5.22: it MUST say to what.
        kept += [(b"Connection", b"Upgrade"), (b"Upgrade", framing.upgrade)]
    chunked = _chunked(framing, minor_version)
    keep_alive = framing.keep_alive(minor_version)
    if status < 200 or status == 204:  # RFC 9110 §8.6, RFC 9112 §6.1: they must not have either
        # What was announced may follow all the same: nobody may read it as the next answer.
        keep_alive = keep_alive and framing.content_length <= 0 and not chunked
        framing.content_length, chunked = -1, False
    return ResponseHead(
        status,
        reason,
        minor_version,
        kept,
        keep_alive,
        framing.content_length,
        chunked,
        framing.upgrade,
        b"\r\ndate:" in raw.lower(),
    )


def check_unfinished(buffered: bytes) -> None:
    """Raise if a head that has not ended yet is already too long, or can never be valid.

    Nobody should have to wait until a backend that speaks something else is too slow.
    """
    _check_size(buffered)
    start = buffered[: len(_STATUS_LINES[0])]
    if not any(line.startswith(start) for line in _STATUS_LINES):
        raise BadResponse("Not a response head.")
    if buffered.count(b"\n") != buffered.count(b"\r\n"):
        raise BadResponse("A line ends without CR.")


def _check_size(raw: bytes) -> None:
    if len(raw) > MAX_RESPONSE_HEAD:
        raise BadResponse("The response head is too large.")


def _split(raw: bytes) -> tuple[int, bytes, int, Headers]:
    """(status, reason, minor version, fields)."""
    try:
        parsed = gunicorn_h1c.parse_response(raw)
    except (gunicorn_h1c.ParseError, gunicorn_h1c.IncompleteError) as error:
        raise BadResponse(f"Not a response head: {error}") from error
    status: int = parsed["status"]
    if not raw.startswith(_STATUS_LINES) or raw[12:13] not in _AFTER_STATUS:
        raise BadResponse("Malformed status line.")
    if not 100 <= status <= 599:
        raise BadResponse("A status that HTTP does not have.")
    return status, parsed["message"], parsed["minor_version"], parsed["headers"]


def _chunked(framing: Framing, minor_version: int) -> bool:
    coding = framing.transfer_encoding
    if coding is None:
        return False
    if framing.content_length >= 0:
        raise BadResponse("Both Transfer-Encoding and Content-Length.")
    if coding != b"chunked" or minor_version == 0:
        raise BadResponse("A transfer coding other than chunked.")
    return True
