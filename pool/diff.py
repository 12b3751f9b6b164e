"""What changed between two snapshots, for people and for a rollback. No Django in here."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec

from pool.header_rules import tell_rule
from pool.snapshot import Snapshot, TlsPolicy
from pool.tls import fingerprints

SUMMARY_CHANGES = 3  # a summary is one line of a list; the diff has all of them


class Action(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Kind(StrEnum):
    POOL = "pool"
    BACKEND = "backend"
    ROUTE = "route"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """`fields` maps each field that changed to its old and new value; `id` says which row.

    `pools`: ids of those that it is about; what moves is about two.
    """

    action: Action
    kind: Kind
    id: int
    name: str
    fields: dict[str, tuple[Any, Any]] = {}
    pools: tuple[int, ...] = ()

    def __str__(self) -> str:
        text = f"{self.kind} {self.name} {self.action}"
        if not self.fields:
            return text
        values = (f"{name} {_show(old)} → {_show(new)}" for name, (old, new) in self.fields.items())
        return f"{text}: {', '.join(values)}"


class _Item(msgspec.Struct, frozen=True):
    name: str
    fields: dict[str, Any]


_Items = dict[tuple[Kind, int], _Item]


def compare(old: Snapshot, new: Snapshot) -> list[Change]:
    """The changes from `old` to `new`: pools, then backends, then routes."""
    before, after = dict(_items(old)), dict(_items(new))
    keys = sorted(before.keys() | after.keys(), key=lambda key: (list(Kind).index(key[0]), key[1]))
    return [change for key in keys if (change := _compare(key, before, after))]


def summarise(changes: list[Change]) -> str:
    """One line for a list of revisions."""
    if not changes:
        return "Nothing changed"
    shown = "; ".join(str(change) for change in changes[:SUMMARY_CHANGES])
    more = len(changes) - SUMMARY_CHANGES
    return f"{shown}; and {more} more" if more > 0 else shown


def _compare(key: tuple[Kind, int], before: _Items, after: _Items) -> Change | None:
    kind, row_id = key
    old, new = before.get(key), after.get(key)
    pools = _pools(key, old, new)
    if new is None:
        name = before[key].name
        return Change(action=Action.REMOVED, kind=kind, id=row_id, name=name, pools=pools)
    if old is None:
        return Change(action=Action.ADDED, kind=kind, id=row_id, name=new.name, pools=pools)
    names = {**old.fields, **new.fields}
    pairs = {name: (old.fields.get(name), new.fields.get(name)) for name in names}
    fields = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    if "pool" in fields:
        fields["pool"] = _names(Kind.POOL, fields["pool"], before, after)
    if "backup_of" in fields:
        fields["backup_of"] = _names(Kind.BACKEND, fields["backup_of"], before, after)
    if not fields:
        return None
    return Change(
        action=Action.CHANGED, kind=kind, id=row_id, name=new.name, fields=fields, pools=pools
    )


def _pools(key: tuple[Kind, int], *items: _Item | None) -> tuple[int, ...]:
    kind, row_id = key
    if kind is Kind.POOL:
        return (row_id,)
    return tuple(sorted({item.fields["pool"] for item in items if item}))


def _items(snapshot: Snapshot) -> Iterator[tuple[tuple[Kind, int], _Item]]:
    """`pool` of a backend or route is an id here: a renamed pool is not another pool."""
    names = {pool.id: pool.name for pool in snapshot.pools}
    for pool in snapshot.pools:
        yield (Kind.POOL, pool.id), _Item(pool.name, _flatten(pool))
        for backend in pool.backends:
            fields = _flatten(backend) | {"pool": pool.id}
            yield (Kind.BACKEND, backend.id), _Item(f"{pool.name}/{backend.name}", fields)
    for route in snapshot.routes:
        fields = _flatten(route)
        fields["pool"] = fields.pop("pool_id")
        name = f"{route.host or '*'}{route.path_prefix} → {names.get(route.pool_id, '?')}"
        yield (Kind.ROUTE, route.id), _Item(name, fields)


def _flatten(spec: msgspec.Struct) -> dict[str, Any]:
    """Fields by name, those of policies as "health.interval"; without id and backends.

    What takes many lines is written as people compare it.
    """
    if isinstance(spec, TlsPolicy):
        return msgspec.structs.asdict(spec) | {"ca": fingerprints(spec.ca)}
    flat: dict[str, Any] = {}
    for name, value in msgspec.structs.asdict(spec).items():
        if isinstance(value, msgspec.Struct):
            flat |= {f"{name}.{inner}": item for inner, item in _flatten(value).items()}
        elif name in ("request_rules", "response_rules", "headers"):
            flat[name] = value if value is None else [tell_rule(rule) for rule in value]
        elif name not in ("id", "backends"):
            flat[name] = value
    return flat


def _names(kind: Kind, ids: tuple[Any, Any], before: _Items, after: _Items) -> tuple[Any, Any]:
    """What rows are called; an id of 0 is none."""
    old, new = ids
    return (
        before[kind, old].name if old else None,
        after[kind, new].name if new else None,
    )


def _show(value: Any) -> str:
    return value if isinstance(value, str) and value else msgspec.json.encode(value).decode()
