"""Reads settings from the environment. What is malformed is refused, naming the variable."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from pool.environment import env

# Of libpq, whose own is minutes: for so long each page would hang when a machine is gone. Seconds,
# and milliseconds in which what was sent must arrive.
_PATIENCE = {"connect_timeout": 5, "tcp_user_timeout": 10_000}


def data_dir(variable: str, default: str) -> Path:
    """The data folder, made if need be. It holds secrets: nobody else may look into it."""
    path = Path(env.str(variable, "") or default).absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"{variable}: cannot make the folder {path}: {error.strerror}; name another one"
        ) from error
    return path


def database(variable: str, default: str) -> dj_database_url.DBConfig:
    """Never repeats the URL in an error: it may hold a password."""
    try:
        database = dj_database_url.parse(
            env.str(variable, "") or default, conn_max_age=60, conn_health_checks=True
        )
    except ValueError:
        raise ImproperlyConfigured(
            f"{variable}: not a database URL; write postgres://user:password@host:5432/name "
            "(special characters percent-encoded) or sqlite:////absolute/path"
        ) from None
    if "postgresql" in database["ENGINE"]:
        if find_spec("psycopg") is None:
            raise ImproperlyConfigured(
                f"{variable}: the PostgreSQL driver is missing; pip install '.[postgres]'"
            )
        database["OPTIONS"] = _PATIENCE | database.get("OPTIONS", {})
    return database


def one_of(variable: str, default: str, choices: Sequence[str]) -> str:
    value = (env.str(variable, "") or default).lower()
    if value not in choices:
        raise ImproperlyConfigured(f"{variable}: use {', '.join(choices)}, not {value}")
    return value


@dataclass(frozen=True)
class MailServer:
    """As Django wants to know it. No host: there is none."""

    host: str = ""
    port: int = 25
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False  # from the first byte on
    starttls: bool = False


_MAIL_PORTS = {"smtp": 25, "smtps": 465, "smtp+tls": 587}


def mail_server(variable: str) -> MailServer:
    """Never repeats the URL in an error: it may hold a password."""
    text = env.str(variable, "")
    if not text:
        return MailServer()
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port or _MAIL_PORTS[parts.scheme]
    except (ValueError, KeyError):
        host, port = "", 0
    if not host or parts.path.strip("/") or parts.query:
        raise ImproperlyConfigured(
            f"{variable}: not a mail server's URL; write smtp+tls://user:password@host:587 for "
            "STARTTLS, smtps://… for TLS from the start, or smtp://host:25 "
            "(special characters percent-encoded)"
        )
    return MailServer(
        host=host,
        port=port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=parts.scheme == "smtps",
        starttls=parts.scheme == "smtp+tls",
    )


def public_url(variable: str) -> str:
    """Where people open the admin; "" if that is not said."""
    text = env.str(variable, "").rstrip("/")
    if text and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", text):
        raise ImproperlyConfigured(f"{variable}: write it as https://lb.example.com")
    return text


def log_level(variable: str, default: str) -> str:
    level = (env.str(variable, "") or default).upper()
    if level not in logging.getLevelNamesMapping():
        raise ImproperlyConfigured(f"{variable}: use DEBUG, INFO, WARNING or ERROR, not {level}")
    return level
