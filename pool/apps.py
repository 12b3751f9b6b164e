from django.apps import AppConfig


class PoolConfig(AppConfig):
    name = "pool"
    verbose_name = "Load balancing"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from pool import receivers  # models exist only now

        receivers.connect()
