"""What is set for a listener as a whole, read from the environment.

These apply before it is known which pool a request belongs to, or to every
pool alike; what an operator may want to differ stands on the pool.
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from urllib.parse import quote

from pool.environment import between, env, seconds, texts, whole
from proxy.core.head.request import HeadLimits
from proxy.engine.regular_file import read_regular

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

    @property
    def head_limits(self) -> HeadLimits:
        return HeadLimits(self.max_request_line, self.max_request_head, self.max_request_fields)

    def trusts(self, address: str) -> bool:
        """Whether `address` is a proxy of the operator's, to be believed about its clients."""
        networks = self.trusted_proxies
        return bool(networks) and any(ip_address(address) in network for network in networks)


def read_settings() -> EdgeSettings:
    """Settings from `LB_…` variables. Raises `environs.EnvError` or `ValueError` naming one."""
    default = EdgeSettings()
    data_dir = Path(env.str("LB_DATA_DIR", "") or default.data_dir).absolute()
    return EdgeSettings(
        data_dir=data_dir,
        redis_url=env.str("LB_REDIS_URL", "") or f"unix://{quote(str(data_dir))}/redis.sock",
        secret_key=env.str("LB_SECRET_KEY", "") or _kept_secret(data_dir / "secret_key"),
        keep_alive_timeout=seconds("LB_KEEP_ALIVE_TIMEOUT", default.keep_alive_timeout),
        request_head_timeout=seconds("LB_REQUEST_HEAD_TIMEOUT", default.request_head_timeout),
        tunnel_timeout=seconds("LB_TUNNEL_TIMEOUT", default.tunnel_timeout),
        max_request_line=whole("LB_MAX_REQUEST_LINE", default.max_request_line, 1),
        max_request_head=whole("LB_MAX_REQUEST_HEAD", default.max_request_head, 1),
        max_request_fields=whole("LB_MAX_REQUEST_FIELDS", default.max_request_fields, 1),
        max_connections=whole("LB_MAX_CONNECTIONS", default.max_connections, 1),
        trusted_proxies=_networks(texts("LB_TRUSTED_PROXIES", [])),
        access_log=env.str("LB_ACCESS_LOG", default.access_log),
        access_log_sample=between("LB_ACCESS_LOG_SAMPLE", default.access_log_sample, 0, 1),
        request_log_per_second=between(
            "LB_REQUEST_LOG_PER_SECOND", default.request_log_per_second, 0, MAX_NOTED
        ),
        request_log_errors_per_second=between(
            "LB_REQUEST_LOG_ERRORS_PER_SECOND", default.request_log_errors_per_second, 0, MAX_NOTED
        ),
    )


def _kept_secret(path: Path) -> str:
    """The secret that the control plane keeps in the data folder, where the edge shares it."""
    try:
        return read_regular(path).decode().strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path} cannot be read ({type(error).__name__}): "
            "give the edge LB_SECRET_KEY, or the right to read it."
        ) from error


def _networks(addresses: list[str]) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(address) for address in addresses)
    except ValueError as error:
        raise ValueError(f"LB_TRUSTED_PROXIES: {error}; give addresses like 10.0.0.0/8.") from error
