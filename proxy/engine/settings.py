"""What is set for a listener as a whole, read from the environment.

These apply before it is known which pool a request belongs to, or to every
pool alike; what an operator may want to differ stands on the pool.
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import quote

from environs import Env

Network = IPv4Network | IPv6Network

KIB = 1024
MAX_NOTED = 1000  # requests a second: what is noted passes through Redis and the database


@dataclass(frozen=True)
class EdgeSettings:
    """Times in seconds, sizes in bytes."""

    data_dir: Path = Path("var")
    redis_url: str = field(default="", repr=False)  # may hold a password
    secret_key: str = field(default="", repr=False)  # the installation's; empty: none is there
    keep_alive_timeout: float = 75.0  # nginx's keepalive_timeout
    request_head_timeout: float = 10.0  # the whole head from its first byte: a trickle ends too
    tunnel_timeout: float = 3600.0  # HAProxy's usual timeout tunnel
    max_request_line: int = 8 * KIB
    max_request_head: int = 64 * KIB
    max_request_fields: int = 100
    max_connections: int = 10_000  # of one worker
    trusted_proxies: tuple[Network, ...] = field(default=())
    access_log: str = ""  # a file, or "-" for stdout; empty: there is none
    access_log_sample: float = 1.0  # share of the requests in which nothing went wrong
    # Requests that one worker notes for the control plane.
    request_log_per_second: float = 20.0
    request_log_errors_per_second: float = 200.0  # of those in which something went wrong

    def __post_init__(self) -> None:
        if self.max_request_line > self.max_request_head:
            raise ValueError("LB_MAX_REQUEST_LINE must not exceed LB_MAX_REQUEST_HEAD.")


def read_settings() -> EdgeSettings:
    """Settings from `LB_…` variables. Raises `environs.EnvError` or `ValueError` naming one."""
    env = Env()
    default = EdgeSettings()
    data_dir = Path(env.str("LB_DATA_DIR", "var")).absolute()
    with env.prefixed("LB_"):
        return EdgeSettings(
            data_dir=data_dir,
            redis_url=env.str("REDIS_URL", "") or f"unix://{quote(str(data_dir))}/redis.sock",
            secret_key=env.str("SECRET_KEY", "") or _kept_secret(data_dir / "secret_key"),
            keep_alive_timeout=_seconds(env, "KEEP_ALIVE_TIMEOUT", default.keep_alive_timeout),
            request_head_timeout=_seconds(
                env, "REQUEST_HEAD_TIMEOUT", default.request_head_timeout
            ),
            tunnel_timeout=_seconds(env, "TUNNEL_TIMEOUT", default.tunnel_timeout),
            max_request_line=_count(env, "MAX_REQUEST_LINE", default.max_request_line),
            max_request_head=_count(env, "MAX_REQUEST_HEAD", default.max_request_head),
            max_request_fields=_count(env, "MAX_REQUEST_FIELDS", default.max_request_fields),
            max_connections=_count(env, "MAX_CONNECTIONS", default.max_connections),
            trusted_proxies=_networks(env.list("TRUSTED_PROXIES", [])),
            access_log=env.str("ACCESS_LOG", default.access_log),
            access_log_sample=_share(env, "ACCESS_LOG_SAMPLE", default.access_log_sample),
            request_log_per_second=_rate(
                env, "REQUEST_LOG_PER_SECOND", default.request_log_per_second
            ),
            request_log_errors_per_second=_rate(
                env, "REQUEST_LOG_ERRORS_PER_SECOND", default.request_log_errors_per_second
            ),
        )


def _kept_secret(path: Path) -> str:
    """The secret that the control plane keeps in the data folder, where the edge shares it."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path} cannot be read ({type(error).__name__}): "
            "give the edge LB_SECRET_KEY, or the right to read it."
        ) from error


def _seconds(env: Env, name: str, default: float) -> float:
    value = env.float(name, default)
    if not 0 < value < float("inf"):
        raise ValueError(f"LB_{name} must be a number of seconds above 0.")
    return value


def _count(env: Env, name: str, default: int) -> int:
    value = env.int(name, default)
    if value < 1:
        raise ValueError(f"LB_{name} must be 1 or more.")
    return value


def _rate(env: Env, name: str, default: float) -> float:
    value = env.float(name, default)
    if not 0 <= value <= MAX_NOTED:
        raise ValueError(f"LB_{name} must be a number from 0 to {MAX_NOTED}.")
    return value


def _share(env: Env, name: str, default: float) -> float:
    value = env.float(name, default)
    if not 0 <= value <= 1:
        raise ValueError(f"LB_{name} must be a share from 0 to 1.")
    return value


def _networks(texts: list[str]) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(text.strip()) for text in texts if text.strip())
    except ValueError as error:
        raise ValueError(f"LB_TRUSTED_PROXIES: {error}; give addresses like 10.0.0.0/8.") from error
