"""What a person sees of outcomes."""

from io import StringIO

from rich.console import Console

from proxy.simulation.outcome import Latency, Outcome, Queue
from proxy.simulation.report import report


def outcome(**fields: object) -> Outcome:
    known: dict[str, object] = {
        "algorithm": "least_response_time",
        "requests": 100,
        "seconds": 1.0,
        "latency": Latency(mean=10.0, p50=9.5, p99=90.0, p999=1234.5, max=2000.0),
        "errors": {"no_backend": 1200, "status_500": 34},
        "retries": 5,
        "queue": Queue(mean=0.0, max=0.0),
        "shares": {"a-long-name-of-a-backend": 0.75, "b": 0.25},
    }
    return Outcome(**(known | fields))  # type: ignore[arg-type]


def seen(*outcomes: Outcome, width: int = 80) -> str:
    console = Console(width=width, record=True, file=StringIO())
    console.print(report(outcomes))
    return console.export_text()


def test_names_and_figures_stay_whole_where_there_is_little_room() -> None:
    text = seen(outcome(), width=80)
    assert "…" not in text
    for word in ("least_response_time", "a-long-name-of-a-backend", "75.0%", "1,234", "9.5 ms"):
        assert word in text


def test_a_backend_without_a_share_has_no_bar() -> None:
    (line,) = [
        one for one in seen(outcome(shares={"a": 1.0, "z": 0.0})).splitlines() if " z " in one
    ]
    assert set(line) <= set(" z0.%")


def test_many_backends_are_told_together() -> None:
    text = seen(outcome(shares={f"n{number}": 0.01 for number in range(100)}))
    assert "89 others" in text
    assert "89.0%" in text


def test_nothing_but_errors_has_no_latency() -> None:
    assert "logarithmic" not in seen(outcome(latency=None))
