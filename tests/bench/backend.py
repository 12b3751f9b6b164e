"""The origin server behind every proxy: one nginx on one core."""

import os
from dataclasses import dataclass
from pathlib import Path

from tests.bench.cores import pinned
from tests.bench.probe import LARGE_SIZE, answers
from tests.bench.processes import Program, free_port

SMALL, HUGE = "/small", "/huge"
HUGE_SIZE = 1024**3

# Sized so that the whole response, nginx's own head included, is 207 bytes.
_SMALL_BODY = "x" * 52

# A POST is answered once its whole body has been read: `mirror` reads it, the
# static handler then refuses the method, and error_page makes a 200 of that. A
# bare `return 200` would answer before the body has come.
_CONFIGURATION = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 32768; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    keepalive_timeout 600s;
    open_file_cache max=16 inactive=1h;
    client_body_buffer_size 64k;
    client_max_body_size 0;
    client_body_temp_path {folder}/client;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type text/plain;
    server {{
        listen 0.0.0.0:{port} backlog=4096;
        root {folder};
        location = /small {{ return 200 "{small}"; }}
        location = /read {{ internal; return 204; }}
        location = /sink {{ mirror /read; error_page 405 =200 /stored; }}
        location = /stored {{ return 200 "{small}"; }}
    }}
}}
"""


@dataclass(frozen=True)
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self}"


class Backend:
    """Answers on all of 127.0.0.0/8, so that one process looks like any number of backends."""

    def __init__(self, folder: Path, cores: tuple[int, ...]) -> None:
        folder.mkdir(mode=0o755)
        self.port = free_port()
        (folder / "sink").touch()
        (folder / "large").write_bytes(os.urandom(LARGE_SIZE))
        with (folder / "huge").open("wb") as sparse:
            sparse.truncate(HUGE_SIZE)
        configuration = folder / "nginx.conf"
        configuration.write_text(
            _CONFIGURATION.format(folder=folder, port=self.port, small=_SMALL_BODY)
        )
        command = ["nginx", "-p", str(folder), "-c", str(configuration)]
        self._program = Program(pinned(cores, command), folder / "log")

    def addresses(self, count: int) -> tuple[Address, ...]:
        """127.0.1.1, 127.0.1.2, …: `count` different ones."""
        return tuple(
            Address(f"127.0.{1 + index // 250}.{1 + index % 250}", self.port)
            for index in range(count)
        )

    def start(self) -> None:
        self._program.wait_until(lambda: answers(self.port, SMALL))

    def stop(self) -> None:
        self._program.stop()
