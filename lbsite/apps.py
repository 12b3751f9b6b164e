from django.apps import AppConfig


class LbsiteConfig(AppConfig):
    name = "lbsite"

    def ready(self) -> None:
        # Makes the Celery application the current one, so that `shared_task`s
        # which the web process sends go to the right broker.
        from lbsite import celery, checks, seen  # noqa: F401 - they register themselves
