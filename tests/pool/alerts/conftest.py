"""A receiver of webhooks and a mail server, both real, and rules that use them."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pool.alerts.evaluate import evaluate
from pool.choices import EventKind, Severity
from pool.models import AlertChannel, AlertRule, Backend, Event

SECRET = "0123456789abcdef-signing"
T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class Receiver:
    """Answers each POST with the next of `answers`, or the last one; keeps what came."""

    url: str = ""
    answers: list[tuple[int, bytes, dict[str, str]]] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append((status, body, named))

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.requests]

    def take(self, path: str, headers: dict[str, str], body: bytes) -> tuple[Any, ...]:
        self.requests.append((path, headers, body))
        if len(self.answers) > 1:
            return self.answers.pop(0)
        return self.answers[0] if self.answers else (200, b"thanks", {})


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    """On the loopback interface, which is internal: allowed, unless a test forbids it."""
    settings.LB_ALERT_INTERNAL = True
    received = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, content, more = received.take(self.path, headers, body)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **more}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    received.url = f"http://127.0.0.1:{server.server_port}/hook?team=a"
    yield received
    server.shutdown()
    server.server_close()


@pytest.fixture
def channel(db: None) -> AlertChannel:
    return AlertChannel.objects.create(
        name="pager", kind="webhook", url="https://alerts.example/", signing_secret=SECRET
    )


@pytest.fixture
def webhook(channel: AlertChannel, receiver: Receiver) -> AlertChannel:
    channel.url = receiver.url
    channel.save()
    return channel


@pytest.fixture
def rule(channel: AlertChannel) -> AlertRule:
    rule = AlertRule.objects.create(name="down", quiet_for=60)
    rule.channels.add(channel)
    return rule


@pytest.fixture
def health() -> Callable[..., Event]:
    """Records that a backend's health changed, so many seconds after T0."""

    def record(backend: Backend, to: str, seconds: float = 0, reason: str = "timed out") -> Event:
        return Event.objects.record(
            EventKind.HEALTH_CHANGED,
            f"Backend {backend}: changed to {to}",
            severity=Severity.INFO if to == "healthy" else Severity.WARNING,
            backend=backend,
            data={"to": to, "reason": reason},
            at=T0 + timedelta(seconds=seconds),
        )

    return record


@pytest.fixture
def at() -> Callable[[float], None]:
    """Reads the timeline so many seconds after T0."""
    return lambda seconds: evaluate(T0 + timedelta(seconds=seconds))
