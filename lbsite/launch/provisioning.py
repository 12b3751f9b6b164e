"""What `lb up` puts into the configuration: the demo pool, and the servers of a file.

Each function changes all or nothing, and returns what it changed as lines to print.
"""

import ipaddress
import socket
from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.db import transaction

from lbsite.launch.programs import Listen
from lbsite.servers_file import ServerEntry
from pool.actor import acting_as
from pool.addresses import origin_host_and_port, socket_path
from pool.models import Backend, Pool, Route
from pool.refusals import in_words

ACTOR = "lb up"
DEFAULT_POOL = "default"
DEMO_POOL = "demo"
DEMO_PORTS = {"demo-a": 9001, "demo-b": 9002, "demo-c": 9003}  # where they are free


class ProvisioningError(ValueError):
    """Names what was refused and why; nothing was changed."""


def apply_servers(entries: Sequence[ServerEntry], interval: float | None) -> list[str]:
    """Make the pool `default` hold exactly `entries`. What they leave out stays as it is."""
    with transaction.atomic(), acting_as(ACTOR):
        pool, lines = _get_or_create_pool(DEFAULT_POOL, interval)
        stored = {backend.name: backend for backend in pool.backends.all()}
        for name in sorted(stored.keys() - {entry.name for entry in entries}):
            stored[name].delete()
            lines.append(f"removed backend {DEFAULT_POOL}/{name}")
        for entry in entries:
            lines += _apply_entry(entry, stored.get(entry.name) or Backend(pool=pool))
        lines += _ensure_catch_all_route(pool)
    return lines or [f"pool {DEFAULT_POOL} is as the file says"]


def _apply_entry(entry: ServerEntry, backend: Backend) -> list[str]:
    wanted = {"name": entry.name, "url": entry.url, **entry.options}
    changed = [field for field, value in wanted.items() if getattr(backend, field) != value]
    if not changed:
        return []
    verb = "added" if backend.pk is None else "changed"
    differences = [f"{field} {getattr(backend, field)} → {wanted[field]}" for field in changed]
    for field in changed:
        setattr(backend, field, wanted[field])
    _save(backend, entry.label)
    detail = entry.url if verb == "added" else ", ".join(differences)
    return [f"{verb} backend {DEFAULT_POOL}/{entry.name} ({detail})"]


def set_interval(name: str, interval: float) -> list[str]:
    pool = Pool.objects.filter(name=name).first()
    if pool is None:
        raise ProvisioningError(f"--interval: there is no pool {name} yet; give --config or --demo")
    with acting_as(ACTOR):
        return _set_interval(pool, interval)


def _set_interval(pool: Pool, interval: float | None) -> list[str]:
    if interval is None or pool.health_interval == interval:
        return []
    before = pool.health_interval
    _probe_every(pool, interval)
    _save(pool, "--interval")
    return [f"changed pool {pool.name} (health_interval {before:g} → {interval:g})"]


def _probe_every(pool: Pool, interval: float) -> None:
    pool.health_interval = interval
    # A probe may not outlast the interval. Who asks for a shorter one means that, too.
    pool.health_timeout = min(pool.health_timeout, interval)


def _save(row: Pool | Backend, label: str) -> None:
    try:
        row.save()
    except ValidationError as error:
        raise ProvisioningError(f"{label}: {in_words(error)}") from error


def demo_backends() -> dict[str, Listen]:
    """Where each demo backend listens: where the pool says, for as long as the pool says so.

    One that the operator has deleted, or pointed at another machine, is not started.
    """
    pool = Pool.objects.filter(name=DEMO_POOL).first()
    if pool is None:
        return {name: _free_address(port) for name, port in DEMO_PORTS.items()}
    demo = pool.backends.filter(name__in=DEMO_PORTS)
    stored = {backend.name: backend for backend in demo if not socket_path(backend.url)}
    addresses = {name: _listen(b.url) for name, b in stored.items()}
    return {name: listen for name, listen in addresses.items() if _is_loopback(listen.host)}


def ensure_demo_pool(addresses: dict[str, Listen], interval: float | None) -> list[str]:
    """Pool and route of the demo, made once: what the operator edits later is kept."""
    with transaction.atomic(), acting_as(ACTOR):
        if (pool := Pool.objects.filter(name=DEMO_POOL).first()) is not None:
            return _set_interval(pool, interval)
        pool, lines = _get_or_create_pool(DEMO_POOL, interval)
        for name, listen in addresses.items():
            Backend(pool=pool, name=name, url=f"http://{listen}").save()
        return lines + _ensure_catch_all_route(pool)


def _get_or_create_pool(name: str, interval: float | None) -> tuple[Pool, list[str]]:
    pool = Pool.objects.filter(name=name).first()
    if pool is not None:
        return pool, _set_interval(pool, interval)
    pool = Pool(name=name)
    if interval is not None:
        _probe_every(pool, interval)
    _save(pool, f"pool {name}" if interval is None else "--interval")
    return pool, [f"added pool {name}"]


def _ensure_catch_all_route(pool: Pool) -> list[str]:
    route = Route.objects.filter(host="", path_prefix="/").first()
    if route is None:
        Route(pool=pool).save()
        return [f"added route / to pool {pool.name}"]
    if route.pool_id != pool.pk:
        return [
            f"kept route / to pool {route.pool.name}; pool {pool.name} needs a route of its own"
        ]
    return []


def _listen(url: str) -> Listen:
    host, port = origin_host_and_port(url)
    return Listen(host=host, port=port)


def _free_address(preferred: int) -> Listen:
    for port in (preferred, 0):
        try:
            with socket.create_server(("127.0.0.1", port)) as server:
                return Listen(host="127.0.0.1", port=server.getsockname()[1])
        except OSError:
            continue
    raise ProvisioningError("there is no free port on 127.0.0.1 for a demo backend")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
