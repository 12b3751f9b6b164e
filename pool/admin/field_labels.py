"""What the forms call the fields of the snapshot."""

from functools import cache

from django.contrib import admin
from django.contrib.admin.utils import flatten, label_for_field
from django.db.models import Model
from django.utils.text import capfirst

from pool.diff import Kind
from pool.policies import POOL_GROUPS, RATE_LIMIT, PolicyGroup
from pool.policies.health import HEALTH_OVERRIDES
from pool.restore import MODELS

_GROUPS: dict[Kind, dict[str, PolicyGroup]] = {
    Kind.POOL: dict(POOL_GROUPS),
    Kind.BACKEND: {"health": HEALTH_OVERRIDES},
    Kind.ROUTE: {"rate_limit": RATE_LIMIT},
}
_COLUMNS = {"request_rules": "request_headers", "response_rules": "response_headers"}


@cache
def field_label(kind: Kind, name: str) -> str:
    """Of one such as "weight"; of "retry.attempts" with the title that it stands under.

    What is no field any more goes by its name.
    """
    group, dot, inner = name.partition(".")
    policy = _GROUPS[kind].get(group)
    if not dot:
        return _label(MODELS[kind], _COLUMNS.get(name, name)) or name
    column = policy.columns.get(inner) if policy else None
    if column is None:
        return name
    return f"{_title(MODELS[kind], column)}: {_label(MODELS[kind], column)}"


def _label(model: type[Model], column: str) -> str:
    columns = {field.name for field in model._meta.get_fields()}
    return capfirst(str(label_for_field(column, model))) if column in columns else ""


def _title(model: type[Model], column: str) -> str:
    fieldsets = admin.site.get_model_admin(model).fieldsets or ()
    titles = (str(title) for title, options in fieldsets if column in flatten(options["fields"]))
    return next(titles, "")
