"""The compose file gives each process what it needs, and no more."""

import re
from pathlib import Path

import pytest
import yaml

TOP = Path(__file__).parents[2]
SERVICES = yaml.safe_load((TOP / "docker" / "compose.yaml").read_text())["services"]
# Said by the image, by the compose file itself, or never in production.
ELSEWHERE = {"LB_DATA_DIR", "LB_DEBUG"}


def settings() -> set[str]:
    """Those of the README's table."""
    table = (TOP / "README.md").read_text().split("## Settings")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall("`((?:LB|DATABASE)_[A-Z_]+)`", row)}


def test_every_setting_reaches_a_process() -> None:
    given = {name for service in SERVICES.values() for name in service.get("environment", ())}
    assert settings() - ELSEWHERE <= given


@pytest.mark.parametrize("service", ["web", "worker", "beat", "prepare"])
def test_the_control_plane_is_set_alike(service: str) -> None:
    web, other = SERVICES["web"]["environment"], SERVICES[service]["environment"]
    assert web.items() <= other.items()


def test_what_is_said_of_requests_holds_for_the_view_of_the_pools_as_for_edges() -> None:
    wanted = {name for name in settings() if name.startswith(("LB_MAX_REQUEST", "LB_REQUEST_LOG"))}
    for service in ("edge", "web"):
        assert wanted | {"LB_TRUSTED_PROXIES"} <= SERVICES[service]["environment"].keys()


def test_edges_get_no_password_but_that_of_redis() -> None:
    assert not {"DATABASE_URL", "LB_ADMIN_PASSWORD", "LB_EMAIL_URL"} & set(
        SERVICES["edge"]["environment"]
    )
