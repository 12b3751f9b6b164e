"""The difference between two snapshots as a table that a person can read."""

from typing import Any

import msgspec
from django.utils.safestring import SafeString

from pool.admin.badges import BLUE, GREEN, RED, badge
from pool.admin.field_labels import field_label
from pool.diff import Action, Change

_COLOURS = {Action.ADDED: GREEN, Action.REMOVED: RED, Action.CHANGED: BLUE}


def changes_table(changes: list[Change]) -> dict[str, list[Any]]:
    """A line for each field that changed, and one for each thing that came or went."""
    return {
        "headers": ["Change", "What", "Field", "Before", "After"],
        "rows": [row for change in changes for row in _rows(change)],
    }


def _rows(change: Change) -> list[list[Any]]:
    what = [_badge(change), f"{change.kind.value.capitalize()} {change.name}"]
    fields = [
        [field_label(change.kind, name), _value(old), _value(new)]
        for name, (old, new) in change.fields.items()
    ]
    return [[*what, *field] for field in fields or [["-", "-", "-"]]]


def _badge(change: Change) -> SafeString:
    return badge(change.action.value, _COLOURS[change.action])


def _value(value: Any) -> str:
    """Texts as they are, the rest as JSON, so that true, null and lists read alike everywhere."""
    return value if isinstance(value, str) and value else msgspec.json.encode(value).decode()
