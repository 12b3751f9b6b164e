"""Caddy with enough idle connections, and without the gzip that Go's client would ask for."""

import subprocess

from tests.bench.backend import SMALL
from tests.bench.systems.base import System, missing_program

_CADDYFILE = """\
{{
    admin off
    auto_https off
}}
http://:{port} {{
    bind 127.0.0.1
    reverse_proxy {servers} {{
        lb_policy round_robin
        health_uri {check}
        health_interval 2s
        transport http {{
            keepalive 60s
            keepalive_idle_conns 1024
            keepalive_idle_conns_per_host 512
            compression off
        }}
    }}
}}
"""


class Caddy(System):
    name = "caddy"
    title = "Caddy"

    @classmethod
    def missing(cls) -> str | None:
        return missing_program("caddy", "Debian: apt install caddy")

    @classmethod
    def version(cls) -> str:
        output = subprocess.run(["caddy", "version"], capture_output=True, text=True, check=True)
        return output.stdout.split()[0].removeprefix("v")

    def environment(self) -> dict[str, str]:
        folder = str(self.site.folder)
        return {
            "GOMAXPROCS": str(self.site.workers),
            "HOME": folder,
            "XDG_DATA_HOME": folder,
            "XDG_CONFIG_HOME": folder,
        }

    def command(self) -> list[str]:
        path = self.site.folder / "Caddyfile"
        servers = " ".join(map(str, self.site.backends))
        path.write_text(_CADDYFILE.format(port=self.port, servers=servers, check=SMALL))
        return ["caddy", "run", "--config", str(path), "--adapter", "caddyfile"]
