from django.db import migrations, models

_COUNTS = {
    "connect_errors": "Those of the errors in which there was no connection.",
    "timeouts": "Those of the errors in which no response began in time.",
    "cuts": "Those of the errors in which the response broke off.",
    "hedges": "Requests that came here because another backend was slow.",
    "rejected_rate_limit": "",
    "rejected_queue": "",
    "rejected_no_backend": "",
    "in_flight_peak": "The most that one worker had under way at once.",
}


def _add(name: str, field: models.Field) -> migrations.AddField:
    return migrations.AddField("trafficrollup", name, field)


def _add_times(kind: str) -> list[migrations.AddField]:
    unknown = "0: not known."
    return [
        _add(f"{kind}_sum", models.BigIntegerField(default=0)),
        _add(f"{kind}_min", models.BigIntegerField(default=0, help_text=unknown)),
        _add(f"{kind}_max", models.BigIntegerField(default=0, help_text=unknown)),
        _add(
            f"{kind}_histogram",
            models.BinaryField(default=b"", help_text="MessagePack: index of a bucket → count."),
        ),
    ]


class Migration(migrations.Migration):
    dependencies = [("analytics", "0001_initial")]

    operations = [
        migrations.RenameField("trafficrollup", "duration_sum", "total_sum"),
        migrations.RenameField("trafficrollup", "duration_min", "total_min"),
        migrations.RenameField("trafficrollup", "duration_max", "total_max"),
        migrations.RenameField("trafficrollup", "histogram", "total_histogram"),
        migrations.AlterField(
            "trafficrollup",
            "total_histogram",
            models.BinaryField(default=b"", help_text="MessagePack: index of a bucket → count."),
        ),
        *(
            _add(name, models.BigIntegerField(default=0, help_text=text))
            for name, text in _COUNTS.items()
        ),
        *_add_times("queue"),
        *_add_times("connect"),
        *_add_times("first_byte"),
    ]
