"""Snapshots to bytes and back: one encoding for equal contents, none for what cannot be run."""

import hashlib
from typing import Any

import msgspec

from pool.bus import MALFORMED
from pool.snapshot.configuration import FORMAT, PoolSpec, RouteSpec, Snapshot
from pool.snapshot.spec import Spec

_Content = tuple[tuple[PoolSpec, ...], tuple[RouteSpec, ...]]


class SnapshotError(ValueError):
    """Bytes that are not a snapshot this version can run."""


def build(number: int, pools: tuple[PoolSpec, ...], routes: tuple[RouteSpec, ...]) -> Snapshot:
    """A snapshot with its hash filled in, and with one encoding for equal contents."""
    # Through the codec once: an int where a float belongs is read back as another text.
    content = msgspec.json.decode(msgspec.json.encode((pools, routes)), type=_Content)
    pools, routes = _canonical(content)
    return Snapshot(
        number=number, pools=pools, routes=routes, content_hash=_content_hash(pools, routes)
    )


def _canonical(value: Any) -> Any:
    """`value` with each default as the struct's own object, since msgspec compares by identity.

    An equal one, read from a database for example, would be written out.
    """
    if isinstance(value, tuple):
        return tuple(map(_canonical, value))
    if not isinstance(value, Spec):
        return value
    names, defaults = value.__struct_fields__, value.__struct_defaults__
    default_of = dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
    items = {name: _canonical(getattr(value, name)) for name in names}
    return type(value)(
        **{
            name: item
            for name, item in items.items()
            if name not in default_of or item != default_of[name]
        }
    )


def encode(snapshot: Snapshot) -> bytes:
    return msgspec.json.encode(snapshot, order="deterministic")


def decode(data: bytes) -> Snapshot:
    """The snapshot in `data`; SnapshotError if it is malformed, damaged or of another format."""
    try:
        snapshot = msgspec.json.decode(data, type=Snapshot)
    except MALFORMED as error:
        raise SnapshotError(f"not a snapshot: {error}") from error
    if snapshot.format != FORMAT:
        raise SnapshotError(f"snapshot format {snapshot.format}, this version reads {FORMAT}")
    if snapshot.content_hash != _content_hash(snapshot.pools, snapshot.routes):
        raise SnapshotError(f"snapshot {snapshot.number} does not match its hash")
    return snapshot


def _content_hash(pools: tuple[PoolSpec, ...], routes: tuple[RouteSpec, ...]) -> str:
    """SHA-256, in hex, of the content in its canonical encoding."""
    return hashlib.sha256(msgspec.json.encode((pools, routes), order="deterministic")).hexdigest()
