"""Two groups to begin with. A migration, as it runs once: what is made of them later stays."""

from typing import Any

from django.db import migrations

SHOWN = {
    "pool": [
        *("pool", "backend", "route", "healthrecord", "event", "revision"),
        *("alert", "alertrule", "alertchannel", "alertdelivery"),
    ],
    "analytics": ["trafficrollup", "requestrecord"],
}
CONFIGURED = {"pool": ["pool", "backend", "route"]}

_LOOK = {(app, f"view_{model}") for app, models in SHOWN.items() for model in models}
_CONFIGURE = {
    (app, f"{verb}_{model}")
    for app, models in CONFIGURED.items()
    for model in models
    for verb in ("add", "change", "delete")
}
ROLES = {
    "Viewers": _LOOK,
    "Operators": _LOOK | _CONFIGURE | {("pool", "rollback_revision")},
}


def make_roles(apps: Any, schema_editor: Any) -> None:
    """A group that has one of the names already is left as it is."""
    database = schema_editor.connection.alias
    groups = apps.get_model("auth", "Group").objects.using(database)
    for name, rights in ROLES.items():
        group, made = groups.get_or_create(name=name)
        if made:
            group.permissions.set(_permission(apps, database, *right) for right in sorted(rights))


def _permission(apps: Any, database: str, app: str, codename: str) -> Any:
    """Django makes permissions when all migrations are through, and keeps those it finds."""
    verb, _, name = codename.partition("_")
    model = apps.get_model(app, name)._meta
    types = apps.get_model("contenttypes", "ContentType").objects.using(database)
    content_type, _ = types.get_or_create(app_label=app, model=name)
    permission, _ = (
        apps.get_model("auth", "Permission")
        .objects.using(database)
        .get_or_create(
            content_type=content_type,
            codename=codename,
            defaults={
                "name": dict(model.permissions).get(
                    codename, f"Can {verb} {model.verbose_name_raw}"
                )
            },
        )
    )
    return permission


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("pool", "0001_initial"),
        ("analytics", "0001_initial"),
    ]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
