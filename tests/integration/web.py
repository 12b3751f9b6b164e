"""A web server with the proxy view, as it runs in production: gunicorn, and a Redis."""

import http.client
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from pool import bus
from pool.choices import HeaderAction
from pool.circuits.records import Circuit
from pool.snapshot import HeaderPolicy, HeaderRule, PoolSpec, build, encode
from tests.integration.edge.harness.backend import Backend
from tests.integration.edge.harness.ports import ReservedPort
from tests.integration.edge.harness.processes import RedisServer
from tests.integration.edge.harness.waiting import wait_until


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.fields = [(name.lower(), value) for name, value in response.getheaders()]
        self.headers = dict(self.fields)
        try:
            self.body = response.read()
            self.complete = True
        except (http.client.IncompleteRead, ConnectionError):
            self.body, self.complete = b"", False

    def json(self) -> Any:
        return json.loads(self.body)


class Web:
    """A web server of the test's own, with a Redis of its own unless it is given one."""

    def __init__(
        self,
        folder: Path,
        application: str = "lbsite.wsgi",
        access: str = "public",
        redis_server: RedisServer | None = None,
    ) -> None:
        self.redis_server = redis_server or RedisServer(folder)
        self.redis = self.redis_server.client
        self._port = ReservedPort()
        self.number = 0
        environment = {
            **os.environ,
            "LB_DATA_DIR": str(folder),
            "LB_REDIS_URL": self.redis_server.url,
            "LB_PROXY_VIEW": access,
            "LB_SECRET_KEY": "s" * 50,
            "PYTHONPATH": f"{folder}:{Path(__file__).parents[2]}",
        }
        self._log = folder / "web.log"
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "gunicorn", "-k", "gthread", "--threads", "8"),
                    *("--bind", f"127.0.0.1:{self._port.number}", "--no-control-socket"),
                    application,
                ],
                env=environment,
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port.number, timeout=20)

    def ask(
        self, method: str = "GET", target: str = "/lb/shop/", body: Any = None, **headers: str
    ) -> Answer:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(self.connect()) as connection:
            connection.request(method, target, body, fields)
            return Answer(connection.getresponse())

    def wait_until_up(self) -> "Web":
        def up() -> bool:
            try:
                return bool(self.ask(target="/nothing-here/").status)
            except OSError:
                return False

        wait_until("the web server is up", up)
        return self

    def serve(self, *backends: Any, **policies: Any) -> None:
        """Publish a pool of these, and wait until it is served."""
        self.number += 1
        headers = policies.pop("headers", None) or HeaderPolicy()
        rule = HeaderRule(action=HeaderAction.SET, name="X-Number", value=str(self.number))
        headers = msgspec.structs.replace(headers, response_rules=(*headers.response_rules, rule))
        specs = tuple(backend.spec() for backend in backends)
        pool = PoolSpec(id=1, name="shop", backends=specs, headers=headers, **policies)
        self.redis.delete(bus.HEALTH_KEY)
        self.redis.set(bus.SNAPSHOT_KEY, encode(build(self.number, (pool,), ())))
        self.redis.publish(bus.SNAPSHOT_CHANNEL, self.number)
        numbers = [str(self.number)]
        wait_until("it is served", lambda: self.ask("OPTIONS").headers.get("x-number") in numbers)
        # Not before: the server would give Redis back what it knows of backends that are gone.
        self.redis.delete(bus.CIRCUITS_KEY)
        for backend in backends:
            backend.calls.clear()

    def circuit(self, backend: Backend) -> Circuit:
        record = self.redis.hget(bus.CIRCUITS_KEY, str(backend.id))
        return msgspec.json.decode(record, type=Circuit) if record else Circuit()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self.redis_server.stop()
        self._port.release()


@contextmanager
def start_webs() -> Iterator[Callable[..., Web]]:
    """Start one: `project`, the text of a Django project of its own; and options of `Web`."""
    started: list[Web] = []
    folders: list[tempfile.TemporaryDirectory[str]] = []

    def start(project: str = "", **options: Any) -> Web:
        folders.append(tempfile.TemporaryDirectory(prefix="lb-web-"))
        folder = Path(folders[-1].name)
        if project:
            (folder / "project.py").write_text(project)
            options["application"] = "project"
        started.append(Web(folder, **options))
        return started[-1].wait_until_up()

    try:
        yield start
    finally:
        for one in started:
            one.stop()
        for folder in folders:
            folder.cleanup()
