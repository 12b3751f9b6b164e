"""An answer in words, figures and tables for the page."""

from typing import Any

from django.utils.safestring import SafeString

from pool.admin.badges import BLUE, GREEN, GREY, ORANGE, RED, badge
from pool.admin.figures import Figure
from pool.admin.history import Table
from pool.obstacles import Obstacle, short
from proxy.core.explain import BackendView, PoolView, RouteView, TierView
from proxy.explain.answer import Answer, By, Choice

_COLOURS = {
    Obstacle.UNHEALTHY: RED,
    Obstacle.MAINTENANCE: BLUE,
    Obstacle.DRAINING: ORANGE,
    Obstacle.FULL: ORANGE,
    Obstacle.CIRCUIT_OPEN: RED,
    Obstacle.EJECTED: RED,
}
_FIGURES = ["Backend", "State", "Share", "Tier", "Weight", "In flight", "Latency", "Score"]
_IN_WORDS = {
    By.NOBODY: "nobody",
    By.MARK: "the mark that the client carries",
    By.ONLY: "the only one that may serve",
    By.KEY: "the value of the hash key",
    By.CHANCE: "by chance",
    By.TURN: "first in an idle worker",
}


def present(answer: Answer) -> dict[str, Any]:
    """The parts of the page; those that a question has no answer to are absent."""
    parts: dict[str, Any] = {"figures": _figures(answer), "verdict": _verdict(answer)}
    if answer.routes:
        parts["routes"] = {
            "headers": ["Host", "Prefix", "Priority", "Pool", "Outcome"],
            "rows": [_route_row(route) for route in answer.routes],
        }
    if answer.pool is not None:
        parts["pool"] = answer.pool
        parts["tiers"] = _tiers_table(answer.pool)
        parts["backends"] = _backends_table(answer.pool, answer.choice)
        parts["note"] = _note(answer)
    return parts


def _verdict(answer: Answer) -> str:
    """One sentence for a reader in a hurry."""
    if answer.answered_by_edge:
        return "The edge answers this itself: it is its health path."
    if answer.pool is None or answer.choice is None:
        return "No route matches: the edge answers with 404."
    choice = answer.choice
    if choice.by is By.NOBODY:
        return f"Nobody in {answer.pool.name} can take it: the edge answers with 503."
    if choice.backend is None:
        return f"Chance decides in {answer.pool.name}; the shares below are probabilities."
    return f"It goes to {choice.backend} in {answer.pool.name}: {_IN_WORDS[choice.by]}."


def _figures(answer: Answer) -> list[Figure]:
    route = answer.routes[0] if answer.routes else None
    figures = [
        Figure("Route", _target(route) if route else "none", _among(answer.routes)),
    ]
    if answer.pool is not None and answer.choice is not None:
        pool, choice = answer.pool, answer.choice
        figures.append(Figure("Pool", pool.name, _algorithm(pool)))
        figures.append(Figure("Backend", choice.backend or _several(choice), _IN_WORDS[choice.by]))
    figures.append(Figure("Revision", str(answer.snapshot), "that is published"))
    return figures


def _several(choice: Choice) -> str:
    return "none" if choice.by is By.NOBODY else f"one of {len(choice.shares)}"


def _target(route: RouteView) -> str:
    return f"{route.host or 'any host'} {route.path_prefix}"


def _among(routes: list[RouteView]) -> str:
    if not routes:
        return "matches this host and path"
    others = len(routes) - 1
    return (
        f"ahead of {others} other match{'es' if others > 1 else ''}" if others else "the only match"
    )


def _algorithm(pool: PoolView) -> str:
    name = pool.algorithm.replace("_", " ")
    if not pool.hash_key:
        return name
    if pool.key is None:
        return f"{name}, because the request has no {pool.hash_key}"
    return f"{name} by {pool.hash_key} = {_short(pool.key)}"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


def _route_row(route: RouteView) -> list[Any]:
    outcome = badge("matches first", GREEN) if not route.lost_by else route.lost_by
    return [route.host or "any host", route.path_prefix, route.priority, route.pool, outcome]


def _tiers_table(pool: PoolView) -> Table | None:
    """None where there is nothing to tell: one tier that serves as it should."""
    if len(pool.tiers) < 2 and not any(tier.panic for tier in pool.tiers):
        return None
    return {
        "headers": ["Tier", "Share", "Healthy", "State"],
        "rows": [
            [
                tier.tier,
                f"{tier.percent} %",
                f"{tier.healthy} of {tier.total}",
                _tier_state(tier, pool),
            ]
            for tier in pool.tiers
        ],
    }


def _tier_state(tier: TierView, pool: PoolView) -> SafeString:
    if tier.panic:
        return badge("panic", RED, "Too few are healthy: all of them are used.")
    if tier.percent:
        return badge("serves", GREEN)
    if tier.tier < pool.floor:
        return badge("left in a failover", ORANGE)
    return badge("waits")


def _backends_table(pool: PoolView, choice: Choice | None) -> Table:
    """Those that are chosen from first, the likeliest on top."""
    shares = choice.shares if choice is not None else {}
    backends = sorted(
        pool.backends,
        key=lambda view: (-shares.get(view.name, 0.0), view.passed_over is not None, view.tier),
    )
    return {
        "headers": [*_FIGURES, "Why"],
        "rows": [_backend_row(view, choice) for view in backends],
    }


def _backend_row(view: BackendView, choice: Choice | None) -> list[Any]:
    share = choice.shares.get(view.name) if choice is not None else None
    limit = f" of {view.max_connections}" if view.max_connections else ""
    return [
        view.name,
        _state(view, choice),
        "-" if share is None else f"{share:g} %",
        view.tier,
        f"{view.weight:g}",
        f"{view.in_flight}{limit}",
        "-" if view.latency_ms is None else f"{view.latency_ms:,.1f} ms",
        "-" if view.score is None else f"{view.score:,.4g}",
        view.detail or "-",
    ]


def _state(view: BackendView, choice: Choice | None) -> SafeString:
    if choice is not None and choice.backend == view.name:
        return badge("chosen", GREEN)
    if view.passed_over is None:
        return badge("may serve", BLUE)
    return badge(short(view.passed_over), _COLOURS.get(view.passed_over, GREY))


def _note(answer: Answer) -> str:
    if answer.age is None:
        note = "No edge worker reports: what is in flight and how fast backends are is not known."
    else:
        workers = f"{answer.workers} edge worker{'s'[: answer.workers != 1]}"
        note = (
            f"In flight and latency are those of {workers}, reported up to {answer.age:.0f} s ago."
        )
    if answer.choice is not None and answer.choice.picks:
        note += f" Shares are those of {answer.choice.picks:,} choices in a row at these figures."
    return note
