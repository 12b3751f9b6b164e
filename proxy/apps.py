from django.apps import AppConfig
from django.core.checks import register

from proxy.gateway.access import check_settings


class ProxyConfig(AppConfig):
    name = "proxy"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        register(check_settings)
