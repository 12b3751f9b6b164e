"""An explanation small enough for a response's header: `X-LB-Explain`, JSON on one line.

Printable ASCII whatever a name or a key holds, and at most 2 KiB, which every
client and proxy takes. What does not fit is left out from the end, backends
that were not chosen from first; `more` says how many.
"""

import json
from collections.abc import Mapping
from typing import Any

from pool.obstacles import Obstacle
from proxy.core.backend import Backend
from proxy.core.explain import BackendView, PoolView
from proxy.core.routing import Route
from proxy.errors import ProxyError

HEADER = "X-LB-Explain"
MAX_BYTES = 2048

_MAX_BACKENDS = 30  # more never fit
_MAX_TRIES = 5  # the last ones
_MAX_TEXT = 60  # characters of a name or a value
# Where the detail is news.
_OUT = (Obstacle.UNHEALTHY, Obstacle.CIRCUIT_OPEN, Obstacle.EJECTED)


def explanation_header(
    number: int,
    route: Route,
    pool: PoolView,
    tried: Mapping[Backend, ProxyError],
    backend: Backend | None,
    preferred: Backend | None,
) -> str:
    """The value. `number`: the snapshot's.

    `tried`: what has failed, in order; `backend`: the one that answers, if any; `preferred`:
    the one that the client's mark names.
    """
    tries = [
        {"backend": _text(one.spec.name), "error": error.cause} for one, error in tried.items()
    ]
    if backend is not None:
        tries.append({"backend": _text(backend.spec.name)})
    panic = [tier.tier for tier in pool.tiers if tier.panic]
    content: dict[str, Any] = {
        "snapshot": number,
        "route": {
            "id": route.id,
            "host": _text(route.spec.host),
            "path_prefix": _text(route.spec.path_prefix),
        },
        "pool": _text(pool.name),
        "algorithm": _text(pool.algorithm),
        **({"key": pool.key and _text(pool.key)} if pool.hash_key else {}),
        **({"sticks_to": _text(preferred.spec.name)} if preferred is not None else {}),
        "tiers": {str(tier.tier): tier.percent for tier in pool.tiers},
        **({"panic": panic} if panic else {}),
        "tries": tries[-_MAX_TRIES:],
    }
    chosen = backend.id if backend is not None else 0
    views = sorted(pool.backends, key=lambda view: _rank(view, chosen))
    return _fitted(content, [_compact(view) for view in views])


def _fitted(content: dict[str, Any], backends: list[dict[str, Any]]) -> str:
    """As many of the backends as there is room for."""
    shown = backends[:_MAX_BACKENDS]
    while True:
        more = len(backends) - len(shown)
        text = _ascii({**content, "backends": shown, **({"more": more} if more else {})})
        if len(text) <= MAX_BYTES:
            return text
        if shown:
            shown.pop()
        else:
            content.popitem()


def _rank(view: BackendView, chosen: int) -> tuple[bool, bool, float]:
    """The chosen one first, then those that it was chosen from, the best first."""
    score = view.score if view.score is not None else 0.0
    return (view.id != chosen, view.passed_over is not None, score)


def _compact(view: BackendView) -> dict[str, Any]:
    """Without what goes without saying."""
    fields: dict[str, Any] = {"name": _text(view.name), "in_flight": view.in_flight}
    if view.latency_ms is not None:
        fields["latency_ms"] = round(view.latency_ms, 3)
    if view.score is not None:
        fields["score"] = float(f"{view.score:.4g}")
    if view.passed_over is not None:
        fields["passed_over"] = view.passed_over
    if view.passed_over in _OUT:
        fields["detail"] = _text(view.detail)
    return fields


def _text(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 3] + "..."


def _ascii(content: dict[str, Any]) -> str:
    # JSON escapes all of ASCII's control characters but the last one.
    return json.dumps(content, separators=(",", ":")).replace("\x7f", "\\u007f")
