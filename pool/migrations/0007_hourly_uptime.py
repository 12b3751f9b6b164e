import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('pool', '0006_health_probes_in_full'),
    ]

    operations = [
        migrations.AddField(
            model_name='healthrecord',
            name='excerpt',
            field=models.TextField(blank=True, default='', help_text='How the body of an answer that failed began.'),
        ),
        migrations.AddField(
            model_name='healthrecord',
            name='omitted',
            field=models.PositiveIntegerField(default=0, help_text='Passes since the record before it that have none of their own.'),
        ),
        migrations.AddField(
            model_name='healthrecord',
            name='omitted_latency_max_ms',
            field=models.FloatField(default=0.0),
        ),
        migrations.AddField(
            model_name='healthrecord',
            name='omitted_latency_sum_ms',
            field=models.FloatField(default=0.0),
        ),
        migrations.CreateModel(
            name='HourlyUptime',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('hour', models.DateTimeField(help_text='When the hour began.')),
                ('up', models.FloatField(help_text='Seconds, as are the next three.')),
                ('degraded', models.FloatField()),
                ('down', models.FloatField()),
                ('unknown', models.FloatField(help_text='Not probed, or not for long enough to know.')),
                ('probes', models.PositiveIntegerField()),
                ('failures', models.PositiveIntegerField()),
                ('flaps', models.PositiveIntegerField(help_text='How often it went down.')),
                ('latency_sum', models.FloatField(help_text='Milliseconds.')),
                ('latency_max', models.FloatField(help_text='Milliseconds.')),
                ('backend', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='hourly_uptimes', to='pool.backend')),
            ],
            options={
                'ordering': ['-hour', 'backend'],
                'indexes': [models.Index(fields=['-hour'], name='pool_hourlyuptime_hour')],
                'constraints': [models.UniqueConstraint(fields=('backend', 'hour'), name='pool_hourlyuptime_backend_hour')],
            },
        ),
    ]
