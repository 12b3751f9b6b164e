from django.apps import AppConfig


class LbsiteConfig(AppConfig):
    name = "lbsite"

    def ready(self) -> None:
        # Makes the Celery application the current one, so that `shared_task`s
        # which the web process sends go to the right broker.
        import lbsite.celery  # noqa: F401 - settings are needed first
