"""What clients are told apart by where equal requests go to the same backend. No Django in here."""

from enum import StrEnum
from typing import NamedTuple

from pool.header_rules import normalise_token

# The algorithms of our own that choose by key, and are nothing without one.
BY_KEY = frozenset({"maglev", "ring_hash"})


class HashSource(StrEnum):
    CLIENT_IP = "client_ip"
    PATH = "path"
    HEADER = "header"
    COOKIE = "cookie"
    QUERY = "query"


class HashKey(NamedTuple):
    source: HashSource
    name: str = ""  # of the header field (in lower case), cookie or query parameter

    def __str__(self) -> str:
        return f"{self.source}:{self.name}" if self.name else str(self.source)


_PLAIN = (HashSource.CLIENT_IP, HashSource.PATH)
_FORMS = "Write client_ip, path, header:NAME, cookie:NAME or query:NAME."


def parse(text: str) -> HashKey:
    """ValueError with the fix if `text` is none."""
    word, colon, name = text.strip().partition(":")
    try:
        source = HashSource(word.strip().lower())
    except ValueError:
        raise ValueError(_FORMS) from None
    if (source in _PLAIN) is bool(colon):
        raise ValueError(_FORMS)
    if source in _PLAIN:
        return HashKey(source)
    if source is HashSource.QUERY:
        # As it stands in the URL: the edge compares it without decoding.
        if not name.strip() or any(c in name for c in "&=#? ") or not name.isprintable():
            raise ValueError("Write the parameter's name as it stands in the URL, as in query:id.")
        return HashKey(source, name.strip())
    name = normalise_token(name)
    return HashKey(source, name.lower() if source is HashSource.HEADER else name)
