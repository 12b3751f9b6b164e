"""HAProxy: idle connections shared among all clients, large bodies spliced in the kernel."""

import subprocess

from tests.bench.backend import SMALL
from tests.bench.systems.base import System, missing_program

_CONFIGURATION = """\
global
    nbthread {workers}
    maxconn 4096
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    option forwardfor
    option splice-auto
    http-reuse always
frontend entry
    bind 127.0.0.1:{port}
    default_backend origin
backend origin
    balance roundrobin
    option httpchk GET {check}
    default-server {checks}
{servers}
"""


class HAProxy(System):
    name = "haproxy"
    title = "HAProxy"
    checks = "check inter 2s rise 2 fall 3"

    @classmethod
    def missing(cls) -> str | None:
        return missing_program("haproxy", "Debian: apt install haproxy")

    @classmethod
    def version(cls) -> str:
        output = subprocess.run(["haproxy", "-v"], capture_output=True, text=True, check=True)
        return output.stdout.split()[2].partition("-")[0]

    def command(self) -> list[str]:
        servers = "\n".join(
            f"    server backend{number} {address}"
            for number, address in enumerate(self.site.backends)
        )
        path = self.site.folder / "haproxy.cfg"
        path.write_text(
            _CONFIGURATION.format(
                workers=self.site.workers,
                port=self.port,
                check=SMALL,
                checks=self.checks,
                servers=servers,
            )
        )
        return ["haproxy", "-db", "-f", str(path)]
