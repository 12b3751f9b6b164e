"""Health settings of a backend beside those of its pool: empty where they are the same."""

from typing import Any

from django import forms

from pool.models import Pool
from pool.policies.health import HEALTH, HEALTH_OVERRIDES

_NAMES = list(HEALTH_OVERRIDES.columns.values())

OVERRIDES_FIELDSET: tuple[str, dict[str, Any]] = (
    "Health checks of its own",
    {
        "classes": ["collapse"],
        "description": "What is left empty is as in its pool, whose value is shown in grey.",
        "fields": [
            _NAMES[0],
            *(tuple(_NAMES[index : index + 2]) for index in range(1, len(_NAMES), 2)),
        ],
    },
)


def show_pools_values(form: type[forms.ModelForm], pool: Pool | None) -> None:
    """Say in the empty fields of this form class what they come to."""
    for name in HEALTH.columns.values():
        field = form.base_fields.get(name)
        if field is None:
            continue
        if isinstance(field, forms.ChoiceField):
            shown = f": {getattr(pool, f'get_{name}_display')()}" if pool else ""
            named: Any = field.choices
            field.choices = [("", f"As in its pool{shown}"), *list(named)[1:]]
        elif pool is not None:
            field.widget.attrs["placeholder"] = field.prepare_value(getattr(pool, name))
