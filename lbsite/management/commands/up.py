"""`lb up`: the whole product on one machine."""

import argparse
import os
import resource
from contextlib import suppress
from math import nan
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from environs import EnvError

from lbsite import redis_server, servers_file
from lbsite.launch import exclusive, programs, provisioning
from lbsite.launch.startup import Plan, Startup
from lbsite.launch.supervision import Supervision
from pool.models import Backend, Pool
from proxy.engine.settings import read_settings

OPEN_FILES = 65536  # an edge needs two for each request in progress


class Command(BaseCommand):
    help = (
        "Run the whole product on this machine: Redis (unless LB_REDIS_URL is set), edge, admin, "
        "Celery worker and beat, under one supervisor. Stop it with Ctrl+C."
    )
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--demo", action="store_true", help="also run three small backends with pool and route"
        )
        parser.add_argument(
            "--config",
            metavar="FILE",
            type=Path,
            help='JSON list of backends for the pool "default": '
            '[{"id": 1, "host": "127.0.0.1", "port": 8001, "weight": 1}, {"url": "http://…"}]',
        )
        parser.add_argument(
            "--host", default="127.0.0.1", help="address to listen on (%(default)s)"
        )
        parser.add_argument("--port", type=_port, default=8000, help="of the traffic (%(default)s)")
        parser.add_argument(
            "--admin-port", type=_port, default=8001, help="of admin and REST (%(default)s)"
        )
        parser.add_argument(
            "--workers",
            type=_positive,
            default=1,
            metavar="N",
            help="edge processes, at most one a core (%(default)s); "
            "each takes its own turns through the backends",
        )
        parser.add_argument(
            "--interval",
            type=_interval,
            metavar="SECONDS",
            help="between two health checks of the pool",
        )
        parser.add_argument(
            "--data-dir", metavar="DIR", help="where everything is kept (LB_DATA_DIR, else ./var)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._run(options)
        except exclusive.ExclusiveError as error:
            raise CommandError(str(error)) from error
        except provisioning.ProvisioningError as error:
            raise CommandError(f"{error}; nothing was changed") from error
        except servers_file.ServersFileError as error:
            raise CommandError(f"{options['config']}: {error}; nothing was changed") from error

    def _run(self, options: dict[str, Any]) -> None:
        _check_edge_settings()
        os.umask(0o077)  # what lands in the data folder is for its owner alone
        entries = _read_entries(options["config"])
        exclusive.check_folder(settings.DATA_DIR)
        with exclusive.folder_lock(settings.DATA_DIR):
            self._supervise(self._plan(options, entries), options["workers"])

    def _plan(self, options: dict[str, Any], entries: list[servers_file.ServerEntry]) -> Plan:
        folder = settings.DATA_DIR
        traffic = programs.Listen(host=options["host"], port=options["port"])
        admin = programs.Listen(host=options["host"], port=options["admin_port"])
        if traffic == admin:
            raise CommandError(f"--port and --admin-port are both {traffic.port}; change one")
        exclusive.check_port(traffic, "--port")
        exclusive.check_port(admin, "--admin-port")
        self._say(f"Preparing the database in {folder}")
        call_command("migrate", interactive=False, verbosity=0)
        return Plan(
            traffic=traffic,
            admin=admin,
            folder=folder,
            entries=entries,
            demo=provisioning.demo_backends() if options["demo"] else None,
            interval=options["interval"],
            starts_redis=settings.LB_STARTS_REDIS,
        )

    def _supervise(self, plan: Plan, workers: int) -> None:
        _prepare_environment()
        supervision = Supervision(_write_configuration(plan, workers), self._say)
        supervision.run_steps(Startup(plan, supervision, self._say).steps())
        self._say("Stopped.")

    def _say(self, line: str) -> None:
        # A terminal that was closed must not take the traffic with it.
        with suppress(OSError):
            self.stdout.write(line)
            self.stdout.flush()


def _check_edge_settings() -> None:
    """The edge would refuse to start: better told here than by a program that keeps dying."""
    try:
        read_settings()
    except (EnvError, ValueError) as error:
        raise CommandError(str(error)) from error


def _read_entries(path: Path | None) -> list[servers_file.ServerEntry]:
    if path is None:
        return []
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors on Windows add the mark
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CommandError(f"--config {path}: cannot be read: {reason}") from error
    return servers_file.parse(text, Backend.name_from_url)


def _prepare_environment() -> None:
    """What the programs inherit."""
    os.environ["LB_DATA_DIR"] = str(settings.DATA_DIR)
    os.environ["LB_REDIS_URL"] = settings.LB_REDIS_URL
    os.environ["DJANGO_SETTINGS_MODULE"] = settings.SETTINGS_MODULE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _write_configuration(plan: Plan, workers: int) -> Path:
    chosen = [
        programs.edge(plan.traffic, workers),
        programs.web(plan.admin),
        programs.celery_worker(),
        programs.celery_beat(),
        *(programs.demo_backend(name, listen) for name, listen in (plan.demo or {}).items()),
    ]
    if plan.starts_redis:
        chosen.append(programs.redis(redis_server.command(plan.folder)))
    (plan.folder / "log").mkdir(mode=0o700, exist_ok=True)
    path = plan.folder / "supervisor.conf"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(programs.supervisor_configuration(chosen, plan.folder))
    return path


def _port(text: str) -> int:
    number = _positive(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"give a port from 1 to 65535, not {text}")
    return number


def _interval(text: str) -> float:
    """What a pool may have."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = nan  # out of every range
    try:
        Pool._meta.get_field("health_interval").run_validators(seconds)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(f"{' '.join(error.messages)} Not {text}.") from error
    return seconds


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"give a whole number from 1, not {text}")
    return int(text)
