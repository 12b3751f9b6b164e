"""The programs that `lb up` runs, and their configuration for Supervisor."""

import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Requests that run when the edge is stopped may take this long to finish.
EDGE_GRACE = 30


@dataclass(frozen=True, kw_only=True)
class Program:
    """`stop_last` orders the stopping: what others need while they stop goes last."""

    name: str
    command: list[str]
    stop_last: int
    stop_seconds: int  # then it is killed


REDIS, DEMO, CONTROL, EDGE = range(4)


@dataclass(frozen=True, kw_only=True)
class Listen:
    """Where a server listens; the text form is the one gunicorn and URLs use."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def reachable(self) -> "Listen":
        """An address to connect to: a wildcard cannot be connected to everywhere."""
        loopback = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - read only
        return Listen(host=loopback.get(self.host, self.host), port=self.port)


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def redis(command: list[str]) -> Program:
    return Program(name="redis", command=command, stop_last=REDIS, stop_seconds=10)


def demo_backend(name: str, listen: Listen) -> Program:
    command = _python("lbsite.demo", name, listen.host, str(listen.port))
    return Program(name=name, command=command, stop_last=DEMO, stop_seconds=2)


def edge(listen: Listen, workers: int) -> Program:
    command = _python(
        "gunicorn",
        *("--worker-class", "proxy.worker.EdgeWorker"),
        *("--bind", str(listen), "--workers", str(workers)),
        *("--graceful-timeout", str(EDGE_GRACE)),
        *("--name", "lbsite-edge", "--no-control-socket"),
        "proxy.worker",  # gunicorn wants an application's name; the worker loads none
    )
    return Program(name="edge", command=command, stop_last=EDGE, stop_seconds=EDGE_GRACE + 5)


def web(listen: Listen) -> Program:
    command = _python(
        "gunicorn",
        *("--worker-class", "gthread", "--workers", "1", "--threads", "4"),
        *("--bind", str(listen), "--graceful-timeout", "10"),
        *("--name", "lbsite-web", "--no-control-socket"),
        "lbsite.wsgi",
    )
    return Program(name="web", command=command, stop_last=CONTROL, stop_seconds=15)


def celery_worker() -> Program:
    # Gossip, mingle and heartbeats are for workers that know of each other; these do not.
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    command = _python("celery", "-A", "lbsite", "worker", "--pool", "threads", *quiet)
    return Program(name="worker", command=command, stop_last=CONTROL, stop_seconds=15)


def celery_beat() -> Program:
    command = _python("celery", "-A", "lbsite", "beat")
    return Program(name="beat", command=command, stop_last=CONTROL, stop_seconds=5)


_SUPERVISORD = """\
; Written by `lb up` at each start.
[supervisord]
nodaemon = true
silent = true
logfile = {folder}/log/supervisor.log
logfile_maxbytes = 1MB
logfile_backups = 2
pidfile = {folder}/supervisor.pid
childlogdir = {folder}/log

[unix_http_server]
file = {folder}/supervisor.sock
chmod = 0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl = unix://{folder}/supervisor.sock
"""

# The start sequence starts each program itself, hence no autostart. It never gives
# up on one: `startretries` is out of reach of the capped back-off counter.
_PROGRAM = """
[program:{name}]
command = {command}
priority = {priority}
autostart = false
autorestart = true
startsecs = {START_SECONDS}
startretries = {START_RETRIES}
stopwaitsecs = {stop_seconds}
killasgroup = true
redirect_stderr = true
stdout_logfile = {log}
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 3
"""

START_SECONDS = 3  # one that ends sooner is started again only after a delay
START_RETRIES = 1_000_000

_GROUP = """
[group:{name}]
programs = {programs}
priority = {priority}
"""


def supervisor_configuration(programs: Iterable[Program], folder: Path) -> str:
    """The text of a supervisord.conf. Programs that stop together form a group."""
    programs = list(programs)
    parts = [_SUPERVISORD.format(folder=_escape(str(folder)))]
    parts += [_program_section(program, folder) for program in programs]
    for rank in sorted({program.stop_last for program in programs}):
        names = ",".join(program.name for program in programs if program.stop_last == rank)
        name = ("storage", "demo", "control", "traffic")[rank]
        parts.append(_GROUP.format(name=name, programs=names, priority=rank))
    return "".join(parts)


def _program_section(program: Program, folder: Path) -> str:
    return _PROGRAM.format(
        name=program.name,
        command=_escape(shlex.join(program.command)),
        priority=program.stop_last,
        stop_seconds=program.stop_seconds,
        # Supervisor expands this value, and no other, twice.
        log=_escape(_escape(f"{folder}/log/{program.name}.log")),
        START_SECONDS=START_SECONDS,
        START_RETRIES=START_RETRIES,
    )


def _escape(text: str) -> str:
    """Supervisor expands `%(name)s` in every value."""
    return text.replace("%", "%%")
