"""Header fields an intermediary must know, sorted by what it does with them."""

# What a field is to a proxy. Plain integers: an Enum's attribute access would cost
# as much as the rest of the look-up, for each field of each head.
OTHER = 0  # passed on untouched
HOP_BY_HOP = 1
CONNECTION = 2
CONTENT_LENGTH = 3
TRANSFER_ENCODING = 4
HOST = 5
EXPECT = 6
UPGRADE = 7
TE = 8
FORWARDING = 9  # said by a proxy of the request it forwards: set anew
REQUEST_ID = 10
VIA = 11
ACCEPT = 12
FOLDED = 13  # a line that continues the one before it: the parser gives it no name
DEBUG = 14  # for the edge alone

_KNOWN = {
    b"": FOLDED,
    b"connection": CONNECTION,
    b"content-length": CONTENT_LENGTH,
    b"transfer-encoding": TRANSFER_ENCODING,
    b"host": HOST,
    b"expect": EXPECT,
    b"upgrade": UPGRADE,
    b"te": TE,
    b"accept": ACCEPT,
    b"via": VIA,
    b"x-request-id": REQUEST_ID,
    b"x-lb-debug": DEBUG,
    # RFC 9110 §7.6.1, and Proxy-Connection, which some clients still send.
    b"keep-alive": HOP_BY_HOP,
    b"proxy-connection": HOP_BY_HOP,
    b"proxy-authenticate": HOP_BY_HOP,
    b"proxy-authorization": HOP_BY_HOP,
    b"proxy": HOP_BY_HOP,  # no field at all: CGI backends would take it for HTTP_PROXY (httpoxy)
    b"http2-settings": HOP_BY_HOP,  # goes with the h2c upgrade, which is never passed on
    b"trailer": HOP_BY_HOP,
    b"forwarded": FORWARDING,
    b"x-forwarded-for": FORWARDING,
    b"x-forwarded-proto": FORWARDING,
    b"x-forwarded-host": FORWARDING,
    b"x-forwarded-port": FORWARDING,
    b"x-forwarded-prefix": FORWARDING,
    b"x-real-ip": FORWARDING,
}

# Fields that frame or route the message: they have no place in a trailer section
# (RFC 9110 §6.5.1), and a `Connection` field must not name them, or the next hop
# would see another message than this one.
PROTECTED = frozenset(
    [b"content-length", b"transfer-encoding", b"host", b"connection", b"upgrade", b"te", b"expect"]
)

_FORBIDDEN_TRAILERS = PROTECTED | {
    b"trailer",
    b"content-encoding",
    b"content-type",
    b"content-range",
    b"authorization",
    b"cookie",
    b"set-cookie",
    b"x-request-id",
    b"x-lb-debug",
    b"via",
    *(name for name, field in _KNOWN.items() if field is FORWARDING),
}

# Spelling as received → field. Peers spell the same few names over and over, so
# that the lower-casing is paid once; bounded because names are the peer's choice.
_spellings: dict[bytes, int] = {}
_MAX_SPELLINGS = 2048
_MAX_SPELLING = 64  # bytes: a name may be as long as a head, and would be kept for good


def classify(name: bytes) -> int:
    """What `name`, in any case, is to a proxy."""
    known = _spellings.get(name)
    if known is not None:
        return known
    lowered = name.lower()
    field = _KNOWN.get(lowered, OTHER)
    if field is OTHER and b"_" in lowered and _is_alias(lowered):
        field = HOP_BY_HOP
    if len(_spellings) < _MAX_SPELLINGS and len(name) <= _MAX_SPELLING:
        _spellings[name] = field
    return field


def _is_alias(name: bytes) -> bool:
    """Whether CGI and WSGI backends take `name` for one of the fields set here.

    They map both "-" and "_" to "_", so that X_Forwarded_For would pass for the
    trusted field; nginx drops every underscore for this reason.
    """
    return _KNOWN.get(name.replace(b"_", b"-"), OTHER) is not OTHER


def may_be_trailer(name: bytes) -> bool:
    """Whether `name` has a place in a trailer section, by any spelling that a backend may use."""
    return name.lower().replace(b"_", b"-") not in _FORBIDDEN_TRAILERS
