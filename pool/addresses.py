"""The written forms of origins, hosts, paths and status ranges, checked and normalised.

Pure functions from text to normalised text (or a `ValueError` whose message
names the fix), so that two spellings of the same thing are stored as one, and
the edge never meets a form that two parsers read differently. No Django in here.
"""

import ipaddress
import re
import string
from functools import lru_cache
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
UNIX = "unix:"
HOST_OF_BACKEND = "backend"
MAX_SOCKET_PATH = 100  # bytes; sockaddr_un has room for 108 on Linux, 104 on BSD and macOS

_PORT = re.compile(r"[0-9]{1,5}")
# RFC 1123 §2.1 host names; "_" too, because container platforms hand out such names.
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_LOOKS_LIKE_IPV4 = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_VISIBLE_ASCII = re.compile(r"[!-~]+")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ENCODED_DOT_OR_SLASH = re.compile(r"%(?:2e|2f|5c)", re.IGNORECASE)
_OCTET = re.compile(rb"%[0-9A-Fa-f]{2}")
_UNRESERVED = frozenset(b"-._~" + (string.ascii_letters + string.digits).encode())
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._]+")
_STATUS_RANGE = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?")


def normalise_origin(text: str) -> str:
    """An origin server's URL, `scheme://host[:port]`, in lower case and with nothing after it.

    Or `unix:/path` for one that listens on a unix socket of the edge's machine.
    The text is never repeated in an error: it may hold a password.
    """
    text = text.strip()
    if not _VISIBLE_ASCII.fullmatch(text) or "\\" in text:
        raise ValueError(
            "Use ASCII without spaces or backslashes; write an international name as its "
            "A-label (xn--…)."
        )
    if text[: len(UNIX)].lower() == UNIX:
        return UNIX + _normalise_socket_path(text[len(UNIX) :])
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in DEFAULT_PORTS:
        raise ValueError(
            "Start with http:// or https://, for example http://10.0.0.5:8080, or with unix: for "
            "a socket, for example unix:/run/app.sock."
        )
    if "@" in rest:
        raise ValueError("Remove the user name and password: this URL must not hold them.")
    if "?" in rest or "#" in rest:
        raise ValueError("Remove the query or fragment: only scheme, host and port belong here.")
    authority, _, path = rest.partition("/")
    if path:
        raise ValueError("Remove the path: only scheme, host and port belong here.")
    return f"{scheme.lower()}://{_normalise_authority(authority)}"


def socket_path(origin: str) -> str:
    """The path of a normalised origin on a unix socket, "" for any other one."""
    return origin.removeprefix(UNIX) if origin.startswith(UNIX) else ""


def origin_host_and_port(origin: str) -> tuple[str, int]:
    """Host and port of a normalised origin on the network; the scheme's own port if it names none.

    Ask `socket_path` first where the origin may be a unix socket, which has neither.
    """
    parts = urlsplit(origin)
    return parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]


def move_origin(origin: str, scheme: str = "", port: int = 0) -> str:
    """The host of a normalised origin by another scheme and at another port; "" and 0 are its own.

    A port that it names stays with another scheme. A unix socket has neither, and stays.
    """
    if socket_path(origin):
        return origin
    parts = urlsplit(origin)
    host = parts.hostname or ""
    authority = f"[{host}]" if ":" in host else host
    port = port or parts.port or 0
    return f"{scheme or parts.scheme}://{authority}{f':{port}' if port else ''}"


def short_name(origin: str) -> str:
    """A name for a normalised origin, of letters, digits, dots, hyphens and underscores."""
    where = socket_path(origin) or "{}-{}".format(*origin_host_and_port(origin))
    return _NOT_IN_NAMES.sub("-", where).strip("-._")


def normalise_host_header(text: str) -> str:
    """What a backend gets as Host: "" (the client's), "backend" (its own), else host[:port]."""
    text = text.strip().lower()
    if text in ("", HOST_OF_BACKEND):
        return text
    if not _VISIBLE_ASCII.fullmatch(text) or any(character in text for character in "/\\@?#"):
        raise ValueError(
            "Give a host with or without a port, as in app.internal:8080, without scheme or path; "
            "or \"backend\" for the backend's own; or leave it empty for the client's."
        )
    return _normalise_authority(text)


def normalise_server_name(text: str) -> str:
    """The name in a TLS certificate: a host name or an address, without a port."""
    text = text.strip().lower().removesuffix(".")
    if not text:
        return ""
    if text.startswith("[") or text.count(":") > 1:
        return _normalise_ipv6(text if text.startswith("[") else f"[{text}]")[1:-1]
    if ":" in text or "/" in text:
        raise ValueError("Give the name alone, without scheme, port or path.")
    return _normalise_name(text)


def normalise_host(text: str) -> str:
    """A route's host: "" (any), an exact name or address, or "*.example.com"."""
    text = text.strip().lower()
    if text == "*":
        raise ValueError("Leave the host empty to match any host.")
    if not text:
        return ""
    if text.startswith("*."):
        return f"*.{_normalise_name(text[2:].removesuffix('.'))}"
    if "*" in text:
        raise ValueError('Write a wildcard as "*." and a domain, as in "*.example.com".')
    if text.startswith("["):
        return _normalise_ipv6(text)
    if ":" in text or "/" in text:
        raise ValueError("Give the host alone, without scheme, port or path.")
    return _normalise_name(text.removesuffix("."))


