"""The start sequence of `lb up`: what comes after what, and what is told meanwhile."""

import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import redis
from django.conf import settings
from django.db import connections

from lbsite.launch import provisioning
from lbsite.launch.admin_user import ensure_admin_user
from lbsite.launch.programs import Listen
from lbsite.launch.supervision import Say, Steps, Supervision
from lbsite.servers_file import ServerEntry
from pool.connection import redis_client
from pool.publish import publish

PATIENCE = 20.0  # seconds that one part may take until the start goes on without it


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was asked for on the command line, checked."""

    traffic: Listen
    admin: Listen
    folder: Path
    entries: list[ServerEntry]  # of --config
    demo: dict[str, Listen] | None  # where each demo backend listens; None without --demo
    interval: float | None
    starts_redis: bool


class Startup:
    def __init__(self, plan: Plan, supervision: Supervision, say: Say) -> None:
        self._plan = plan
        self._supervision = supervision
        self._say = say

    def steps(self) -> Steps:
        if self._plan.starts_redis:
            self._say("Starting Redis")
            self._supervision.start("redis")
        yield from self._wait("Redis", redis_answers)
        self._provision()
        self._start_programs()
        yield from self._wait("the edge", self._edge_answers)
        yield from self._wait("the admin", self._admin_answers)
        self._summarise()
        # An idle supervisor needs neither, and PostgreSQL counts its connections.
        connections.close_all()
        redis_client().close()

    def _provision(self) -> None:
        plan = self._plan
        interval_for_file = plan.interval if plan.entries else None
        if plan.entries:
            self._tell(provisioning.apply_servers(plan.entries, interval_for_file))
        if plan.demo is not None:
            interval = None if plan.entries else plan.interval
            self._tell(provisioning.ensure_demo_pool(plan.demo, interval))
        elif plan.interval is not None and not plan.entries:
            self._tell(provisioning.set_interval(provisioning.DEFAULT_POOL, plan.interval))
        publish(provisioning.ACTOR)

    def _tell(self, lines: list[str]) -> None:
        for line in lines:
            self._say(f"  {line}")

    def _start_programs(self) -> None:
        for name in self._plan.demo or {}:
            self._supervision.start(name)
        self._say("Starting edge, web, worker and beat")
        for name in ("edge", "web", "worker", "beat"):
            self._supervision.start(name)

    def _edge_answers(self) -> bool:
        return answers(self._plan.traffic, "/-/health", range(200, 201))

    def _admin_answers(self) -> bool:
        return answers(self._plan.admin, "/admin/login/", range(500))

    def _wait(self, what: str, ready: Callable[[], bool]) -> Steps:
        """Until `ready`. A part that takes too long is said, but holds back nobody else."""
        deadline = time.monotonic() + PATIENCE
        while not ready():
            if time.monotonic() > deadline:
                self._say(f"Still waiting for {what}; see {self._plan.folder}/log")
                return
            yield

    def _summarise(self) -> None:
        user = ensure_admin_user()
        self._say("lbsite is running.")
        self._say(f"  traffic   http://{self._plan.traffic.reachable}/")
        self._say(f"  admin     http://{self._plan.admin.reachable}/admin/")
        self._say(f"  user      {user.name}")
        if user.password is not None:
            self._say(f"  password  {user.password}  (not shown again)")
        self._say(f"  logs      {self._plan.folder}/log")
        self._say("Stop it with Ctrl+C.")


def redis_answers() -> bool:
    try:
        client = redis.Redis.from_url(settings.LB_REDIS_URL, socket_timeout=1, retry=None)
        with client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def answers(listen: Listen, path: str, statuses: range) -> bool:
    address = listen.reachable
    connection = http.client.HTTPConnection(address.host, address.port, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status in statuses
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
