"""The file of `lb up --config`: a JSON list of backends. Pure: text in, entries or an error out.

[{"id": 1, "host": "127.0.0.1", "port": 8001, "weight": 1},
 {"url": "https://origin.example.com", "name": "origin", "tier": 1}]
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from pool.addresses import normalise_origin, origin_host_and_port

# Whole numbers that are passed on to the backend as they are, with their range.
OPTIONS = {"weight": (0, 1000), "tier": (0, 9), "max_connections": (0, 1_000_000)}
FIELDS = ("id", "name", "url", "host", "port", *OPTIONS)


class ServersFileError(ValueError):
    """Says which entry and field is wrong, and what to write instead."""


@dataclass(frozen=True, kw_only=True)
class ServerEntry:
    """`options` has only what the entry says: what it leaves out stays as it is stored."""

    label: str  # "entry 2 (id 7)": how errors name it
    id: int | None
    name: str
    url: str
    options: dict[str, int] = field(default_factory=dict)


def parse(text: str, name_from_url: Callable[[str], str]) -> list[ServerEntry]:
    try:
        document = json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise ServersFileError(
            f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}"
        ) from error
    except RecursionError as error:
        raise ServersFileError("the JSON is nested too deeply; write a list of objects") from error
    if not isinstance(document, list) or not document:
        raise ServersFileError('write a list of backends: [{"host": "127.0.0.1", "port": 9001}, …]')
    entries = [_entry(index, item, name_from_url) for index, item in enumerate(document, 1)]
    _refuse_duplicates(entries, "id", (entry.id for entry in entries))
    _refuse_duplicates(entries, "name", (entry.name for entry in entries))
    _refuse_duplicates(entries, "url", (entry.url for entry in entries))
    return entries


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON leaves open which of two equal keys counts (RFC 8259 §4); so neither does."""
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ServersFileError(f'"{twice}" is given twice in one entry; keep one')
    return result


def _entry(index: int, item: Any, name_from_url: Callable[[str], str]) -> ServerEntry:
    label = f"entry {index}"
    if not isinstance(item, dict):
        raise ServersFileError(f'{label}: write an object, as {{"host": "10.0.0.5", "port": 80}}')
    if "id" in item:
        identifier = _whole_number(label, item, "id", 0, 2**31)
        label = f"{label} (id {identifier})"
    for key in item:
        if key not in FIELDS:
            raise _error(label, key, f"unknown field; the fields are {', '.join(FIELDS)}")
    url = _url(label, item)
    return ServerEntry(
        label=label,
        id=item.get("id"),
        name=_name(label, item) or name_from_url(url),
        url=url,
        options={
            key: _whole_number(label, item, key, *limits)
            for key, limits in OPTIONS.items()
            if key in item
        },
    )


def _name(label: str, item: dict[str, Any]) -> str:
    """An id names the backend, so that it stays the same one when its address changes."""
    if "name" in item:
        name = _text(label, item, "name")
        if not name:
            raise _error(label, "name", "give a name, or leave the field out")
        return name
    return f"backend-{item['id']}" if "id" in item else ""


def _url(label: str, item: dict[str, Any]) -> str:
    if "url" in item:
        for key in ("host", "port"):
            if key in item:
                raise _error(label, key, 'remove it, or write "host" and "port" without "url"')
        key, origin = "url", _text(label, item, "url")
    else:
        key, host = "host", _text(label, item, "host")
        port = _whole_number(label, item, "port", 1, 65535)
        origin = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    try:
        normalised = normalise_origin(origin)
    except ValueError as error:
        raise _error(label, key, str(error)) from error
    if key == "host" and origin_host_and_port(normalised)[1] != port:
        raise _error(label, "host", 'give the host alone, and the port in "port"')
    return normalised


def _text(label: str, item: dict[str, Any], key: str) -> str:
    if key not in item:
        raise _error(label, key, 'missing; give "host" and "port", or "url"')
    value = item[key]
    if not isinstance(value, str):
        raise _error(label, key, f"write it as text, not {json.dumps(value)}")
    return value.strip()


def _whole_number(label: str, item: dict[str, Any], key: str, low: int, high: int) -> int:
    if key not in item:
        raise _error(label, key, f"missing; give a whole number from {low} to {high}")
    value = item[key]
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _error(
            label, key, f"give a whole number from {low} to {high}, not {json.dumps(value)}"
        )
    return value


def _refuse_duplicates(entries: list[ServerEntry], key: str, values: Iterable[Any]) -> None:
    seen: dict[Any, ServerEntry] = {}
    for entry, value in zip(entries, values, strict=True):
        if value in seen:
            raise _error(
                entry.label,
                key,
                f"{json.dumps(value)} is also that of {seen[value].label}; change one",
            )
        if value is not None:
            seen[value] = entry


def _error(label: str, key: str, problem: str) -> ServersFileError:
    return ServersFileError(f"{label}, {key}: {problem}")