def normalise_path_prefix(text: str) -> str:
    """A route's path prefix: starts with "/", has no trailing "/", and can be read in one way only.

    What RFC 3986 §6.2.2 would normalise away ("//" apart), servers disagree
    about; such a prefix would match something else than its author means.
    """
    text = text.strip()
    if not text.startswith("/"):
        raise ValueError('Start the path with "/".')
    if "?" in text or "#" in text:
        raise ValueError("Remove the query or fragment: routes match the path only.")
    if not _VISIBLE_ASCII.fullmatch(text) or "\\" in text or _BAD_PERCENT.search(text):
        raise ValueError("Write spaces, backslashes, % and non-ASCII characters percent-encoded.")
    if "//" in text:
        raise ValueError('Remove the empty segment: "//" is not allowed.')
    if _ENCODED_DOT_OR_SLASH.search(text):
        raise ValueError("Remove the encoded dot, slash or backslash (%2e, %2f, %5c).")
    if any(segment in (".", "..") for segment in text.split("/")):
        raise ValueError('Remove the segments "." and "..".')
    return normalise_encoding(text.encode("ascii")).decode("ascii").removesuffix("/") or "/"


def normalise_encoding(path: bytes) -> bytes:
    """The one spelling of all that differ in their percent-encoding (RFC 3986 §6.2.2)."""
    return _OCTET.sub(_normal_octet, path) if b"%" in path else path


def _normal_octet(match: re.Match[bytes]) -> bytes:
    octet = int(match[0][1:], 16)
    return bytes([octet]) if octet in _UNRESERVED else match[0].upper()


def normalise_request_target(text: str) -> str:
    """A path to ask a backend for, with a query if wanted: the origin-form of RFC 9112 §3.2.1."""
    text = text.strip()
    if not text.startswith("/"):
        raise ValueError('Start the path with "/".')
    if not _VISIBLE_ASCII.fullmatch(text) or "#" in text:
        raise ValueError("Use ASCII without spaces or a fragment; percent-encode the rest.")
    return text


def parse_status_ranges(text: str) -> tuple[range, ...]:
    """The ranges in "200-299,304", each usable with `in`."""
    ranges = []
    for part in text.split(","):
        match = _STATUS_RANGE.fullmatch(part.strip())
        if match is None:
            raise ValueError('Write statuses from 100 to 599 and ranges, as in "200-299,304".')
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(f"Turn the range {first}-{last} around: {last}-{first}.")
        ranges.append(range(first, last + 1))
    return tuple(ranges)


@lru_cache(maxsize=256)
def statuses_in(text: str) -> frozenset[int]:
    """All that the ranges hold; none in "". Kept: a thousand backends have the same few."""
    ranges = parse_status_ranges(text) if text else ()
    return frozenset(status for part in ranges for status in part)


def normalise_status_ranges(text: str) -> str:
    """The same ranges without spaces."""
    parse_status_ranges(text)
    return "".join(text.split())


def _normalise_socket_path(text: str) -> str:
    path = text[2:] if text.startswith("///") else text  # unix:///path is common
    if not path.startswith("/") or path.startswith("//"):
        raise ValueError("Give the socket's whole path, as in unix:/run/app.sock.")
    if any(character in path for character in "?#%"):
        raise ValueError("Rename the socket: its path must not hold ?, # or %.")
    if any(segment in ("", ".", "..") for segment in path[1:].split("/")):
        raise ValueError('Remove empty segments, "." and ".." from the socket\'s path.')
    if len(path) > MAX_SOCKET_PATH:
        raise ValueError(f"Shorten the socket's path to {MAX_SOCKET_PATH} bytes.")
    return path


def _normalise_authority(authority: str) -> str:
    host, colon, port = authority, "", ""
    if authority.startswith("["):
        literal, bracket, rest = authority.partition("]")
        host, (colon, port) = literal + bracket, (rest[:1], rest[1:])
    elif ":" in authority:
        host, colon, port = authority.rpartition(":")
    host = _normalise_ipv6(host) if host.startswith("[") else _normalise_name(host.lower())
    if not colon and not port:
        return host
    if colon != ":" or not (_PORT.fullmatch(port) and 1 <= int(port) <= 65535):
        raise ValueError("Give a port from 1 to 65535 after the host.")
    return f"{host}:{int(port)}"


def _normalise_name(name: str) -> str:
    """A host name in lower case, or an IPv4 address in its only unambiguous form."""
    if not name.isascii():
        raise ValueError("Write an international name as its A-label (xn--…).")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError(
            "Give a host name (letters, digits, hyphens and dots), an IPv4 address, "
            "or an IPv6 address in brackets."
        )
    if _LOOKS_LIKE_IPV4.fullmatch(name):  # "127.1", "0x7f.1": a resolver takes them for addresses
        try:
            ipaddress.IPv4Address(name)
        except ValueError:
            raise ValueError("Write the IPv4 address as four decimal numbers.") from None
    return name


def _normalise_ipv6(literal: str) -> str:
    if not literal.endswith("]"):
        raise ValueError("Close the IPv6 address with a bracket, as in [::1].")
    try:
        address = ipaddress.IPv6Address(literal[1:-1])
    except ValueError:
        raise ValueError("Give a valid IPv6 address in brackets, as in [2001:db8::5].") from None
    if address.scope_id:
        raise ValueError("Remove the zone (%…) from the IPv6 address.")
    return f"[{address.compressed}]"
