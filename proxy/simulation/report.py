"""Outcomes side by side, for a person: a table, and charts of latencies and shares."""

from collections.abc import Iterator, Sequence
from math import log10

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Table

from proxy.simulation.outcome import Latency, Outcome

_CHART_WIDTH = 50
_BACKENDS_SHOWN = 12


def report(outcomes: Sequence[Outcome]) -> RenderableType:
    parts: list[RenderableType] = [_figures(outcomes)]
    latencies = [(one.algorithm, one.latency) for one in outcomes if one.latency is not None]
    if latencies:
        parts.append(_latency_chart(latencies))
    parts.append(_share_chart(outcomes))
    return Group(*parts)


def _figures(outcomes: Sequence[Outcome]) -> Table:
    table = Table(title="Latencies and waiting in backends' queues in ms")
    table.add_column("algorithm", no_wrap=True)
    for heading in ("p50", "p99", "p999", "queue", "errors", "retries", "time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in outcomes:
        latency = one.latency
        quantiles = (latency.p50, latency.p99, latency.p999) if latency else (None, None, None)
        table.add_row(
            one.algorithm,
            *map(_ms, quantiles),
            _ms(one.queue.mean),
            f"{sum(one.errors.values()):,}",
            f"{one.retries:,}",
            f"{one.seconds:,.1f} s",
        )
    return table


def _latency_chart(latencies: Sequence[tuple[str, Latency]]) -> Table:
    """Each bar runs to the quantile's place between the least and the greatest of all."""
    chart = _chart("Latency, on a logarithmic scale")
    low = log10(max(min(latency.p50 for _, latency in latencies), 0.001)) - 0.1
    high = max(log10(max(max(latency.p999 for _, latency in latencies), 0.001)), low + 0.2)
    for algorithm, latency in latencies:
        quantiles = {"p50": latency.p50, "p99": latency.p99, "p999": latency.p999}
        for place, (name, value) in enumerate(quantiles.items()):
            length = log10(max(value, 0.001)) - low
            chart.add_row(
                "" if place else algorithm, name, _bar(length, high - low), f"{_ms(value)} ms"
            )
    return chart


def _share_chart(outcomes: Sequence[Outcome]) -> Table:
    chart = _chart("Share of each backend")
    largest = max((share for one in outcomes for share in one.shares.values()), default=0) or 1
    for one in outcomes:
        for place, (name, share) in enumerate(_shown(one.shares)):
            label = "" if place else one.algorithm
            chart.add_row(label, name, _bar(share, largest), f"{share:.1%}")
    return chart


def _shown(shares: dict[str, float]) -> Iterator[tuple[str, float]]:
    """The first backends; the others, where they are too many to look at, together."""
    items = list(shares.items())
    shown = items if len(items) <= _BACKENDS_SHOWN else items[: _BACKENDS_SHOWN - 1]
    yield from shown
    if len(shown) < len(items):
        others = items[len(shown) :]
        yield f"{len(others)} others", sum(share for _, share in others)


def _chart(title: str) -> Table:
    chart = Table(title=title, box=None, show_header=False, padding=(0, 1))
    chart.add_column(no_wrap=True)
    chart.add_column(no_wrap=True)
    chart.add_column()  # the bar: it gives way where there is little room
    chart.add_column(justify="right", no_wrap=True)
    return chart


def _bar(length: float, full: float) -> Bar:
    """What is there is seen, however little it is."""
    return Bar(full, 0, max(length, full / 100) if length else 0, width=_CHART_WIDTH)


def _ms(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
