"""Settings come from the environment; what is malformed is refused in one line."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.connection import parse_url

MANAGE = Path(__file__).parents[2] / "manage.py"
SHOW = (
    "import json; from django.conf import settings as s;"
    "print(json.dumps([getattr(s, name, None) for name in {!r}]))"
)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lb-") as name:
        yield Path(name)


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    ours = ("LB_", "DATABASE_URL", "DJANGO_")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return subprocess.run(
        [sys.executable, str(MANAGE), *arguments],
        env={**inherited, "LB_DATA_DIR": str(folder / "data"), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def settings(folder: Path, *names: str, **variables: str) -> list[Any]:
    result = run(folder, "shell", "--no-imports", "-c", SHOW.format(names), **variables)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("variable", "value", "part"),
    [
        ("LB_DEBUG", "perhaps", "give true or false, not perhaps"),
        ("LB_HTTPS", "maybe", "give true or false, not maybe"),
        ("LB_LOG_LEVEL", "loud", "use DEBUG, INFO, WARNING or ERROR, not LOUD"),
        ("LB_HEALTH_CONCURRENCY", "0", "whole number from 1, not 0"),
        ("LB_HEALTH_CONCURRENCY", "many", "whole number from 1, not many"),
        ("LB_HISTORY_RETENTION_DAYS", "0", "whole number from 1, not 0"),
        ("DATABASE_URL", "nonsense", "write postgres://"),
        ("DATABASE_URL", "postgres://me:hunter2@[x/db", "write postgres://"),
        ("LB_DATA_DIR", "/proc/nowhere", "name another one"),
        ("LB_EMAIL_URL", "mail.example.com", "write smtp+tls://"),
        ("LB_EMAIL_URL", "pop://me:hunter2@mail.example.com", "write smtp+tls://"),
        ("LB_EMAIL_URL", "smtp://me:hunter2@mail.example.com:x", "write smtp+tls://"),
        ("LB_PUBLIC_URL", "lb.example.com", "https://lb.example.com"),
        ("LB_ALERT_INTERNAL", "perhaps", "give true or false, not perhaps"),
    ],
)
def test_a_malformed_variable_is_named_in_one_line(
    folder: Path, variable: str, value: str, part: str
) -> None:
    result = run(folder, "check", **{variable: value})
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("lb: ")
    assert variable in result.stderr
    assert part in result.stderr
    assert "hunter2" not in result.stderr


@pytest.mark.parametrize(
    ("url", "identifier"),
    [
        ("localhost:6379", "lbsite.E001"),
        ("http://localhost", "lbsite.E001"),
        ("redis://localhost:port", "lbsite.E001"),
        ("unix://", "lbsite.E002"),
    ],
)
def test_a_redis_url_that_cannot_work_is_told_by_a_check(
    folder: Path, url: str, identifier: str
) -> None:
    result = run(folder, "check", LB_REDIS_URL=url)
    assert result.returncode == 1
    assert f"({identifier})" in result.stderr
    assert "HINT: Write redis://" in result.stderr


@pytest.mark.parametrize("variables", [{}, {"LB_HTTPS": "true"}])
def test_the_deployment_checks_have_nothing_to_say(folder: Path, variables: dict[str, str]) -> None:
    result = run(folder, "check", "--deploy", "--fail-level", "WARNING", **variables)
    assert result.returncode == 0, result.stderr


def test_a_data_folder_that_others_can_look_into_is_told(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data").chmod(0o755)
    assert "(lbsite.W001)" in run(folder, "check", "--deploy").stderr


def test_https_turns_on_all_that_depends_on_it(folder: Path) -> None:
    names = (
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "SECURE_SSL_REDIRECT",
        "SECURE_PROXY_SSL_HEADER",
    )
    assert settings(folder, *names) == [False, False, False, None]
    header = ["HTTP_X_FORWARDED_PROTO", "https"]
    assert settings(folder, *names, LB_HTTPS="1") == [True, True, True, header]


def test_redis_and_database_are_in_the_data_folder_unless_named(folder: Path) -> None:
    data = folder / "data"
    names = ("LB_REDIS_URL", "LB_STARTS_REDIS", "DATABASES")
    url, starts, databases = settings(folder, *names)
    assert (url, starts) == (f"unix://{data}/redis.sock", True)
    assert databases["default"]["NAME"] == str(data / "lbsite.sqlite3")

    url, starts, databases = settings(
        folder, *names, LB_REDIS_URL="redis://r:6379/1", DATABASE_URL="sqlite:////tmp/other.db"
    )
    assert (url, starts) == ("redis://r:6379/1", False)
    assert databases["default"]["NAME"] == "/tmp/other.db"


@pytest.mark.parametrize(("query", "seconds"), [("", 5), ("?connect_timeout=60", 60)])
def test_a_database_whose_machine_is_gone_holds_nobody_up_for_minutes(
    folder: Path, query: str, seconds: int
) -> None:
    [databases] = settings(folder, "DATABASES", DATABASE_URL=f"postgres://db1/lb{query}")
    assert int(databases["default"]["OPTIONS"]["connect_timeout"]) == seconds
    assert databases["default"]["OPTIONS"]["tcp_user_timeout"] == 10_000


def test_the_data_folder_may_have_any_name(folder: Path) -> None:
    """What a URL would read as something else is percent-encoded in it."""
    data = folder / "50%20 of #1?"
    url, databases = settings(folder, "LB_REDIS_URL", "DATABASES", LB_DATA_DIR=str(data))
    assert parse_url(url)["path"] == str(data / "redis.sock")
    assert databases["default"]["NAME"] == str(data / "lbsite.sqlite3")


def test_the_data_folder_can_be_given_to_every_command(folder: Path) -> None:
    result = run(folder, "check", "--data-dir", str(folder / "other"))
    assert result.returncode == 0
    assert (folder / "other" / "secret_key").exists()
    assert not (folder / "data").exists()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", ["", 25, "", "", False, False]),
        ("smtp://mail", ["mail", 25, "", "", False, False]),
        ("smtps://me:a%40b@mail", ["mail", 465, "me", "a@b", True, False]),
        ("smtp+tls://me:pw@mail:2525", ["mail", 2525, "me", "pw", False, True]),
    ],
)
def test_the_mail_server_is_one_url(folder: Path, url: str, expected: list[Any]) -> None:
    names = (
        *("EMAIL_HOST", "EMAIL_PORT", "EMAIL_HOST_USER", "EMAIL_HOST_PASSWORD"),
        *("EMAIL_USE_SSL", "EMAIL_USE_TLS"),
    )
    assert settings(folder, *names, LB_EMAIL_URL=url) == expected


def test_the_admins_names_are_those_that_are_given_or_this_machines(folder: Path) -> None:
    names = [settings(folder, "ALLOWED_HOSTS", LB_ALLOWED_HOSTS=text) for text in ("", "a, b")]
    assert names == [[["localhost", "127.0.0.1", "[::1]"]], [["a", "b"]]]
