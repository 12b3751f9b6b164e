import django.core.validators
import pool.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("pool", "0008_alerts"),
    ]

    operations = [
        migrations.AddField(
            model_name="pool",
            name="outlier_base_time",
            field=models.FloatField(
                default=30.0,
                help_text="Seconds that the first ejection lasts; the second in a row twice that. Default: 30.",
                validators=[pool.fields.SecondsBetween(0.1, 3600)],
            ),
        ),
        migrations.AddField(
            model_name="pool",
            name="outlier_consecutive_5xx",
            field=models.PositiveSmallIntegerField(
                default=5,
                help_text="Failures in a row, statuses 500-599 or no response; 0: whatever fails. Default: 5.",
                validators=[
                    django.core.validators.MinValueValidator(0),
                    django.core.validators.MaxValueValidator(1000),
                ],
            ),
        ),
        migrations.AddField(
            model_name="pool",
            name="outlier_consecutive_gateway",
            field=models.PositiveSmallIntegerField(
                default=5,
                help_text="Of these, 502, 503, 504 or no response in a row; 0: whatever fails. Default: 5.",
                validators=[
                    django.core.validators.MinValueValidator(0),
                    django.core.validators.MaxValueValidator(1000),
                ],
            ),
        ),
        migrations.AddField(
            model_name="pool",
            name="outlier_enabled",
            field=models.BooleanField(
                default=False,
                help_text="Eject backends that answer worse than they should, for a while. Circuit breakers act on failures in a row as well; this compares success rates too, and its backends return without a trial. Default: off.",
                verbose_name="outlier detection",
            ),
        ),
        migrations.AddField(
            model_name="pool",
            name="outlier_interval",
            field=models.FloatField(
                default=10.0,
                help_text="Seconds after each of which success rates are compared. Default: 10.",
                validators=[pool.fields.SecondsBetween(0.1, 3600)],
            ),
        ),
        migrations.AddField(
            model_name="pool",
            name="outlier_max_ejected",
            field=models.PositiveSmallIntegerField(
                default=10,
                help_text="Percent of the pool that may be ejected at once, rounded down: 10 % of 3 is 0. Default: 10.",
                validators=[
                    django.core.validators.MinValueValidator(0),
                    django.core.validators.MaxValueValidator(100),
                ],
            ),
        ),
        migrations.AddField(
            model_name="pool",
            name="outlier_max_time",
            field=models.FloatField(
                default=300.0,
                help_text="The most that it grows to, in seconds. Default: 300.",
                validators=[pool.fields.SecondsBetween(0.1, 86400)],
            ),
        ),
        migrations.AddField(
            model_name="pool",
            name="outlier_probes_return",
            field=models.BooleanField(
                default=True,
                help_text="A probe that passes ends an ejection before its time. Off: what fails clients and passes probes stays out for as long as it should. Default: on.",
                verbose_name="probes end ejections",
            ),
        ),
        migrations.AddField(
            model_name="pool",
            name="outlier_success_deviations",
            field=models.FloatField(
                default=1.9,
                help_text="Standard deviations below the mean success rate that eject a backend; 0: none does. Default: 1.9.",
            ),
        ),
        migrations.AddField(
            model_name="pool",
            name="outlier_success_hosts",
            field=models.PositiveSmallIntegerField(
                default=5,
                help_text="Backends with enough requests without which no rates are compared. Default: 5.",
                validators=[
                    django.core.validators.MinValueValidator(2),
                    django.core.validators.MaxValueValidator(1000),
                ],
            ),
        ),
        migrations.AddField(
            model_name="pool",
            name="outlier_success_requests",
            field=models.PositiveSmallIntegerField(
                default=100,
                help_text="Requests of a worker in an interval that are enough. Default: 100.",
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(10000),
                ],
            ),
        ),
        migrations.AddConstraint(
            model_name="pool",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("outlier_consecutive_5xx__lte", 1000),
                    ("outlier_consecutive_gateway__lte", 1000),
                    ("outlier_interval__gte", 0.1),
                    ("outlier_interval__lte", 3600),
                    ("outlier_base_time__gte", 0.1),
                    ("outlier_base_time__lte", 3600),
                    ("outlier_max_time__lte", 86400),
                    ("outlier_max_time__gte", models.F("outlier_base_time")),
                    ("outlier_max_ejected__lte", 100),
                    ("outlier_success_hosts__gte", 2),
                    ("outlier_success_hosts__lte", 1000),
                    ("outlier_success_requests__gte", 1),
                    ("outlier_success_requests__lte", 10000),
                    ("outlier_success_deviations__gte", 0),
                    ("outlier_success_deviations__lte", 10),
                ),
                name="pool_pool_outlier",
                violation_error_message="The outlier policy is out of range.",
            ),
        ),
    ]
