"""What the channels over HTTP have in common."""

import msgspec
from django.conf import settings

from pool.alerts import http
from pool.alerts.outcome import Outcome

# Django setting, with its default: whether messages may go to internal addresses.
INTERNAL = ("LB_ALERT_INTERNAL", False)


def post_json(url: str, body: bytes, headers: dict[str, str]) -> Outcome:
    fields = {"Content-Type": "application/json", "User-Agent": "lbsite-alerts"} | headers
    return http.post(url, body, fields, internal=getattr(settings, *INTERNAL))


def encode(content: object) -> bytes:
    return msgspec.json.encode(content)
